"""Accuracy: how well a model copies, by string length, and where it steps down."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int

from interp.base.interval import Interval
from interp.results.record import Result


@dataclass(frozen=True)
class LengthAccuracy(Result):
    """Accuracy by string length; one row of `string_correct` and of its companions is one length."""

    ROWS: ClassVar[tuple[str, ...]] = ("length", "string")

    lengths: Annotated[tuple[int, ...], "length"]
    trained: tuple[int, int] | None
    """Shortest and longest length of training, if known."""
    string_correct: Bool[np.ndarray, "length string"]
    letter_accuracy: Float[np.ndarray, "length string"]
    """Share of right letters, teacher-forced; nan for a string that was left at its first error."""
    first_error: Int[np.ndarray, "length string"]
    """Index of the first wrong letter, -1 where none."""
    free_letter_accuracy: Float[np.ndarray, "length string"] | None = None
    """Share of right letters when the model reads its own output; nan at lengths where it was not generated."""
    ideal: Mapping[str, Annotated[tuple[float, ...], "length"]] = field(default_factory=dict)
    """n -> string accuracy of the ideal n-gram copier at each length."""

    @property
    def at_home(self) -> int:
        """Index of the longest measured length that is not beyond training; of the first, where none is known."""
        known = [i for i, length in enumerate(self.lengths) if self.trained and length <= self.trained[1]]
        return max(known, key=lambda i: self.lengths[i], default=0)


@dataclass(frozen=True)
class StepCurve(Result):
    """A quantity that steps at n: accuracy by length of a planted repeat, or attention moved by offset."""

    x: Annotated[tuple[int, ...], "step"]
    value: Annotated[tuple[float, ...], "step"]
    interval: Annotated[tuple[Interval, ...], "step"]
    n: int | None
    """Where it steps; None if it does not."""
    examples: Float[np.ndarray, "step example"]
    n_interval: tuple[int, int] | None = None
    """95 % of the n found on strings drawn again; one more than the last step stands for none."""
    offsets: tuple[int, ...] = ()
    """Letters back that move the answer, by intervention; (0, 1, 2) are the last three. Other sets have no n."""
