"""The n-gram lookups of Jelassi et al. 2024: a key of n letters, and the answer is what follows it in the string.

    prefix key    $ c a | b c a d b | d b .      the model knows what to look for while it reads
    suffix key    $ b c a d b | c a d b .        it must remember the string first

Two departures from the official code: the key stands in the string exactly once, and the last place at which a key fits
is used like the others.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from interp.base.errors import UserError
from interp.tasks.base import Batch, Task
from interp.tasks.layout import Piece, join, mark
from interp.tasks.sampling import below, draw_lengths
from interp.tasks.vocabulary import Vocabulary

ROUNDS = 1000
"""How often surplus keys are drawn again before the task is refused; hundreds of letters take about ten."""


@dataclass(frozen=True)
class NgramLookup(Task):
    """Write what follows the key."""

    n: int = 3
    """Letters of the key."""
    answer: int | None = None
    """Letters of the answer; None: all that follow the key, at least one."""
    key: Literal["prefix", "suffix"] = "suffix"
    """Whether the key stands before the string or after it."""
    alphabet: int = 26

    def __post_init__(self) -> None:
        if self.n < 1 or (self.answer is not None and self.answer < 1):
            raise UserError(
                f"key and answer have 1 letter or more; n = {self.n} and answer = {self.answer} were given."
            )
        if self.key not in ("prefix", "suffix"):
            raise UserError(f"the key is a 'prefix' or a 'suffix' of the string; {self.key!r} was given.")
        _ = self.vocabulary  # refuses an alphabet that there is not

    @property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary.of_letters(self.alphabet)

    def sample(self, n: int, length: int | tuple[int, int], generator: torch.Generator) -> Batch:
        """Draw `n` strings; see `Task.sample`. The key's place is uniform over all at which key and answer fit.

        Letters are independent and uniform, but for surplus keys, whose letters are drawn again until none is left.

        Raises: UserError if the strings are too short for key and answer, or keys so short that they are not unique.
        """
        lengths = draw_lengths(n, length, generator, shortest=self.n + (self.answer or 1))
        start = below(lengths - self.n - (self.answer or 1) + 1, generator)
        width = length if isinstance(length, int) else length[1]
        letters = torch.randint(self.alphabet, (n, width), generator=generator, device=start.device)
        within = torch.arange(width, device=start.device) - start[:, None]
        of_key = (within >= 0) & (within < self.n)
        for _ in range(ROUNDS):
            surplus = self._surplus(letters, lengths, start) & ~of_key
            if not surplus.any():
                return self.layout(letters, start, lengths)
            again = torch.randint(self.alphabet, (n, width), generator=generator, device=start.device)
            letters = torch.where(surplus, again, letters)
        raise UserError(
            f"a key of {self.n} of {self.alphabet} letters is hardly ever unique in a string of {width}: "
            "take longer keys, a larger alphabet or shorter strings."
        )

    def layout(
        self, letters: Int[Tensor, "batch letter"], start: Int[Tensor, " batch"], lengths: Int[Tensor, " batch"]
    ) -> Batch:
        """The batch that asks what follows the n letters from `start` on in the first `lengths` letters of each row."""
        v = self.vocabulary
        place = start[:, None] + torch.arange(letters.shape[1], device=letters.device)
        rolled = letters.gather(1, place.clamp(max=letters.shape[1] - 1))
        key, string, separator = Piece(rolled[:, : self.n]), Piece(letters, lengths), mark(v.separator, letters)
        before = [key, *separator, string, *separator] if self.key == "prefix" else [string, *separator, key]

        most = min(self.answer or letters.shape[1], letters.shape[1] - self.n)
        follows = slice(self.n, self.n + most)
        string_begins = 1 + (self.n + 1 if self.key == "prefix" else 0)
        answer = Piece(
            rolled[:, follows], (lengths - start - self.n).clamp(max=most), source=string_begins + place[:, follows]
        )
        return join([*mark(v.bos, letters), *before, answer, *mark(v.eos, letters, trained=True)], v.pad)

    def _surplus(
        self, letters: Int[Tensor, "batch letter"], lengths: Int[Tensor, " batch"], start: Int[Tensor, " batch"]
    ) -> Bool[Tensor, "batch letter"]:
        """The letters of each n-gram of the string that equals the key and is not it."""
        grams = letters.unfold(1, self.n, 1)
        index = torch.arange(grams.shape[1], device=letters.device)
        key = grams[torch.arange(len(letters), device=letters.device), start]
        here = (grams == key[:, None]).all(dim=2) & (index != start[:, None])
        here &= index <= (lengths - self.n)[:, None]
        covered = torch.zeros_like(letters, dtype=torch.bool)
        for offset in range(self.n):
            covered[:, offset : offset + grams.shape[1]] |= here
        return covered
