"""Passkey retrieval (Mohtashami & Jaggi 2023; Chen et al. 2024): a few digits somewhere in a long string."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.seeds import as_generator
from interp.tasks.base import Batch
from interp.tasks.layout import Piece, join, mark
from interp.tasks.lettered import InHalves, OneLetterContrasts, check_count
from interp.tasks.registry import register
from interp.tasks.sampling import Length, below, draw_lengths, draw_letters


@register("passkey")
@checked_call
@dataclass(frozen=True)
class Passkey(InHalves, OneLetterContrasts):
    """Write the digits that stand together somewhere in a string of letters.

    `Passkey(digits=2, alphabet=6)` has the letters a, b and c, and d, e and f for digits: it asks `$abcedba|` for `ed`,
    which is copied from the positions 4 and 5. A length counts the whole string, the digits with it.

    >>> task = interp.tasks.Passkey(digits=2, alphabet=6)
    >>> task.decode(task.sample(1, 7, generator=0).tokens)
    ['$fdbbbac|fd']
    """

    digits: int = 5
    """Digits of the passkey; independent and uniform, as the letters around it are."""
    depth: float | None = None
    """Where it stands, as the share of the other letters that come before it; None draws it for each string."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("digits", self.digits)
        if self.depth is not None and not 0 <= self.depth <= 1:
            raise UserError(f"depth must be a fraction from 0 to 1, or None; got {self.depth}.")

    @checked_call
    def sample(self, n: int, length: Length, generator: torch.Generator | int) -> Batch:
        """Draw `n` strings; see `Task.sample`. Raises: UserError for strings too short for the passkey."""
        generator = as_generator(generator)
        lengths = draw_lengths(n, length, generator, shortest=self.digits)
        room = lengths - self.digits
        start = below(room + 1, generator) if self.depth is None else (room * self.depth).round().long()
        letters = draw_letters(n, int(lengths.max()), self.n_keys, generator)
        digits = self.n_keys + draw_letters(n, self.digits, self.n_values, generator)
        return self.ask(letters, digits, start, lengths)

    def ask(
        self,
        letters: Int[Tensor, "batch letter"],
        digits: Int[Tensor, "batch digit"],
        start: Int[Tensor, " batch"],
        lengths: Int[Tensor, " batch"],
    ) -> Batch:
        """Make the batch that asks for these digits, which are written over the letters from `start` on."""
        v = self.vocabulary
        places = start[:, None] + torch.arange(digits.shape[1], device=digits.device)
        string = v.ids(letters.scatter(1, places, digits))
        pieces = [
            *mark(v.bos, string),
            Piece(string, lengths),
            *mark(v.separator, string),
            Piece(v.ids(digits), source=1 + places),
            *mark(v.eos, string, trained=True),
        ]
        return join(pieces, v.pad)
