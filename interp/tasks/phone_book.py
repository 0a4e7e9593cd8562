"""The phone book of Jelassi et al. 2024, over letters: names with their numbers, then one name, which asks for its own.

The paper's is a text for language models, with two entries shown before the question; here the format is learned.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.seeds import as_generator
from interp.tasks.base import Batch
from interp.tasks.layout import Piece, join, mark
from interp.tasks.lettered import InHalves, OneLetterContrasts, check_count
from interp.tasks.registry import register
from interp.tasks.sampling import Length, below, draw_lengths, draw_letters, span

ROUNDS = 1000
"""How often names that stand twice are drawn again; of names at most half of which are taken, a few times do."""


@register("phone-book")
@checked_call
@dataclass(frozen=True)
class PhoneBook(InHalves, OneLetterContrasts):
    """Write the number of a name.

    `PhoneBook(name=2, number=2, alphabet=6)` has the letters a, b and c, and d, e and f for digits: it asks
    `$abedcaffbbde|ca` for `ff`, which is copied from the positions 7 and 8. A length counts entries.

    >>> task = interp.tasks.PhoneBook(name=2, number=2, alphabet=6)
    >>> task.decode(task.sample(1, 3, generator=0).tokens)
    ['$caedccffbadd|caed']
    """

    name: int = 3
    """Letters of each name."""
    number: int = 3
    """Digits of each number, independent and uniform."""
    unique: bool = True
    """Whether no name stands twice. The paper's may; then the first entry of the name is asked for."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("name", self.name)
        check_count("number", self.number)
        if self.n_keys**self.name >= 2**62:
            raise UserError(f"name must be short enough to count all names in 64 bits; got {self.name} letters.")

    @property
    def has_prompt_end(self) -> bool:
        return False

    @checked_call
    def sample(self, n: int, length: Length, generator: torch.Generator | int) -> Batch:
        """Draw `n` books; see `Task.sample`. A length counts entries; every entry is as likely to be asked for.

        Raises: UserError for more entries than there are names.
        """
        generator, (_, most) = as_generator(generator), span(length)
        if self.unique and most > self.n_keys**self.name:
            raise UserError(
                f"length must be at most {self.n_keys**self.name:,} entries, as many as there are names of "
                f"{self.name} of {self.n_keys} letters; got {most}. Ask for fewer entries or longer names."
            )
        entries = draw_lengths(n, length, generator, letters=self.name + self.number)
        codes = self._draw_names(n, most, generator)
        powers = self.n_keys ** torch.arange(self.name - 1, -1, -1)
        names = codes[..., None] // powers % self.n_keys
        numbers = draw_letters(n, most * self.number, self.n_values, generator).view(n, most, self.number)
        asked = below(entries, generator)
        first = (codes == codes.gather(1, asked[:, None])).byte().argmax(dim=1)
        return self.ask(torch.cat([names, self.n_keys + numbers], dim=2), entries, first)

    def ask(
        self,
        letters: Int[Tensor, "batch entry letter"],
        entries: Int[Tensor, " batch"],
        asked: Int[Tensor, " batch"],
    ) -> Batch:
        """Make the batch that asks for one entry of each book.

        Args:
            letters: the name and the number of each entry, as letters of the alphabet.
            entries: how many of a row's entries there are.
            asked: which of them is asked for.
        """
        v, size = self.vocabulary, self.name + self.number
        book = v.ids(letters)
        entry = book[torch.arange(len(book), device=book.device), asked]
        places = 1 + asked[:, None] * size + torch.arange(size, device=book.device)
        pieces = [
            *mark(v.bos, entry),
            Piece(book.flatten(1), entries * size),
            *mark(v.separator, entry),
            Piece(entry[:, : self.name]),
            Piece(entry[:, self.name :], source=places[:, self.name :]),
            *mark(v.eos, entry, trained=True),
        ]
        return join(pieces, v.pad)

    def _draw_names(self, n: int, most: int, generator: torch.Generator) -> Int[Tensor, "batch entry"]:
        """Draw the number of each entry's name, among all names."""
        space = self.n_keys**self.name
        if self.unique and space <= 2 * most:
            return torch.rand(n, space, generator=generator, dtype=torch.float64).argsort(dim=1)[:, :most]
        codes = below(torch.full((n, most), space), generator)
        for _ in range(ROUNDS if self.unique else 0):
            surplus = _stood_before(codes)
            if not surplus.any():
                break
            codes = torch.where(surplus, below(torch.full((n, most), space), generator), codes)
        return codes


def _stood_before(codes: Int[Tensor, "batch entry"]) -> Bool[Tensor, "batch entry"]:
    """Which numbers of a row stand at an earlier place of it, too."""
    ordered, order = codes.sort(dim=1, stable=True)
    twice = torch.nn.functional.pad(ordered[:, 1:] == ordered[:, :-1], (1, 0))
    return torch.zeros_like(twice).scatter(1, order, twice)
