"""What all memories built by hand share: a clock that holds the length and nothing of the letters, and their answer."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.axes import Residual

CERTAIN = 40.0
"""Logit of a certain answer above the rest: e^-40 is what the rest then has."""


@dataclass(frozen=True)
class Clock:
    """Letters read, letters written, whether the separator has passed, at each position: [batch pos] each."""

    read: Float[Tensor, "batch pos"]
    written: Float[Tensor, "batch pos"]
    copying: Float[Tensor, "batch pos"]

    @classmethod
    def after(cls, x: Residual, alphabet: int, before: Float[Tensor, "batch 3"] | None) -> "Clock":
        """Go on counting over some tokens, one-hot.

        Args:
            alphabet: letters, which are the first of the tokens; the separator is the second of the others.
            before: `last` of the tokens before; None at first.
        """
        before = x.new_zeros(len(x), 3) if before is None else before
        letter, separator = x[..., :alphabet].sum(dim=-1), x[..., alphabet + 1]
        before_read, before_written, before_copying = (part[:, None] for part in before.unbind(-1))
        copying = (before_copying + separator.cumsum(dim=1)).clamp(max=1)
        read = before_read + (letter * (1 - copying)).cumsum(dim=1)
        return cls(read, before_written + (letter * copying).cumsum(dim=1), copying)

    @property
    def last(self) -> Float[Tensor, "batch 3"]:
        """What is carried on."""
        return torch.stack([self.read, self.written, self.copying], dim=-1)[:, -1]

    @property
    def ended(self) -> Tensor:
        """Whether the copy is as long as the string."""
        return (self.copying > 0) & (self.written >= self.read)


def log_probabilities(y: Float[Tensor, "batch pos letter"], ended: Tensor) -> Float[Tensor, "batch pos d_model"]:
    """Log-probabilities of what is read, the rest of 1 spread evenly over the letters; behind them, of the end."""
    p = y + (1 - y.sum(dim=-1, keepdim=True)).clamp(min=0) / y.shape[-1]
    letters = p.clamp(min=torch.finfo(p.dtype).tiny).log().clamp(min=-CERTAIN)
    specials = letters.new_full((*y.shape[:2], 4), -CERTAIN)
    specials[..., 2] = torch.where(ended, CERTAIN, -CERTAIN)
    return torch.cat([letters, specials], dim=-1)
