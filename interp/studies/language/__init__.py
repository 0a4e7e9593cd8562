"""How long a text can a language model copy, and how much can it look up in one?"""

from interp.studies.language.settings import LanguageSettings
from interp.studies.study import STUDIES, Study

STUDIES.register(
    Study(
        name="language",
        question="How long a text can a language model copy, and how much can it look up in one?",
        Settings=LanguageSettings,
        runs="interp.studies.language.run:language_study",
        reports="interp.studies.language.report:write_report",
        prints="interp.studies.language.report:tables",
        draws="interp.studies.language.report:study_figures",
        compares="interp.studies.language.report:write_language_report",
    )
)
