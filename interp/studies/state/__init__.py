"""How full is a model's state, what does it hold and use, and is that the state?"""

from interp.studies.state.settings import SaturationSettings
from interp.studies.study import STUDIES, Study

STUDIES.register(
    Study(
        name="state",
        question="How full is a model's state, what does it hold and use, and is that the state?",
        Settings=SaturationSettings,
        runs="interp.studies.state.run:saturation_study",
        reports="interp.studies.state.report:write_report",
        prints="interp.studies.state.report:tables",
        compares="interp.studies.state.report:write_state_report",
    )
)
