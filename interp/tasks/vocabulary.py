"""Which token ids a task speaks: the letters and the few special tokens around them."""

import string
from dataclasses import dataclass, replace
from functools import cache

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError, shown

LETTERS = string.ascii_letters + "".join(map(chr, range(0x4E00, 0x9FF0)))
"""How letters 0, 1, ... are written: a to z, A to Z, then Chinese characters, which are many and easy to tell apart."""
PAPERS = 26, 27, 28, 29
"""Special tokens of the paper's alphabet of 26."""


@checked_call
@dataclass(frozen=True)
class Vocabulary:
    """Letters first, then the special tokens, as in the paper's code: a..z are 0..25, `$`=26, `|`=27, `.`=28, `*`=29.

    With another alphabet (`of_letters`) the special tokens follow directly after its last letter; those above are too
    low for more than 26 letters, and then follow as well. A vocabulary laid over a language model (`letter_ids` set)
    names arbitrary ids as its letters and may lack a separator or an end.

    >>> Vocabulary().decode(Vocabulary().encode("$cab|cab."))
    '$cab|cab.'

    Raises: UserError for ids that are negative, or that mean two letters.
    """

    n_letters: int = 26
    bos: int = 26
    separator: int | None = 27
    eos: int | None = 28
    pad: int = 29
    letter_ids: tuple[int, ...] | None = None
    """Token ids that serve as letters 0, 1, ...; None: the ids are the letters' own numbers."""

    def __post_init__(self) -> None:
        if self.letter_ids is None and self.n_letters > PAPERS[0] and tuple(self._specials) == PAPERS:
            for place, name in enumerate(("bos", "separator", "eos", "pad")):
                object.__setattr__(self, name, self.n_letters + place)
        if self.letter_ids is not None and len(set(self.letter_ids)) != self.n_letters:
            raise UserError(
                f"letter_ids must be {self.n_letters} different ids, one per letter; got {len(self.letter_ids)}, "
                f"{len(set(self.letter_ids))} of them different."
            )
        if min(ids := [*self._specials, *(self.letter_ids or ())]) < 0:
            raise UserError(f"token ids must be at least 0; got {min(ids)}.")
        if self.n_letters < 1:
            raise UserError(f"n_letters must be at least 1; got {self.n_letters}.")
        letters = set(self.letter_ids) if self.letter_ids is not None else range(self.n_letters)
        if clash := {special for special in self._specials if special in letters}:
            raise UserError(f"special tokens must have ids that no letter has; got {min(clash)} for both.")

    @classmethod
    @checked_call
    def of_letters(cls, n_letters: int) -> "Vocabulary":
        """Lay out a vocabulary of this many letters: the special tokens follow after the last."""
        if isinstance(n_letters, bool) or not isinstance(n_letters, int) or not 2 <= n_letters <= len(LETTERS):
            raise UserError(f"alphabet must be 2 to {len(LETTERS)} letters; got {shown(n_letters)}.")
        return _of_letters(cls, n_letters)

    def first(self, n_letters: int) -> "Vocabulary":
        """Keep the first letters alone, with the same ids and the same special tokens.

        Raises: UserError for fewer than two letters, or more than there are.
        """
        if not 2 <= n_letters <= self.n_letters:
            raise UserError(f"alphabet must be 2 to {self.n_letters} letters of the vocabulary; got {n_letters}.")
        return replace(self, n_letters=n_letters, letter_ids=self.letter_ids and self.letter_ids[:n_letters])

    @property
    def size(self) -> int:
        """Number of token ids that a model of this vocabulary needs."""
        return max([*self._specials, *(self.letter_ids or (self.n_letters - 1,))]) + 1

    @property
    def letters(self) -> str:
        """The letters, as `encode` reads them."""
        return LETTERS[: self.n_letters]

    @property
    def _specials(self) -> list[int]:
        return [i for i in (self.bos, self.separator, self.eos, self.pad) if i is not None]

    @checked_call
    def ids(self, letters: Int[Tensor, "*axes"]) -> Int[Tensor, "*axes"]:
        """Turn letter numbers into token ids.

        Raises: UserError for a number that no letter has.
        """
        if letters.device.type == "cpu" and letters.numel():  # elsewhere a look at the numbers would wait for them
            low, high = map(int, torch.aminmax(letters))
            if low < 0 or high >= self.n_letters:
                wrong = low if low < 0 else high
                raise UserError(f"letters must be 0 to {self.n_letters - 1}, numbers of the alphabet; got {wrong}.")
        if self.letter_ids is None:
            return letters
        return torch.tensor(self.letter_ids, device=letters.device)[letters]

    @checked_call
    def decode(self, tokens: Int[Tensor, " pos"]) -> str:
        """Write token ids as text: letters and `$ | . *`; an id that is neither is shown as `<id>`.

        Raises: UserError for a negative id.
        """
        specials = {self.pad: "*", self.separator: "|", self.eos: ".", self.bos: "$"}
        written = tokens.tolist()
        if min(written, default=0) < 0:
            raise UserError(f"token ids must be at least 0; got {min(written)}.")
        return "".join(specials.get(i) or self._letter(i) for i in written)

    @checked_call
    def encode(self, text: str) -> Int[Tensor, " pos"]:
        """Read text of this alphabet's letters (and `$ | . *`) as token ids.

        Raises: UserError for a character outside the vocabulary.
        """
        specials = {"$": self.bos, "|": self.separator, ".": self.eos, "*": self.pad}
        letters = dict(zip(self.letters, self.letter_ids or range(self.n_letters), strict=True))
        table = letters | specials
        if strange := sorted({c for c in text if table.get(c) is None}):
            wrong = " ".join(map(repr, strange))
            raise UserError(f"text must be of the letters {_spelt(self.letters)} and $ | . *; got {wrong}.")
        return torch.tensor([table[c] for c in text], dtype=torch.long)

    def _letter(self, token: int) -> str:
        return LETTERS[token] if self.letter_ids is None and token < self.n_letters else f"<{token}>"


def _spelt(letters: str) -> str:
    """Write an alphabet, a long one by its ends."""
    return letters if len(letters) <= len(string.ascii_letters) else f"{letters[:3]}...{letters[-1]}"


@cache
def _of_letters(kind: type[Vocabulary], n_letters: int) -> Vocabulary:
    """Made once: tasks ask for theirs with every batch that they draw."""
    return kind(n_letters, bos=n_letters, separator=n_letters + 1, eos=n_letters + 2, pad=n_letters + 3)
