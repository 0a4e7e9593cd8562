"""`LanguageStudy`: how a language model does what it is asked in words, task by task."""

from dataclasses import dataclass

from interp.results.language import LanguageHeads, TextAccuracy
from interp.results.text_state import TextState
from interp.studies.result import StudyResult


@dataclass(frozen=True)
class LanguageStudy(StudyResult):
    """Accuracy by length of each task."""

    tasks: tuple[TextAccuracy, ...]
    heads: LanguageHeads | None = None
    """Which heads copy; None where it was not asked, or there are none."""
    state: TextState | None = None
    """What its state keeps of texts; None where it was not asked."""
