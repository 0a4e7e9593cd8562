"""Where things stand in the residual stream of a planted model, before it is turned.

The stream is cut into slots of one axis per token. Slot t = 0, ..., n holds the token t places back (0: the position's
own); then come the answer, a scratch slot that nothing reads and, where they are needed, a code of the position, and
the slots and single axes of `EXTRAS`.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from interp.models.planted.description import Circuit, offset_of
from interp.models.planted.looks import Back, Count, Found, Match

EXTRAS = ("relay", "found", "index", "square", "start", "second", "flag", "ballast", "mean")
"""relay    a letter that an MLP carries to the answer
found    a position's code, written by a head that found it
index    the position as a share u of the longest sequence, with sqrt(1 - u^2) beside it, so that the length is 1
square   u^2
start    u of the separator
second   1 after the separator
flag     1 where the answer is one letter
ballast  a constant
mean     nothing: LayerNorm takes this axis away"""


@dataclass(frozen=True)
class Stream:
    """Where things stand on the axis of the residual stream. Tokens: letters 0, 1, ..., BOS, separator, EOS, pad."""

    n: int
    alphabet: int
    n_frequencies: int = 0
    """Frequencies of the position code, two axes each; 0: none."""
    extras: tuple[str, ...] = ()
    """Names from `EXTRAS`, in that order."""

    @classmethod
    def of(cls, circuit: Circuit) -> "Stream":
        """The stream that a description needs."""
        looks = [head.look for head in circuit.heads]
        matches = [look for look in looks if isinstance(look, Match)]
        counts = any(isinstance(look, Count) for look in looks)
        learned = circuit.position == "learned"
        coded = any(isinstance(look, Back | Found) or (isinstance(look, Match) and look.shuns_itself) for look in looks)
        written = {write.to for head in circuit.heads for write in head.writes}
        needed = {
            "relay": "relay" in circuit.mlps or "relay" in written,
            "found": any(isinstance(look, Found) for look in looks) or "found" in written,
            "index": counts or "start" in written or any(match.tilt for match in matches),
            "square": counts,
            "start": counts or "start" in written,
            "second": "second" in written or any(match.first_copy for match in matches),
            "flag": "flag" in circuit.mlps,
            "ballast": circuit.normalization is not None,
            "mean": circuit.normalization in ("LN", "LNPre"),
        }
        return cls(
            circuit.n_back,
            circuit.alphabet,
            circuit.n_ctx.bit_length() if learned and coded else 0,
            tuple(name for name in EXTRAS if needed[name]),
        )

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

    def place(self, name: str) -> slice:
        """The axes of a slot by its name: `token`, `back:T`, `answer`, `scratch`, `position`, or one of `EXTRAS`."""
        if name == "position":
            return self.position
        if name in self.extras:
            widths = [self._width(extra) for extra in self.extras]
            start = self.position.stop + sum(widths[: self.extras.index(name)])
            return slice(start, start + self._width(name))
        return self.slot({"token": 0, "answer": self.answer, "scratch": self.scratch}.get(name) or offset_of(name))

    def axis(self, name: str) -> int:
        """The first axis of a slot."""
        return self.place(name).start

    def _width(self, extra: str) -> int:
        return {"relay": self.n_tokens, "found": 2 * self.n_frequencies, "index": 2}.get(extra, 1)

    @property
    def d_model(self) -> int:
        return self.position.stop + sum(map(self._width, self.extras))

    @property
    def frequencies(self) -> Float[Tensor, " frequency"]:
        """pi / 2^f, f = 0, ..., F - 1. The sum of cos(frequency d) is F at d = 0 and at most F - 2 at 0 < |d| < 2^F,
        since with d an odd multiple of 2^f frequency f gives -1."""
        return math.pi * 0.5 ** torch.arange(self.n_frequencies, dtype=torch.float64)

    def position_code(self, n_positions: int) -> Float[Tensor, "pos axis"]:
        """cos and sin of every frequency: the product of two positions' codes depends on their distance alone."""
        angle = torch.arange(n_positions, dtype=torch.float64)[:, None] * self.frequencies
        return torch.cat([angle.cos(), angle.sin()], dim=1)
