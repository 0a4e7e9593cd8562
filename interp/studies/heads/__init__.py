"""Which heads copy by looking up an n-gram, for which n, and is that how the model copies?"""

from interp.studies.heads.settings import HeadStudySettings
from interp.studies.study import STUDIES, Study

STUDIES.register(
    Study(
        name="heads",
        question="Which heads copy by looking up an n-gram, for which n, and is that how the model copies?",
        Settings=HeadStudySettings,
        runs="interp.studies.heads.run:hash_head_study",
        reports="interp.studies.heads.report:write_report",
        prints="interp.studies.heads.report:tables",
        draws="interp.studies.heads.report:study_figures",
    )
)
