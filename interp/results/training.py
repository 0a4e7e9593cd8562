"""The curves of a training."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Float, Int

from interp.results.record import Result


@dataclass(frozen=True)
class Mark:
    """What changes along a training: from this step on."""

    step: int
    examples: int
    """Examples seen before it."""
    begins: str
    """What begins, in words: `half of the strings over 4 letters`."""


@dataclass(frozen=True)
class TrainLog(Result):
    """Curves of a training, by examples seen."""

    UNITS: ClassVar[dict[str, str]] = {"loss": "nats"}

    examples: Int[np.ndarray, " step"]
    loss: Float[np.ndarray, " step"]
    """Nats per trained token."""
    learning_rate: Float[np.ndarray, " step"]
    evaluated_at: Int[np.ndarray, " evaluation"]
    """Examples seen at each evaluation."""
    lengths: Annotated[tuple[int, ...], "length"]
    string_accuracy: Float[np.ndarray, "evaluation length"]
    letter_accuracy: Float[np.ndarray, "evaluation length"]
    marks: tuple[Mark, ...] = ()
    """What changed along the way, in order."""

    def examples_to(self, share: float, length: int | None = None) -> tuple[float, float]:
        """Find when a share of strings was first right: after more examples than the first, and at most the second.

        >>> log.examples_to(0.9)
        (9600.0, 12800.0)

        Args:
            share: of strings, above 0.
            length: one of `lengths`; None: the longest.

        Returns: the examples at the evaluation before, 0 where there was none, and at the first evaluation that shows
            it: infinite (censored) where none does.
        """
        at = self.lengths.index(max(self.lengths) if length is None else length)
        reached = np.flatnonzero(self.string_accuracy[:, at] >= share)
        if not len(reached):
            return float(self.evaluated_at[-1]) if len(self.evaluated_at) else 0.0, math.inf
        first = int(reached[0])
        return float(self.evaluated_at[first - 1]) if first else 0.0, float(self.evaluated_at[first])
