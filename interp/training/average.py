"""The running average of the weights, which is evaluated and kept in their place (Polyak & Juditsky 1992).

At a learning rate that stays, the weights wander around what they have learned, and their average does not: a training
is seen to have learned when it has, and not when its rate has fallen.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

AVERAGE = "average"
"""Key of the optimizer's state under which a weight's average is kept, so that checkpoints hold it, too."""


class RunningAverage:
    """The exponential running average of all weights that an optimizer moves, updated after each of its steps.

    A weight's begins with the first step that moves it; until then the weight is its own average.

    Args:
        decay: share of the average that a step leaves; 0: there is none, and the weights stand for it.
    """

    def __init__(self, optimizer: Optimizer, decay: float) -> None:
        self.optimizer, self.decay = optimizer, decay
        if decay:
            optimizer.register_step_post_hook(self._update)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Have the model stand on its averages for a while."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def settle(self) -> None:
        """Have the model stand on its averages for good."""
        for weight, average in self._pairs():
            weight.copy_(average)

    @torch.no_grad()
    def _update(self, *_: Any) -> None:
        for group in self.optimizer.param_groups:
            for weight in group["params"]:
                state = self.optimizer.state.get(weight)
                if not state:  # it has never had a gradient: a state without moments would end its first step
                    continue
                if AVERAGE in state:
                    state[AVERAGE].lerp_(weight, 1 - self.decay)
                else:
                    state[AVERAGE] = weight.detach().clone()

    @torch.no_grad()
    def _swap(self) -> None:
        for weight, average in self._pairs():
            held = weight.clone()
            weight.copy_(average)
            average.copy_(held)

    def _pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        return ((weight, state[AVERAGE]) for weight, state in self.optimizer.state.items() if AVERAGE in state)
