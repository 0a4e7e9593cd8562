"""The n-gram lookups of Jelassi et al. 2024: a key of n letters, and the answer is what follows it in the string.

    prefix key    $ c a | b c a d b | d b .      the model knows what to look for while it reads
    suffix key    $ b c a d b | c a d b .        it must remember the string first

Two departures from the official code, which `ambiguous=True` takes back: the key stands in the string exactly once, and
the last places at which a key fits are used like the others.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError, shown
from interp.base.seeds import as_generator
from interp.tasks.base import Batch, ContrastPair, Task
from interp.tasks.layout import Piece, join, mark
from interp.tasks.registry import register
from interp.tasks.sampling import Length, below, draw_lengths, draw_letters
from interp.tasks.unique_grams import draw_with_a_unique_gram
from interp.tasks.vocabulary import Vocabulary

ROUNDS = 1000
"""How often surplus keys are drawn again before the task is refused; hundreds of letters take about ten."""
Drawn = tuple[Int[Tensor, "batch letter"], Int[Tensor, " batch"], Int[Tensor, " batch"]]
"""Letters, where the key starts, and how many letters there are."""


@register("ngram")
@checked_call
@dataclass(frozen=True)
class NgramLookup(Task):
    """Asks for what follows the key in the string.

    `NgramLookup(n=2, answer=1)` asks `$bcadb|ca` for d, which is copied from position 4.

    >>> task = interp.NgramLookup(n=2, answer=1)
    >>> batch = task.sample(1, 5, generator=0)
    >>> task.decode(batch.tokens)
    ['$zrdqv|zrd']
    """

    needs_separator: ClassVar[bool] = True
    n: int = 3
    """Letters of the key."""
    answer: int | None = None
    """Letters of the answer; None: all that follow the key, at least one."""
    key: Literal["prefix", "suffix"] = "suffix"
    """Whether the key stands before the string or after it."""
    alphabet: int = 26
    """Number of letters; with `vocab`, the number that it has."""
    vocab: Vocabulary | None = None
    """Token ids, where they are not those of `Vocabulary.of_letters(alphabet)`."""
    ambiguous: bool = False
    """Draw as the official code does: a key may stand in the string several times, and then what follows the first of
    them is asked for; of the places at which key and answer fit, the last three are not drawn (the last two, if all
    that follows is asked for); and some n-gram stands once in every string."""

    def __post_init__(self) -> None:
        if self.n < 1 or (self.answer is not None and self.answer < 1):
            raise UserError(f"key and answer must have at least 1 letter; got n={self.n} and answer={self.answer}.")
        if self.key not in ("prefix", "suffix"):
            raise UserError(f"key must be 'prefix' or 'suffix'; got {shown(self.key)}.")
        if self.vocabulary.separator is None:
            raise UserError("the vocabulary of a lookup must have a separator between string and key; got none.")
        object.__setattr__(self, "alphabet", self.vocabulary.n_letters)

    @property
    def vocabulary(self) -> Vocabulary:
        return self.vocab or Vocabulary.of_letters(self.alphabet)

    @property
    def uniform_letters(self) -> bool:
        return self.ambiguous

    @property
    def has_prompt_end(self) -> bool:
        return self.key == "prefix"

    @property
    def contrasts(self) -> bool:
        return not self.ambiguous

    @checked_call
    def sample(self, n: int, length: Length, generator: torch.Generator | int) -> Batch:
        """Draw `n` strings; see `Task.sample`. The key's place is uniform over all at which key and answer fit.

        Letters are independent and uniform, except for surplus keys, whose letters are drawn again until none is left.

        Raises: UserError if the strings are too short for key and answer, or keys so short that they are not unique.
        """
        return self.ask(*self._draw(n, length, as_generator(generator)))

    def ask(
        self, letters: Int[Tensor, "batch letter"], start: Int[Tensor, " batch"], lengths: Int[Tensor, " batch"]
    ) -> Batch:
        """Make the batch that asks what follows the n letters from `start` on in the first `lengths` of each row."""
        v = self.vocabulary
        letters = v.ids(letters)
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

    @checked_call
    def contrast(
        self, n: int, length: Length, generator: torch.Generator | int, place: int | None = None
    ) -> ContrastPair:
        """Draw strings, and beside each another with one letter of the answer changed, in the string and in the answer.

        The key stands exactly once in both.

        Args:
            place: which letter of the answer, 0, 1, ...; None draws it for each string.
        """
        if self.ambiguous:
            return super().contrast(n, length, generator, place)
        if place is not None and not 0 <= place < (self.answer or place + 1):
            raise UserError(f"place must be a letter of the answer, 0 to {(self.answer or 1) - 1}; got {place}.")
        generator, least = as_generator(generator), (place or 0) + 1
        letters, start, lengths = self._draw(n, length, generator, least)
        changed, query, bad = letters.clone(), torch.zeros_like(start), torch.ones_like(start, dtype=torch.bool)
        for _ in range(ROUNDS):
            fresh, begins, _ = self._draw(n, length, generator, least, lengths)
            letters, start = torch.where(bad[:, None], fresh, letters), torch.where(bad, begins, start)
            asked = self._asked(lengths, start)
            which = below(asked, generator) if place is None else torch.full_like(asked, place)
            query = torch.where(bad, which, query)
            at = (start + self.n + query)[:, None]
            step = 1 + below(torch.full_like(at, self.alphabet - 1), generator)
            other = letters.scatter(1, at, (letters.gather(1, at) + step) % self.alphabet)
            changed = torch.where(bad[:, None], other, changed)
            bad = self._surplus(changed, lengths, start).any(dim=1)
            if not bad.any():
                clean = self.ask(letters, start, lengths)
                return ContrastPair(clean, self.ask(changed, start, lengths), clean.prompt_end + query)
        raise self._not_unique(letters.shape[1])

    def _asked(self, lengths: Int[Tensor, " batch"], start: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """Letters of each answer."""
        return (lengths - start - self.n).clamp(max=self.answer or int(lengths.max()))

    def _draw(
        self,
        n: int,
        length: Length,
        generator: torch.Generator,
        least: int = 1,
        lengths: Int[Tensor, " batch"] | None = None,
    ) -> Drawn:
        """Draw strings whose key stands once (if ambiguous: take its first place), `least` letters before the end."""
        asked, spare = max(self.answer or 1, least), (2 + (self.answer is not None)) * self.ambiguous
        drawn = draw_lengths(n, length, generator, shortest=self.n + asked + spare)
        lengths = drawn if lengths is None else lengths
        start = below(lengths - self.n - asked - spare + 1, generator)
        width = length if isinstance(length, int) else length[1]
        if self.ambiguous:
            places = lengths - self.n - 1 - (self.answer or 0)
            letters = draw_with_a_unique_gram(lengths, self.n, places, self.alphabet, generator)
            return letters, self._same(letters, lengths, start).byte().argmax(dim=1), lengths
        letters = draw_letters(n, width, self.alphabet, generator)
        within = torch.arange(width) - start[:, None]
        of_key = (within >= 0) & (within < self.n)
        for _ in range(ROUNDS):
            surplus = self._surplus(letters, lengths, start) & ~of_key
            if not surplus.any():
                return letters, start, lengths
            letters = torch.where(surplus, draw_letters(n, width, self.alphabet, generator), letters)
        raise self._not_unique(width)

    def _not_unique(self, width: int) -> UserError:
        return UserError(
            f"n must be large enough for a key to be unique in its string; got {self.n}, {self.alphabet} letters and "
            f"strings of {width}. Use longer keys, a larger alphabet or shorter strings."
        )

    def _same(
        self, letters: Int[Tensor, "batch letter"], lengths: Int[Tensor, " batch"], start: Int[Tensor, " batch"]
    ) -> Bool[Tensor, "batch place"]:
        """Where in each string an n-gram begins that equals the key, that itself among them."""
        grams = letters.unfold(1, self.n, 1)
        index = torch.arange(grams.shape[1])
        key = grams[torch.arange(len(letters)), start]
        return (grams == key[:, None]).all(dim=2) & (index <= (lengths - self.n)[:, None])

    def _surplus(
        self, letters: Int[Tensor, "batch letter"], lengths: Int[Tensor, " batch"], start: Int[Tensor, " batch"]
    ) -> Bool[Tensor, "batch letter"]:
        """The letters of each n-gram of the string that equals the key and is not it."""
        here = self._same(letters, lengths, start).scatter(1, start[:, None], False)
        covered = torch.zeros_like(letters, dtype=torch.bool)
        for offset in range(self.n):
            covered[:, offset : offset + here.shape[1]] |= here
        return covered
