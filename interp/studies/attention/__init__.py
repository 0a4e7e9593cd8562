"""Where does each head look on one string, and is that the place that is copied from?"""

from interp.studies.attention.settings import AttentionSettings
from interp.studies.study import STUDIES, Study

STUDIES.register(
    Study(
        name="view",
        question="Where does each head look on one string, and is that the place that is copied from?",
        Settings=AttentionSettings,
        runs="interp.studies.attention.run:attention_study",
        reports="interp.studies.attention.report:write_attention_report",
        prints="interp.studies.attention.report:tables",
    )
)
