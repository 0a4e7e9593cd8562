"""How a language model does what it is asked in words, by length."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float

from interp.base.estimates import proportion_interval
from interp.base.interval import Interval
from interp.results.record import Result


@dataclass(frozen=True)
class Answered(Result):
    """One prompt as a person reads it."""

    length: int
    prompt: str
    """Its end."""
    right: str
    told: str
    """What the model wrote, or under teacher forcing what it predicted."""


@dataclass(frozen=True)
class TextAccuracy(Result):
    """One task in words, by length; a row is a length."""

    task: str
    unit: str
    """What a length counts: tokens or entries."""
    lengths: Annotated[tuple[int, ...], "length"]
    tokens: Annotated[tuple[float, ...], "length"]
    """Mean tokens of a prompt with its answer."""
    right: Bool[np.ndarray, "length string"]
    """Whether the whole answer is right."""
    share: Float[np.ndarray, "length string"]
    """How much of it is, by `measure`."""
    measure: str
    """What `share` is: the share of right tokens, or F1."""
    free: bool
    """Whether the model wrote the answer from its own output; else it was teacher-forced, which makes the same answers
    right as a whole."""
    examples: tuple[Answered, ...] = ()

    @property
    def accuracy(self) -> tuple[float, ...]:
        """Share of right answers at each length."""
        return tuple(float(share) for share in self.right.mean(axis=1))

    def interval(self, place: int) -> Interval:
        """Interval of the share of right answers at a length, by its place."""
        return proportion_interval(int(self.right[place].sum()), self.right.shape[1])
