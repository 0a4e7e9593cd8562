"""Which token ids a task speaks: the letters and the few special tokens around them."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.errors import UserError

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Vocabulary:
    """Letters first, then the special tokens, as in the paper's code: a..z are 0..25, `$`=26, `|`=27, `.`=28, `*`=29.

    With a smaller alphabet the special tokens follow directly after its last letter. A vocabulary laid over a
    language model (`letter_ids` set) names arbitrary ids as its letters and may lack a separator or an end.
    """

    n_letters: int = 26
    bos: int = 26
    separator: int | None = 27
    eos: int | None = 28
    pad: int = 29
    letter_ids: tuple[int, ...] | None = None
    """Token ids that serve as letters 0, 1, ...; None: the ids are the letters' own numbers."""

    @classmethod
    def of_letters(cls, n_letters: int) -> "Vocabulary":
        if not 2 <= n_letters <= len(LETTERS):
            raise UserError(f"an alphabet has 2 to {len(LETTERS)} letters; {n_letters} were asked for.")
        return cls(n_letters, bos=n_letters, separator=n_letters + 1, eos=n_letters + 2, pad=n_letters + 3)

    @property
    def size(self) -> int:
        """Number of token ids that a model of this vocabulary needs."""
        specials = [i for i in (self.bos, self.separator, self.eos, self.pad) if i is not None]
        return max([*specials, *(self.letter_ids or (self.n_letters - 1,))]) + 1

    def ids(self, letters: Int[Tensor, "*axes"]) -> Int[Tensor, "*axes"]:
        """Letter numbers to token ids."""
        if self.letter_ids is None:
            return letters
        return torch.tensor(self.letter_ids, device=letters.device)[letters]

    def decode(self, tokens: Int[Tensor, " pos"]) -> str:
        """Token ids as text: letters and `$ | . *`; an id laid over a language model is shown as `<id>`."""
        specials = {self.bos: "$", self.separator: "|", self.eos: ".", self.pad: "*"}
        return "".join(specials.get(i) or self._letter(i) for i in tokens.tolist())

    def encode(self, text: str) -> Int[Tensor, " pos"]:
        """Text of this alphabet's letters (and `$ | . *`) to token ids.

        Raises: UserError for a character outside the vocabulary.
        """
        specials = {"$": self.bos, "|": self.separator, ".": self.eos, "*": self.pad}
        table = {LETTERS[i]: i for i in range(min(self.n_letters, len(LETTERS)))} | specials
        if strange := sorted({c for c in text if table.get(c) is None}):
            wanted = LETTERS[: self.n_letters]
            raise UserError(f"the vocabulary is {wanted} and $ | . *; the text has {' '.join(map(repr, strange))}.")
        return torch.tensor([table[c] for c in text], dtype=torch.long)

    def _letter(self, token: int) -> str:
        return LETTERS[token] if self.letter_ids is None and token < self.n_letters else f"<{token}>"
