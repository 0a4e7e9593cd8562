"""`BackwardsStudy`: the heads that write a string backwards, what is lost without them, and who writes which letter."""

from dataclasses import dataclass
from typing import Annotated

from interp.results.ablation import AblationResult
from interp.results.backwards import BackwardHead, BackwardHeads, WrittenLetters
from interp.studies.result import StudyResult


@dataclass(frozen=True)
class BackwardsStudy(StudyResult):
    """Heads that do induction backwards, ablated together and alone, and each written letter."""

    length: int
    """Letters of the strings."""
    letters: int
    """Letters of the alphabet: guessing gets one in so many right."""
    heads: BackwardHeads
    ablations: Annotated[tuple[AblationResult, ...], "ablation"]
    """The flagged heads together, each alone, and all but each; then each head of their layers that is not flagged."""
    written: WrittenLetters

    @property
    def flagged(self) -> tuple[BackwardHead, ...]:
        """Heads that do induction backwards, those that look farthest behind first."""
        return tuple(sorted((head for head in self.heads.heads if head.flagged), key=lambda head: -head.offset))

    @property
    def together(self) -> AblationResult | None:
        """The ablation of all flagged heads; None without any."""
        return next((found for found in self.ablations if found.group == "all"), None)

    @property
    def others_needed(self) -> tuple[AblationResult, ...]:
        """Heads that are not flagged, without which alone strings or letters go wrong, with the whole interval."""
        return tuple(
            found
            for found in self.ablations
            if found.group == "no role"
            and len(found.heads) == 1
            and max(found.interval.low, found.letter_interval.low) > 0
        )

    @property
    def shown(self) -> tuple[BackwardHead, ...]:
        """Heads of the layers that have a flagged one, those of all layers where none has."""
        layers = {head.name.partition("H")[0] for head in self.flagged}
        return tuple(head for head in self.heads.heads if not layers or head.name.partition("H")[0] in layers)
