"""`TrainConfig`: everything that a training depends on, apart from the task and the model."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from interp.base.errors import UserError, unknown

PRECISIONS = ("fp32", "bf16")


@dataclass(frozen=True)
class TrainConfig:
    """A recipe. Together with the task, the model's config and the device it determines the weights, bit by bit."""

    steps: int = 350
    """Steps at most; the learning rate's decay ends there."""
    batch: int = 64
    """Strings (with `context`: packed contexts) per step, all processes together."""
    length: int | tuple[int, int] = 30
    """Letters per string, or (shortest, longest), drawn uniformly for each string."""
    learning_rate: float = 4e-3
    """Peak of AdamW's learning rate."""
    warmup: int = 50
    """Steps of linear rise before the peak."""
    final_fraction: float = 0.02
    """Of the peak, reached by linear decay at the last step."""
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 0.01
    """On matrices only: not on norms and biases (they have no scale to bound), nor on embeddings (a row would decay in
    every step, but learn only where its token occurs)."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    hard_letters: int | None = None
    """From step `hard_from` on, half of each batch are strings over a random subset of so many letters, one subset per
    string, so that short keys recur and long ones pay. It changes the training distribution only (it is not the
    paper's); every evaluation is on the plain task."""
    hard_from: int = 0
    context: int | None = None
    """Tokens per row, filled with several strings; None: one string per row."""
    isolate: bool = False
    """Whether the strings packed into a context are hidden from each other."""
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
    seed: int = 0
    """Of the strings. The model's first weights have a seed of their own."""

    def __post_init__(self) -> None:
        self._check_numbers()
        self._check_lengths()

    @property
    def lengths(self) -> tuple[int, int]:
        """Shortest and longest length of training."""
        return (self.length, self.length) if isinstance(self.length, int) else self.length

    def learning_rate_at(self, step: int) -> float:
        """Of step 0, 1, ...: linear warm-up to the peak, then linear decay to `final_fraction` of it."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - 1 - self.warmup)
        return self.learning_rate * (1 - (1 - self.final_fraction) * done)

    def to_dict(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(self).items()}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "TrainConfig":
        """The inverse of `to_dict`.

        Raises: UserError for a field that does not exist, or values that do not fit together.
        """
        for name in fields:
            if name not in cls.__dataclass_fields__:
                raise unknown("training option", name, cls.__dataclass_fields__)
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
        return cls(**values)

    def _check_numbers(self) -> None:
        at_least_one = ("steps", "batch", "evaluate_every", "evaluate_strings", "checkpoint_every")
        for name in at_least_one:
            if getattr(self, name) < 1:
                raise UserError(f"{name} is at least 1; got {getattr(self, name)}.")
        for name in ("learning_rate", "clip"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} is above 0; got {getattr(self, name)}.")
        if self.seed < 0:
            raise UserError(f"seed is at least 0; got {self.seed}.")
        if self.weight_decay < 0:
            raise UserError(f"weight_decay is at least 0; got {self.weight_decay}.")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise UserError(f"betas are two numbers in [0, 1); got {self.betas}.")
        if not 0 <= self.final_fraction <= 1:
            raise UserError(f"final_fraction is a share of the peak learning rate, 0 to 1; got {self.final_fraction}.")
        if not 0 <= self.warmup <= self.steps:
            raise UserError(f"warmup lies within the {self.steps} steps; got {self.warmup}.")
        if self.precision not in PRECISIONS:
            raise unknown("precision", self.precision, PRECISIONS)

    def _check_lengths(self) -> None:
        if len(self.lengths) != 2 or not 1 <= self.lengths[0] <= self.lengths[1]:
            raise UserError(f"length is a number of letters or (shortest, longest), from 1 on; got {self.length}.")
        if not self.evaluate_lengths or min(self.evaluate_lengths) < 1:
            raise UserError(f"evaluate_lengths names at least one length, from 1 on; got {self.evaluate_lengths}.")
        if self.stop_length is not None and self.stop_length not in self.evaluate_lengths:
            raise UserError(
                f"stop_length {self.stop_length} is not evaluated; evaluate_lengths: {self.evaluate_lengths}."
            )
        if not 0 < self.stop_accuracy <= 1:
            raise UserError(f"stop_accuracy is a share of strings, above 0 and at most 1; got {self.stop_accuracy}.")
        if self.hard_letters is not None and self.hard_letters < 2:
            raise UserError(f"hard_letters is at least 2; got {self.hard_letters}.")
        if not 0 <= self.hard_from <= self.steps:
            raise UserError(f"hard_from is one of the {self.steps} steps; got {self.hard_from}.")
        if self.context is None and self.isolate:
            raise UserError("isolate separates strings that are packed into a context; give context, too.")
        if self.context is not None and self.hard_letters is not None:
            raise UserError("hard_letters draws whole rows; it cannot be combined with a packed context.")
