"""`HybridStudy`: what attention and recurrence do for a hybrid's copy, each taken away; the content of its page."""

from dataclasses import dataclass

from interp.results.heads import HeadScores
from interp.results.hybrid import OutputAblation, RecurrentSize
from interp.results.state import StateAblation
from interp.studies.result import StudyResult


@dataclass(frozen=True)
class HybridStudy(StudyResult):
    """Memories and outputs taken away, the heads that look up, and how small the recurrent state may be."""

    layers: tuple[str, ...]
    """Kinds of the layers, first to last: attention, or a recurrent family."""
    memories: tuple[StateAblation, ...]
    """What is remembered of the string, taken away before the answer: attention, recurrence, both, each layer."""
    outputs: tuple[OutputAblation, ...]
    """What is written, at its mean at every position: attention, recurrence, both, each layer."""
    untrained: tuple[StateAblation, ...]
    """`memories` of an untrained model of the same shape."""
    heads: HeadScores
    size: RecurrentSize

    @property
    def gathering(self) -> tuple[int, ...]:
        """Recurrent layers with a head that feeds the lookup heads."""
        recurrent = [head for head in self.heads.heads if head.kind != "attention" and head.role == "gather"]
        return tuple(sorted({head.layer for head in recurrent}))

    @property
    def lookup(self) -> tuple[str, ...]:
        """Heads of attention layers that look up, best first."""
        attending = {head.name for head in self.heads.heads if head.kind == "attention"}
        return tuple(name for name in self.heads.of_role("lookup") if name in attending)
