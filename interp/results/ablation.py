"""What ablations cost: sets of ablated heads or edges, beside controls of the same size."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Bool, Float

from interp.base.interval import Interval
from interp.results.record import Result


@dataclass(frozen=True)
class Control:
    """As many other heads (or as much other attention) ablated in the same way."""

    name: str
    pool: int
    """How many heads the control sets are drawn from."""
    draws: int
    """How many different sets were drawn; 0: the pool is too small."""
    string_accuracy: float | None
    """Mean over the sets."""
    interval: Interval | None
    """None where too few sets could be drawn."""
    attention: tuple[float, float] | None = None
    """Edge control: mean attention that a query gives to its source, and how much was taken elsewhere instead."""
    string_correct: Bool[np.ndarray, "draw string"] | None = None


@dataclass(frozen=True)
class AblationResult(Result):
    """A set of heads (or edges) that was ablated, and what it cost."""

    UNITS: ClassVar[dict[str, str]] = {
        name: "nats" for name in ("loss", "clean_loss", "loss_before", "loss_after", "loss_interval")
    }

    name: str
    group: Literal["single", "cumulative", "random order", "all but one", "all", "edges", "no role"]
    kind: str
    """zero, mean, resample, ...: see `interp.measure.ablation.interventions`."""
    heads: tuple[str, ...]
    string_accuracy_before: float
    string_accuracy_after: float
    interval: Interval
    """Interval of the drop in string accuracy."""
    letter_accuracy_before: float
    letter_accuracy_after: float
    letter_interval: Interval
    """Interval of the drop in letter accuracy."""
    loss_before: float
    loss_after: float
    loss_interval: Interval
    """Interval of the rise in loss, in nats per answer letter."""
    logit_difference_before: float
    """Right letter's logit less the mean of the other letters'."""
    logit_difference_after: float
    logit_difference_interval: Interval
    """Interval of the drop in logit difference."""
    control_mean: float | None
    """String accuracy under the first control of heads that could be drawn often enough for an interval, else the first
    that could be drawn at all, else None; of the group "edges", under the edge control."""
    control_interval: Interval | None
    controls: tuple[Control, ...]
    string_correct: Bool[np.ndarray, " string"]
    letter_correct: Float[np.ndarray, " string"]
    loss: Float[np.ndarray, " string"]
    logit_difference: Float[np.ndarray, " string"] | None = None
    clean_string_correct: Bool[np.ndarray, " string"] | None = None
    """`string_correct` before the ablation, of the same strings, as are the three below: the drop is paired."""
    clean_letter_correct: Float[np.ndarray, " string"] | None = None
    clean_loss: Float[np.ndarray, " string"] | None = None
    clean_logit_difference: Float[np.ndarray, " string"] | None = None
