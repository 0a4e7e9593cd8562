"""Copying backwards: `$ x1..xL | xL..x1 .`, letters independent and uniform."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.calls import checked_call
from interp.tasks.base import Batch
from interp.tasks.layout import Piece, join, mark
from interp.tasks.lettered import UniformString
from interp.tasks.registry import register


@register("reverse")
@checked_call
@dataclass(frozen=True)
class ReverseCopy(UniformString):
    """Write the string from its last letter to its first.

    `ReverseCopy()` asks `$cab|` for `bac`, which is copied from the positions 3, 2 and 1.

    >>> task = interp.tasks.ReverseCopy()
    >>> task.decode(task.sample(1, 3, generator=0).tokens)
    ['$bqz|zqb']
    """

    asked_by: ClassVar[str] = "backwards"

    def ask(self, letters: Int[Tensor, "batch letter"], lengths: Int[Tensor, " batch"]) -> Batch:
        """Make the batch that asks for the first `lengths` letters of each row backwards."""
        v = self.vocabulary
        ids = v.ids(letters)
        place = lengths[:, None] - 1 - torch.arange(ids.shape[1], device=ids.device)
        backwards = Piece(ids.gather(1, place.clamp(min=0)), lengths, source=place + 1)
        pieces = [*mark(v.bos, ids), Piece(ids, lengths), *mark(v.separator, ids), backwards]
        return join([*pieces, *mark(v.eos, ids, trained=True)], v.pad)
