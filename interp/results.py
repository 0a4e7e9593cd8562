"""What was found: frozen results with per-example numbers, saved and loaded without a model.

Every figure is drawn from these alone. An `interval` is a pair (low, high) at 95 %.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from interp.records import Result

Interval = tuple[float, float]
Role = Literal["lookup", "gather", "none"]
HeadKind = Literal["attention", "hidden attention"]


@dataclass(frozen=True)
class LengthAccuracy(Result):
    """Accuracy by string length; one row of `string_correct` and of its companions is one length."""

    lengths: tuple[int, ...]
    trained: tuple[int, int] | None
    """Shortest and longest length of training, if known."""
    string_correct: Bool[np.ndarray, "length string"]
    letter_accuracy: Float[np.ndarray, "length string"]
    """Share of right letters, teacher-forced."""
    first_error: Int[np.ndarray, "length string"]
    """Index of the first wrong letter, -1 where none."""
    free_letter_accuracy: Float[np.ndarray, "length string"] | None = None
    """The same share when the model reads its own output; nan at lengths where it was not generated."""
    ideal: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """n -> string accuracy of the ideal n-gram copier at each length."""

    @property
    def at_home(self) -> int:
        """Index of the longest measured length that is not beyond training; of the first, where none is known."""
        known = [i for i, length in enumerate(self.lengths) if self.trained and length <= self.trained[1]]
        return max(known, key=lambda i: self.lengths[i], default=0)


@dataclass(frozen=True)
class TrainLog(Result):
    """Curves of a training, by examples seen."""

    examples: Int[np.ndarray, " step"]
    loss: Float[np.ndarray, " step"]
    """Nats per trained token."""
    learning_rate: Float[np.ndarray, " step"]
    evaluated_at: Int[np.ndarray, " evaluation"]
    """Examples seen at each evaluation."""
    lengths: tuple[int, ...]
    string_accuracy: Float[np.ndarray, "evaluation length"]
    letter_accuracy: Float[np.ndarray, "evaluation length"]


@dataclass(frozen=True)
class StepCurve(Result):
    """A quantity that steps at n: accuracy by length of a planted repeat, or attention moved by offset."""

    x: tuple[int, ...]
    value: tuple[float, ...]
    interval: tuple[Interval, ...]
    n: int | None
    """Where it steps; None if it does not."""
    examples: Float[np.ndarray, "step example"]


@dataclass(frozen=True)
class HeadScore:
    """One head. `name` is L{layer}H{head}."""

    name: str
    layer: int
    head: int
    role: Role
    n: int | None
    """Lookup heads: the match length at which the response jumps."""
    score: float
    """Mean attention from the query to the place that the answer is copied from, where no other place competes."""
    interval: Interval
    chance: float
    """The same attention to a shuffled target: another letter of the same string."""
    response: tuple[float, ...]
    """Mean attention from q to j + 1 over pairs with match length 0, 1, 2, ... (the last: that and more)."""
    score_gain: tuple[float, ...] | None
    """Gain of the score before the softmax per further matching letter, from match length 0 to 1, 1 to 2, ...; None
    where the model has no true scores."""
    p_value: float
    q_value: float
    """Benjamini-Hochberg over all heads of its kind in the model."""
    flagged: bool
    """q below the level and, with its whole interval, attention above chance (`score` less `chance`) over the floor."""
    copying: float | None
    """OV circuit: share of letters whose own logit rises most when the head attends to them."""
    gather_effect: float | None
    """Relative change of the lookup heads' scores when this head is taken off the path to them."""
    gather_interval: Interval | None
    offsets: tuple[int, ...]
    """Gather heads: letters back that the set can decode only with this head."""
    kind: HeadKind = "attention"
    """Of an attention layer, or of a recurrent layer, whose attention is hidden: the share of each position in what the
    head writes by way of its state."""


@dataclass(frozen=True)
class HeadScores(Result):
    """Every head of a model, in order, with the per-example numbers behind the rows."""

    heads: tuple[HeadScore, ...]
    match_lengths: tuple[int, ...]
    level: float
    """Corrected level (Benjamini-Hochberg) below which a head is flagged."""
    floor: float
    """Least attention to the source, above chance, that counts as an effect."""
    gather_floor: float
    set_offsets: tuple[int, ...]
    """Letters back that are decoded linearly from the whole set of gather heads."""
    offset_accuracy: tuple[float, ...]
    """Held-out accuracy of that decoding for offsets 0, 1, 2, ..."""
    notes: tuple[str, ...]
    """What was measured otherwise on this model, or not at all, and why."""
    attention: Float[np.ndarray, "head example"]
    shuffled: Float[np.ndarray, "head example"]
    response: Float[np.ndarray, "head match"]
    null: Float[np.ndarray, " draw"]
    """The statistic of every head of the untrained models: all heads of one, in order, then those of the next."""

    @property
    def plain(self) -> bool:
        """Whether every head is one of an attention layer."""
        return all(head.kind == "attention" for head in self.heads)

    def of_role(self, role: Role) -> tuple[str, ...]:
        """Names of the heads with a role, best score first."""
        chosen = [head for head in self.heads if head.role == role]
        key = (lambda h: -(h.gather_effect or 0.0)) if role == "gather" else (lambda h: -h.score)
        return tuple(head.name for head in sorted(chosen, key=key))


@dataclass(frozen=True)
class Control:
    """As many other heads (or as much other attention) taken away in the same manner."""

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
    """A set of heads (or edges) taken away, and what it cost."""

    name: str
    group: Literal["single", "cumulative", "random order", "all but one", "all", "edges"]
    kind: str
    """zero, mean, resample, ...: see `interp.measure.interventions`."""
    heads: tuple[str, ...]
    string_accuracy_before: float
    string_accuracy_after: float
    interval: Interval
    """Of the drop in string accuracy."""
    letter_accuracy_before: float
    letter_accuracy_after: float
    letter_interval: Interval
    """Of the drop in letter accuracy."""
    loss_before: float
    loss_after: float
    loss_interval: Interval
    """Of the rise in loss, nats per answer letter."""
    logit_difference_before: float
    """Right letter's logit less the mean of the other letters'."""
    logit_difference_after: float
    logit_difference_interval: Interval
    """Of its drop."""
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
    """The same four before the ablation, string by string: the drop is paired."""
    clean_letter_correct: Float[np.ndarray, " string"] | None = None
    clean_loss: Float[np.ndarray, " string"] | None = None
    clean_logit_difference: Float[np.ndarray, " string"] | None = None
