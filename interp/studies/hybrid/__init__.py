"""What does attention add to a recurrence?"""

from interp.studies.hybrid.settings import HybridSettings
from interp.studies.study import STUDIES, Study

STUDIES.register(
    Study(
        name="hybrid",
        question="What does attention add to a recurrence?",
        Settings=HybridSettings,
        runs="interp.studies.hybrid.run:hybrid_study",
        reports="interp.studies.hybrid.report:write_hybrid_report",
        prints="interp.studies.hybrid.report:tables",
        draws="interp.studies.hybrid.report:study_figures",
    )
)
