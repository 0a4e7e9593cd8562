"""Copying strings without a repeated letter, so that one letter says what comes next: `$ x1..xL | x1..xL .`"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.seeds import as_generator
from interp.tasks.base import Batch
from interp.tasks.copy import CopyTask
from interp.tasks.lettered import OverLetters
from interp.tasks.registry import register
from interp.tasks.sampling import Length, draw_lengths, span


@register("copy-unique")
@checked_call
@dataclass(frozen=True)
class UniqueCopy(OverLetters):
    """Write a string of different letters once more, in the token layout of `CopyTask`.

    `UniqueCopy(3)` asks `$cab|` for `cab`, and never has a string of more than 3 letters.

    >>> task = interp.tasks.UniqueCopy(3)
    >>> task.decode(task.sample(2, 3, generator=0).tokens)
    ['$acb|acb', '$bca|bca']
    """

    needs_separator: ClassVar[bool] = False
    fewest_letters: ClassVar[int] = 1

    @checked_call
    def sample(self, n: int, length: Length, generator: torch.Generator | int) -> Batch:
        """Draw `n` strings; see `Task.sample`. Each string of different letters is as likely as any other.

        Raises: UserError for strings of more letters than there are.
        """
        generator, longest = as_generator(generator), span(length)[1]
        if longest > self.n_letters:
            raise UserError(
                f"length must be at most {self.n_letters}, the letters of the alphabet, as none may stand twice; "
                f"got {longest}. Draw shorter strings, or use a larger alphabet."
            )
        lengths = draw_lengths(n, length, generator)
        order = torch.rand(n, self.n_letters, generator=generator, dtype=torch.float64).argsort(dim=1)
        return self.ask(order[:, :longest], lengths)

    def ask(self, letters: Int[Tensor, "batch letter"], lengths: Int[Tensor, " batch"]) -> Batch:
        """Make the batch that asks for the first `lengths` letters of each row again."""
        return CopyTask(vocab=self.vocabulary).layout(letters, lengths)
