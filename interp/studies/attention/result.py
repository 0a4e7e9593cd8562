"""`AttentionStudy`: where the heads of a model look on one string."""

from dataclasses import dataclass

from interp.results.attention import AttentionExamples, AttentionView
from interp.studies.result import StudyResult


@dataclass(frozen=True)
class AttentionStudy(StudyResult):
    """Attention on one string, with what was found about each head on other strings."""

    view: AttentionView
    examples: AttentionExamples | None = None
    """Other strings to look at, if they were asked for."""
    headvis: bool = False
    """Whether HeadVis's data tree is written beside the page."""
