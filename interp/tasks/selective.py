"""Selective copying (Arjovsky et al. 2016; Gu & Dao 2023): the letters of a string, without the blanks among them."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.seeds import as_generator
from interp.tasks.base import Batch
from interp.tasks.layout import Piece, join, mark
from interp.tasks.lettered import OneLetterContrasts, check_count
from interp.tasks.registry import register
from interp.tasks.sampling import Length, draw_lengths, draw_letters


@register("selective")
@checked_call
@dataclass(frozen=True)
class SelectiveCopy(OneLetterContrasts):
    """Write the letters of a string in their order, and leave out the blanks.

    `SelectiveCopy(alphabet=4)` has the letters a, b and c, and d for the blank: it asks `$dabdcd|` for `abc`, which is
    copied from the positions 2, 3 and 5. A length counts the letters that are to be copied, not the blanks.

    >>> task = interp.tasks.SelectiveCopy(alphabet=4)
    >>> task.decode(task.sample(1, 3, generator=0).tokens)
    ['$dbdcda|bca']
    """

    fewest_letters: ClassVar[int] = 3
    blanks: int = 1
    """Blanks for each letter; which places of the string they take is drawn, uniform over all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("blanks", self.blanks, 0)

    @property
    def answer_letters(self) -> range:
        return range(self.n_letters - 1)

    @checked_call
    def sample(self, n: int, length: Length, generator: torch.Generator | int) -> Batch:
        """Draw `n` strings; see `Task.sample`. A length counts letters without blanks."""
        generator = as_generator(generator)
        lengths = draw_lengths(n, length, generator, letters=1 + self.blanks)
        widths = lengths * (1 + self.blanks)
        chance = torch.rand(n, int(widths.max()), generator=generator, dtype=torch.float64)
        outside = torch.arange(chance.shape[1]) >= widths[:, None]
        order = chance.masked_fill(outside, 2.0).argsort(dim=1)[:, : int(lengths.max())]
        beyond = torch.arange(order.shape[1]) >= lengths[:, None]
        places = order.masked_fill(beyond, chance.shape[1]).sort(dim=1).values
        letters = draw_letters(n, order.shape[1], self.n_letters - 1, generator)
        return self.ask(letters, places, lengths)

    def ask(
        self,
        letters: Int[Tensor, "batch letter"],
        places: Int[Tensor, "batch letter"],
        lengths: Int[Tensor, " batch"],
    ) -> Batch:
        """Make the batch that asks for the first `lengths` letters of each row, which stand at these places.

        Args:
            letters: letters of the alphabet but the last.
            places: where each stands in the string, 0, 1, ..., rising; beyond `lengths` they count for nothing.
            lengths: how many of a row's letters are the string.
        """
        v = self.vocabulary
        widths = lengths * (1 + self.blanks)
        width = int(widths.max())
        string = letters.new_full((len(letters), width + 1), self.n_letters - 1)
        there = torch.arange(letters.shape[1], device=letters.device) < lengths[:, None]
        string = string.scatter(1, torch.where(there, places, width), letters)[:, :width]
        body, asked = v.ids(string), v.ids(letters)
        pieces = [
            *mark(v.bos, body),
            Piece(body, widths),
            *mark(v.separator, body),
            Piece(asked, lengths, source=1 + torch.where(there, places, 0)),
            *mark(v.eos, body, trained=True),
        ]
        return join(pieces, v.pad)
