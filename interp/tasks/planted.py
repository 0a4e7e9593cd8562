"""Copying strings in which an n-gram recurs: `$ x1..xL | x1..xL .` with a maximal repeat of exactly k letters."""

from dataclasses import dataclass

import torch
from torch import Tensor

from interp.base.calls import checked_call
from interp.tasks.base import Batch
from interp.tasks.copy import CopyTask
from interp.tasks.lettered import OverLetters, check_count
from interp.tasks.probes.planted_repeats import planted_repeats
from interp.tasks.registry import register
from interp.tasks.sampling import Length, draw_lengths


@register("planted")
@checked_call
@dataclass(frozen=True)
class PlantedCopy(OverLetters):
    """Write a string once more in which the same k letters stand at two places.

    `PlantedCopy(k=2)` asks `$ecabdfcade|` for `ecabdfcade`: `ca` stands after e and before b, and again after f and
    before d. The neighbours always differ on both sides, and the places do not overlap, so that a copier whose keys
    have k letters or fewer must guess. The other letters are independent and uniform, so that another repeat may arise
    by chance. See `interp.tasks.probes.planted_repeats` for the probe that asks at the repeat alone, and
    `DuplicateCopy` for the official code's way.

    >>> task = interp.tasks.PlantedCopy(k=2)
    >>> task.decode(task.sample(1, 10, generator=0).tokens)
    ['$rrzyqvvrzc|rrzyqvvrzc']
    """

    k: int = 3
    """Letters of the repeat; 0: two places whose letters differ, the control."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("k", self.k, 0)

    @checked_call
    def sample(self, n: int, length: Length, generator: torch.Generator | int) -> Batch:
        """Draw `n` strings; see `Task.sample`.

        Raises: UserError for strings of fewer than 2 k + 4 letters, in which two places with neighbours do not fit.
        """
        draw_lengths(n, length, 0, shortest=2 * self.k + 4)  # refuses before a tensor of n numbers is made
        k: Tensor = torch.full((n,), self.k)
        task = CopyTask(vocab=self.vocabulary)
        return planted_repeats(task, k, length, generator, exclusive=False, context=self.k).whole
