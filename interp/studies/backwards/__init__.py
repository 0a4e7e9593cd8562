"""Does a model write strings backwards by looking behind the letter that is due?"""

from interp.studies.backwards.settings import BackwardsSettings
from interp.studies.study import STUDIES, Study

STUDIES.register(
    Study(
        name="backwards",
        question="Which heads write a string backwards, by which letters, and who writes the first ones?",
        Settings=BackwardsSettings,
        runs="interp.studies.backwards.run:backwards_study",
        reports="interp.studies.backwards.report:write_backwards_report",
        prints="interp.studies.backwards.report:tables",
        draws="interp.studies.backwards.report:study_figures",
    )
)
