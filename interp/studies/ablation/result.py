"""`AblationStudy`: what a model loses without some of its heads; the content of its page."""

from dataclasses import dataclass

from interp.results.ablation import AblationResult
from interp.results.attention import AttentionView
from interp.studies.result import StudyResult


@dataclass(frozen=True)
class AblationStudy(StudyResult):
    """Each set of heads that was ablated, what it cost, and where the heads look without them."""

    ablations: tuple[AblationResult, ...]
    attention: AttentionView
    """One string, as the model is and without all of these heads."""
