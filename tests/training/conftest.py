"""A copier small enough to train in a test, and recipes that take a second."""

from collections.abc import Callable
from typing import Any

import pytest
from accelerate.tracking import GeneralTracker

from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.tasks.copy import CopyTask
from interp.training.recipe import TrainConfig


@pytest.fixture
def task() -> CopyTask:
    return CopyTask(alphabet=6)


@pytest.fixture
def tiny() -> Callable[[int], HookedTransformer]:
    """A two-layer copier of 32 dimensions, over six letters: `tiny(seed)`."""

    def make(seed: int = 0) -> HookedTransformer:
        config = TransformerConfig(n_heads=4, d_model=32, d_vocab=10, windows=(2, 3, None, None))
        return HookedTransformer(config, seed=seed)

    return make


@pytest.fixture
def recipe() -> TrainConfig:
    """Twelve steps with hard strings, evaluations and checkpoints on the way."""
    return TrainConfig(
        steps=12,
        batch=8,
        length=(3, 6),
        warmup=3,
        hard_letters=3,
        hard_from=4,
        evaluate_every=4,
        evaluate_lengths=(4, 6),
        evaluate_strings=8,
        checkpoint_every=5,
        seed=3,
    )


class At(GeneralTracker):
    """Does something when the so manieth step of a training is recorded."""

    name = "at"
    requires_logging_directory = False
    tracker = None

    def __init__(self, step: int, act: Callable[[], object]) -> None:
        super().__init__()
        self.left, self.act = step, act

    def log(self, values: dict[str, Any], step: int | None = None, **_: Any) -> None:  # noqa: ARG002
        self.left -= "loss" in values
        if "loss" in values and self.left == 0:
            self.act()


@pytest.fixture
def at() -> type[At]:
    return At
