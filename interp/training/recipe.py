"""`TrainConfig`: everything that a training depends on, apart from the task and the model."""

import math
from dataclasses import dataclass
from typing import Any

from interp.base.codec import checked, from_plain, to_plain, without_defaults
from interp.base.errors import UserError, shown, unknown
from interp.training.phase import MOST, HardLetters, Phase, check_hard_letters, check_length, span

PRECISIONS = ("fp32", "bf16")
LARGEST_SEED = 2**63 - 1
LARGEST_RATE = 1e30
"""Past it, a step cannot be written in single precision."""
COUNTS = ("steps", "batch", "evaluate_every", "evaluate_strings", "checkpoint_every", "context")
"""Fields that are counts of at least 1."""
LATER = ("one_length", "phases", "keep", "pass_state", "decay_exempted", "average")
"""Fields that are left out of a recipe's dict where they have their default, so that older recipes keep their name."""


@checked
@dataclass(frozen=True)
class TrainConfig:
    """A recipe. Together with the task, the model's config and the device it determines the weights, bit by bit.

    >>> TrainConfig(steps=10).warmup
    10

    Raises: UserError that names the field, for one that does not exist, a value of another type, or one out of bounds.
    """

    steps: int = 350
    """Steps at most; the learning rate's decay ends there."""
    batch: int = 64
    """Strings (with `context`: packed contexts) per step, all processes together."""
    length: int | tuple[int, int] = 30
    """Letters per string, or (shortest, longest), drawn uniformly for each string."""
    one_length: bool = False
    """Whether a length is drawn for each batch rather than for each string: no position is padding."""
    learning_rate: float = 4e-3
    """Peak of AdamW's learning rate."""
    warmup: int = 50
    """Steps of linear rise before the peak; where there are fewer steps in all, that many."""
    final_fraction: float = 0.02
    """Final learning rate, reached by linear decay at the last step, as a share of the peak."""
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    """Weight decay of matrices only: not of norms and biases (they have no scale to bound), nor of embeddings (a row
    would decay in every step, but learn only where its token occurs)."""
    decay_exempted: bool = False
    """Whether what modules exempt from weight decay by name decays, too, apart from biases: of Mamba A_log and D, as in
    the paper's own trainings."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    average: float = 0.0
    """Share that each step leaves of the running average of the weights, which is then what is evaluated and kept
    (`training.average`); 0: the weights themselves are."""
    hard_letters: HardLetters = None
    """Letters of hard strings: from step `hard_from` on, half of each batch is strings over a random subset of this
    many letters, one subset per string, so that short keys recur and long ones pay; of several numbers each such string
    draws one. It changes the training distribution only (it is not the paper's); every evaluation is on the plain
    task."""
    hard_from: int = 0
    """First step with hard strings; where there are fewer steps, none has them. Without `hard_letters` not used."""
    phases: tuple[Phase, ...] = ()
    """Later parts of the training, by their first step: each has lengths and hard letters of its own, in place of
    `length` and `hard_letters`, and a factor on the learning rate, whose schedule spans all of them."""
    context: int | None = None
    """Tokens per row, filled with several strings; None: one string per row."""
    isolate: bool = False
    """Whether the strings packed into a context are hidden from each other."""
    pass_state: float = 0.0
    """Share of the strings that start from the state that another string has left, rather than from an empty one
    (`training.passing`); for models all of whose layers are recurrent."""
    precision: str = "fp32"
    """fp32 or bf16. With bf16, forward and loss under autocast; weights and optimizer stay in fp32."""
    compile: bool = False
    """Whether the training step runs through `torch.compile`."""
    evaluate_every: int = 50
    """Steps between evaluations; there is always one at the end."""
    evaluate_lengths: tuple[int, ...] = (30,)
    """String lengths of the evaluations: plain strings, the same each time, drawn apart from the training's."""
    evaluate_strings: int = 200
    """Strings per length and evaluation."""
    stop_length: int | None = None
    """The length, one of `evaluate_lengths`, at which a string accuracy of `stop_accuracy` ends the training."""
    stop_accuracy: float = 1.0
    checkpoint_every: int = 100
    """Steps between checkpoints; there is always one at the end."""
    keep: tuple[int, ...] = ()
    """Steps after which the weights are kept for good in the run folder, to be opened as `runs/x@75`; 0: the first
    weights. Steps past the end are not reached."""
    seed: int = 0
    """Seed of the strings. The model's first weights have one of their own."""

    def __post_init__(self) -> None:
        self._check_numbers()
        self._check_lengths()
        self._check_combinations()
        for name in ("warmup", "hard_from"):  # a shorter copy of a recipe, as `replace` makes it, is a recipe, too
            object.__setattr__(self, name, min(getattr(self, name), self.steps))

    @property
    def lengths(self) -> tuple[int, int]:
        """Shortest and longest length of training, of all phases together."""
        spans = [span(self.length), *(phase.lengths for phase in self.phases if phase.begin < self.steps)]
        return min(low for low, _ in spans), max(high for _, high in spans)

    def phase_at(self, step: int) -> Phase:
        """What the strings of step 0, 1, ... are, and the factor on the learning rate."""
        for phase in reversed(self.phases):
            if step >= phase.begin:
                return phase
        return Phase(1, self.length, self.hard_letters if step >= self.hard_from else None)

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of step 0, 1, ...: linear warm-up to the peak, then linear decay to `final_fraction` of it."""
        peak = self.learning_rate * self.phase_at(step).rate
        if step < self.warmup:
            return peak * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - 1 - self.warmup)
        return peak * (1 - (1 - self.final_fraction) * done)

    def to_dict(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        return without_defaults(self, to_plain(self), LATER)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "TrainConfig":
        """The inverse of `to_dict`; options that are not there have their defaults. Raises: as the class."""
        return from_plain(cls, fields)

    def _check_numbers(self) -> None:
        for name in COUNTS:
            if (count := getattr(self, name)) is not None and not 1 <= count <= MOST:
                raise UserError(f"{name} must be an integer from 1 to {MOST}; got {shown(count)}.")
        for name, most in (("warmup", MOST), ("hard_from", MOST), ("seed", LARGEST_SEED)):
            if not 0 <= getattr(self, name) <= most:
                raise UserError(f"{name} must be an integer from 0 to {most}; got {shown(getattr(self, name))}.")
        for name in ("learning_rate", "clip"):
            if not 0 < getattr(self, name) < LARGEST_RATE:
                raise UserError(f"{name} must be above 0 and below {LARGEST_RATE:g}; got {shown(getattr(self, name))}.")
        if not 0 <= self.weight_decay < math.inf:
            raise UserError(f"weight_decay must be a finite number of at least 0; got {shown(self.weight_decay)}.")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise UserError(f"betas must be two numbers from 0 to below 1; got {self.betas}.")
        if not 0 <= self.final_fraction <= 1:
            raise UserError(f"final_fraction must be a fraction from 0 to 1; got {shown(self.final_fraction)}.")
        if not 0 <= self.pass_state <= 1:
            raise UserError(f"pass_state must be a fraction from 0 to 1; got {shown(self.pass_state)}.")
        if not 0 <= self.average < 1:
            raise UserError(f"average must be a fraction from 0 to below 1; got {shown(self.average)}.")
        if not 0 < self.stop_accuracy <= 1:
            raise UserError(f"stop_accuracy must be a fraction above 0 and at most 1; got {shown(self.stop_accuracy)}.")
        if self.precision not in PRECISIONS:
            raise unknown("precision", self.precision, PRECISIONS)

    def _check_lengths(self) -> None:
        check_length(self.length)
        if not all(0 <= step <= MOST for step in self.keep) or list(self.keep) != sorted(set(self.keep)):
            raise UserError(
                f"keep must hold steps from 0 to {MOST}, each once and in ascending order; got {shown(self.keep)}."
            )
        begins = [phase.begin for phase in self.phases]
        if begins != sorted(set(begins)):
            raise UserError(f"phases must be given in order, each with a first step of its own; got {begins}.")
        if not self.evaluate_lengths or not all(1 <= length <= MOST for length in self.evaluate_lengths):
            raise UserError(
                f"evaluate_lengths must hold at least one length, each from 1 to {MOST}; got "
                f"{shown(self.evaluate_lengths)}."
            )
        if self.stop_length is not None and self.stop_length not in self.evaluate_lengths:
            raise UserError(
                f"stop_length must be one of evaluate_lengths {shown(self.evaluate_lengths)}; got {self.stop_length}."
            )

    def _check_combinations(self) -> None:
        check_hard_letters(self.hard_letters)
        if self.context is None and self.isolate:
            raise UserError("isolate must be False for strings that are not packed; got True. Give a context, too.")
        if self.context is not None and self.pass_state:
            raise UserError(
                f"pass_state must be 0 where strings are packed, as states cross from one to the next already; got "
                f"{self.pass_state}. Leave out one of pass_state and context."
            )
        if self.context is not None and self.phases:
            raise UserError(
                "phases must be left out where strings are packed; got some. Leave out one of phases and context."
            )
        if self.context is not None and self.hard_letters is not None:
            raise UserError(
                f"hard_letters must be None where strings are packed; got {self.hard_letters}. Leave out one of "
                "hard_letters and context."
            )
