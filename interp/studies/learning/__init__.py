"""How did a model learn, and when did its heads form?"""

from interp.studies.learning.settings import LearningSettings
from interp.studies.study import STUDIES, Study

STUDIES.register(
    Study(
        name="learning",
        question="How did a model learn, and when did its heads form?",
        Settings=LearningSettings,
        runs="interp.studies.learning.run:learning_study",
        reports="interp.studies.learning.report:write_learning_report",
        prints="interp.studies.learning.report:tables",
        draws="interp.studies.learning.report:study_figures",
        compares="interp.studies.learning.report:write_learning_comparison",
    )
)
