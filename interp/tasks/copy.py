"""The copy task of Jelassi et al. 2024 (arXiv 2402.01032): `$ x1..xL | x1..xL .`, letters independent and uniform."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from interp.tasks.base import Batch, Task
from interp.tasks.layout import Piece, join, mark
from interp.tasks.sampling import draw_lengths, draw_letters
from interp.tasks.vocabulary import Vocabulary


@dataclass(frozen=True)
class CopyTask(Task):
    """Write the string once more.

    `CopyTask()` is the paper's: `$cab|cab.`, letters a-z. A vocabulary laid over a language model may lack the
    separator and the end; then the last letter of the first copy is the query for the first letter of the second, and
    nothing is trained after the last: BOS c a b c a b.
    """

    alphabet: int = 26
    """Number of letters; with `vocab`, the number that it has."""
    vocab: Vocabulary | None = None
    """Token ids, where they are not those of `Vocabulary.of_letters(alphabet)`."""

    def __post_init__(self) -> None:
        vocabulary = self.vocab or Vocabulary.of_letters(self.alphabet)
        object.__setattr__(self, "alphabet", vocabulary.n_letters)

    @property
    def vocabulary(self) -> Vocabulary:
        return self.vocab or Vocabulary.of_letters(self.alphabet)

    def sample(
        self,
        n: int,
        length: int | tuple[int, int],
        generator: torch.Generator,
        letters_per_string: int | Int[Tensor, " batch"] | None = None,
    ) -> Batch:
        """Draw `n` strings; see `Task.sample`.

        Args:
            letters_per_string: draw each string over a random subset of so many letters (for all strings, or for
                each). It forces long keys, because short ones recur. It is not the paper's distribution: for training.
        """
        lengths = draw_lengths(n, length, generator)
        low, high = (length, length) if isinstance(length, int) else length
        letters = draw_letters(n, high, self.alphabet, generator, letters_per_string)
        return self.layout(letters, None if low == high else lengths)

    def layout(self, letters: Int[Tensor, "batch letter"], lengths: Int[Tensor, " batch"] | None = None) -> Batch:
        """The batch that asks for copies of these strings: letter i is copied from position i + 1.

        Args:
            letters: letters 0, 1, ... of the alphabet (not token ids).
            lengths: how many of a row's letters are the string; None: all.
        """
        vocabulary = self.vocabulary
        ids = vocabulary.ids(letters)
        source = torch.arange(1, letters.shape[1] + 1, device=letters.device).expand_as(letters)
        pieces = [
            *mark(vocabulary.bos, ids),
            Piece(ids, lengths),
            *mark(vocabulary.separator, ids),
            Piece(ids, lengths, source),
            *mark(vocabulary.eos, ids, trained=True),
        ]
        return join(pieces, vocabulary.pad)
