"""What is known about a hybrid: what its layers' outputs are worth, and how small its recurrent state may be."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float

from interp.base.interval import Interval
from interp.results.record import Result


@dataclass(frozen=True)
class OutputAblation(Result):
    """What some layers write, at every position replaced by its mean over strings and positions."""

    name: str
    """attention, recurrence, both, layer 0, ..."""
    layers: tuple[int, ...]
    length: int
    letter_accuracy_before: float
    letter_accuracy_after: float
    interval: Interval
    """Interval of the drop, over strings."""
    control_mean: float
    """Letter accuracy where the same layers' outputs are moved as far in random directions."""
    control_interval: Interval
    letter_correct: Float[np.ndarray, " string"]
    by_position: Float[np.ndarray, " pos"]
    """Letter accuracy afterwards at each place of the answer."""


@dataclass(frozen=True)
class RecurrentSize(Result):
    """Letter accuracy where the recurrent state is kept small at every step, and attention is left as it is."""

    length: int
    numbers: int
    """Numbers of recurrent state, convolution windows among them."""
    clean: float
    """Letter accuracy with the state as it is."""
    clean_interval: Interval
    bits_per_number: Annotated[tuple[int, ...], "quantisation"]
    quantised: Annotated[tuple[float, ...], "quantisation"]
    quantised_interval: Annotated[tuple[Interval, ...], "quantisation"]
    """Interval of the accuracy, over strings."""
    directions: Annotated[tuple[int, ...], "kept"]
    """Leading principal directions that are kept; with 0 the state is the same for all strings and positions."""
    projected: Annotated[tuple[float, ...], "kept"]
    projected_interval: Annotated[tuple[Interval, ...], "kept"]
    fewest_bits: int | None
    """The fewest bits per number that cost no more than a percentage point; None where none of those tried suffices."""
    fewest_directions: int | None
