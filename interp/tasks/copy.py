"""The copy task of Jelassi et al. 2024 (arXiv 2402.01032): `$ x1..xL | x1..xL .`, letters independent and uniform."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.seeds import as_generator
from interp.tasks.base import Batch
from interp.tasks.layout import Piece, join, mark
from interp.tasks.lettered import OneLetterContrasts
from interp.tasks.registry import register
from interp.tasks.sampling import Length, draw_lengths, draw_letters, span


@register("copy")
@checked_call
@dataclass(frozen=True)
class CopyTask(OneLetterContrasts):
    """Asks for a copy of the string.

    `CopyTask()` is the paper's: `$cab|cab.`, letters a-z. A vocabulary laid over a language model may lack the
    separator and the end; then the last letter of the first copy is the query for the first letter of the second, and
    nothing is trained after the last: BOS c a b c a b.

    >>> task = interp.CopyTask(alphabet=4)
    >>> batch = task.sample(2, 3, generator=0)
    >>> len(task.decode(batch.tokens)), batch.source[0].tolist()
    (2, [-1, -1, -1, -1, 1, 2, 3, -1])
    """

    needs_separator: ClassVar[bool] = False
    fewest_letters: ClassVar[int] = 1

    @property
    def lays_out_letters(self) -> bool:
        return True

    @property
    def uniform_letters(self) -> bool:
        return True

    @checked_call
    def sample(
        self,
        n: int,
        length: Length,
        generator: torch.Generator | int,
        letters_per_string: int | Int[Tensor, " batch"] | None = None,
    ) -> Batch:
        """Draw `n` strings; see `Task.sample`.

        Args:
            letters_per_string: draw each string over a random subset of this many letters (for all strings, or for
                each). It forces long keys, because short ones recur. It is not the paper's distribution: for training.
        """
        generator = as_generator(generator)
        lengths = draw_lengths(n, length, generator)
        low, high = span(length)
        letters = draw_letters(n, high, self.alphabet, generator, letters_per_string)
        return self._lay_out(letters, None if low == high else lengths)

    @checked_call
    def layout(self, letters: Int[Tensor, "batch letter"], lengths: Int[Tensor, " batch"] | None = None) -> Batch:
        """Make the batch that asks for copies of these strings: letter i is copied from position i + 1.

        Args:
            letters: letters 0, 1, ... of the alphabet (not token ids).
            lengths: how many of a row's letters are the string; None: all.
        """
        return self._lay_out(letters, lengths)

    def _lay_out(self, letters: Int[Tensor, "batch letter"], lengths: Int[Tensor, " batch"] | None) -> Batch:
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
