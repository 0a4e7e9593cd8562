"""`AblationStudy`: what a model loses without some of its heads; the content of its page."""

from dataclasses import dataclass
from typing import Any

from interp.results.ablation import AblationResult
from interp.results.attention import AttentionView
from interp.results.record import Result


@dataclass(frozen=True)
class AblationStudy(Result):
    """What `analyses/ablate_heads.py` finds."""

    provenance: dict[str, Any]
    model: dict[str, Any]
    ablations: tuple[AblationResult, ...]
    attention: AttentionView
    """One string, as the model is and without all of these heads."""
