"""Copying strings with a duplicated n-gram, as the official code of Jelassi et al. 2024 makes them."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.seeds import as_generator
from interp.tasks.base import Batch
from interp.tasks.copy import CopyTask
from interp.tasks.lettered import OverLetters, check_count
from interp.tasks.registry import register
from interp.tasks.sampling import Length, below, draw_lengths
from interp.tasks.unique_grams import draw_with_a_unique_gram, grams


@register("duplicate")
@checked_call
@dataclass(frozen=True)
class DuplicateCopy(OverLetters):
    """Write a string once more in which an n-gram was written over another.

    `DuplicateCopy(n=2)` draws `ecabdfge`, takes the n-grams at two of its places, `ca` and `fg`, and writes the one
    wherever the other stands: it asks `$ecabdcae|` for `ecabdcae`. As in the official code, the two places may overlap,
    the one that is copied may be destroyed, and neighbours may be equal: of strings of 30 letters with n = 5 three
    in ten hold no repeat at all. `PlantedCopy` plants repeats that are what they say.

    >>> task = interp.tasks.DuplicateCopy(n=2)
    >>> task.decode(task.sample(1, 8, generator=0).tokens)
    ['$bqzdzzrr|bqzdzzrr']
    """

    n: int = 3
    """Letters of the n-gram."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("n", self.n)

    @checked_call
    def sample(self, n: int, length: Length, generator: torch.Generator | int) -> Batch:
        """Draw `n` strings; see `Task.sample`.

        Raises: UserError for strings too short for two places, or in which no n-gram is ever unique.
        """
        generator = as_generator(generator)
        lengths = draw_lengths(n, length, generator, shortest=self.n + 3)
        places = lengths - self.n - 1
        letters = draw_with_a_unique_gram(lengths, self.n, places, self.n_letters, generator)
        new = below(places, generator)
        other = below(places - 1, generator)
        letters = _replace(letters, new, other + (other >= new).long(), lengths, self.n)
        return CopyTask(vocab=self.vocabulary).layout(letters, None if isinstance(length, int) else lengths)


def _replace(
    letters: Int[Tensor, "batch letter"],
    new: Int[Tensor, " batch"],
    old: Int[Tensor, " batch"],
    lengths: Int[Tensor, " batch"],
    n: int,
) -> Int[Tensor, "batch letter"]:
    """Write the n-gram at `new` wherever that at `old` stands, from left to right, without overlap: `str.replace`."""
    found = grams(letters, n)
    row = torch.arange(len(letters))
    same = (found == found[row, old][:, None]).all(dim=2)
    same &= torch.arange(found.shape[1]) + n <= lengths[:, None]
    written = found[row, new]
    free, changed = torch.zeros_like(lengths), letters.clone()
    for place in range(found.shape[1]):
        here = same[:, place] & (free <= place)
        changed[:, place : place + n] = torch.where(here[:, None], written, changed[:, place : place + n])
        free = torch.where(here, place + n, free)
    return changed
