"""Does a model copy worse without some of its heads?"""

from interp.studies.ablation.settings import AblationSettings
from interp.studies.study import STUDIES, Study

STUDIES.register(
    Study(
        name="ablate",
        question="Does a model copy worse without some of its heads?",
        Settings=AblationSettings,
        runs="interp.studies.ablation.run:head_ablation_study",
        reports="interp.studies.ablation.report:write_ablation_report",
        prints="interp.studies.ablation.report:tables",
        draws="interp.studies.ablation.report:study_figures",
    )
)
