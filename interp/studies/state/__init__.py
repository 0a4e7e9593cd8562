"""Is a model's state full, what does it hold and use of a string, and is that really the state?"""

from interp.studies.state.settings import SaturationSettings
from interp.studies.study import STUDIES, Study

STUDIES.register(
    Study(
        name="state",
        question="Is a model's state full, what does it hold and use of a string, and is that really the state?",
        Settings=SaturationSettings,
        runs="interp.studies.state.run:saturation_study",
        reports="interp.studies.state.report:write_report",
        prints="interp.studies.state.report:tables",
        draws="interp.studies.state.report:study_figures",
        compares="interp.studies.state.report:write_state_report",
    )
)
