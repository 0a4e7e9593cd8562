"""Where things stand in the residual stream of a planted copier.

The stream is cut into slots of one axis per token. Slot t = 0, ..., n holds the token t places back (0: the
position's own); then come the answer, a scratch slot that nothing reads and, where a decoy needs it, a code of the
position.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Stream:
    """Where things stand on the axis of the residual stream. Tokens: letters 0, 1, ..., BOS, separator, EOS, pad."""

    n: int
    alphabet: int
    n_frequencies: int = 0
    """Of the position code, two axes each; 0: none."""

    @property
    def bos(self) -> int:
        return self.alphabet

    @property
    def separator(self) -> int:
        return self.alphabet + 1

    @property
    def eos(self) -> int:
        return self.alphabet + 2

    @property
    def n_tokens(self) -> int:
        """Width of a slot: one axis per token."""
        return self.alphabet + 4

    def slot(self, index: int, count: int = 1) -> slice:
        """The axes of `count` slots from `index` on."""
        return slice(index * self.n_tokens, (index + count) * self.n_tokens)

    @property
    def answer(self) -> int:
        return self.n + 1

    @property
    def scratch(self) -> int:
        return self.n + 2

    @property
    def position(self) -> slice:
        start = self.slot(self.scratch).stop
        return slice(start, start + 2 * self.n_frequencies)

    @property
    def d_model(self) -> int:
        return self.position.stop

    @property
    def frequencies(self) -> Float[Tensor, " frequency"]:
        """pi / 2^f, f = 0, ..., F - 1. The sum of cos(frequency d) is F at d = 0 and at most F - 2 at 0 < |d| < 2^F,
        since with d an odd multiple of 2^f frequency f gives -1."""
        return math.pi * 0.5 ** torch.arange(self.n_frequencies, dtype=torch.float64)

    def position_code(self, n_positions: int) -> Float[Tensor, "pos axis"]:
        """cos and sin of every frequency: the product of two positions' codes depends on their distance alone."""
        angle = torch.arange(n_positions, dtype=torch.float64)[:, None] * self.frequencies
        return torch.cat([angle.cos(), angle.sin()], dim=1)
