"""Copying the beginning of a string, as the official code of Jelassi et al. 2024 with `length_answer`:
`$ x1..xL | x1..xk .`, letters independent and uniform."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.calls import checked_call
from interp.tasks.base import Batch
from interp.tasks.layout import Piece, join, mark
from interp.tasks.lettered import UniformString, check_count
from interp.tasks.registry import register


@register("copy-prefix")
@checked_call
@dataclass(frozen=True)
class PrefixCopy(UniformString):
    """Write the first letters of the string once more.

    `PrefixCopy(answer=2)` asks `$cabd|` for `ca`, which is copied from the positions 1 and 2; of a string with fewer
    letters it asks for all. A state need not hold the rest: the answer bounds what must be kept, whatever the length.

    >>> task = interp.tasks.PrefixCopy(answer=2)
    >>> task.decode(task.sample(1, 3, generator=0).tokens)
    ['$bqz|bq']
    """

    answer: int = 5
    """Letters that are asked for, at most."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("answer", self.answer)

    def ask(self, letters: Int[Tensor, "batch letter"], lengths: Int[Tensor, " batch"]) -> Batch:
        """Make the batch that asks for the first letters of the first `lengths` letters of each row."""
        v = self.vocabulary
        ids = v.ids(letters)
        source = torch.arange(1, ids.shape[1] + 1, device=ids.device).expand_as(ids)
        most = min(self.answer, ids.shape[1])
        first = Piece(ids[:, :most], lengths.clamp(max=most), source=source[:, :most])
        pieces = [*mark(v.bos, ids), Piece(ids, lengths), *mark(v.separator, ids), first]
        return join([*pieces, *mark(v.eos, ids, trained=True)], v.pad)
