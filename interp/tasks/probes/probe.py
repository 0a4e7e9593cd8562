"""A question to each of some copy strings: where it is asked, the place that is right, and the one that competes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from interp.tasks.base import Batch


@dataclass(frozen=True)
class Probe:
    """One question to each string: where it is asked, the true place and the rival place.

    >>> probe = interp.tasks.planted_repeats(interp.CopyTask(), torch.tensor([2]), 14, 0, exclusive=True, context=4)
    >>> int(probe.query), int(probe.source), int(probe.rival)
    (28, 14, 6)
    """

    batch: Batch
    """`answer`, `loss_mask` and `source` mark the query only."""
    whole: Batch
    """`batch` with every letter of the copy asked for."""
    k: Int[Tensor, " batch"]
    """Length of the repeat: the last letters in which the two places agree."""
    query: Int[Tensor, " batch"]
    """Position in `tokens` whose next token is asked for."""
    source: Int[Tensor, " batch"]
    """Position of the right next letter in the first copy."""
    rival: Int[Tensor, " batch"]
    """Position of the letter that follows the rival place in the first copy, -1 where there is no rival."""
    place: Int[Tensor, " batch"]
    """Whether the question is about the first (0) or the second (1) of the two places. The copy up to the second place
    holds the first one once more, so there the rival's letter has followed the repeat twice."""

    def __len__(self) -> int:
        return len(self.batch)

    def rows(self, index: slice) -> "Probe":
        """Take some of the strings, as a probe."""
        return self._map(lambda part: part.rows(index) if isinstance(part, Batch) else part[index])

    def to(self, device: torch.device | str) -> "Probe":
        return self._map(lambda part: part.to(device))

    def _map(self, change: Callable[[Any], Any]) -> "Probe":
        return replace(self, **{name: change(part) for name, part in vars(self).items()})


def probe_of(whole: Batch, k: Tensor, true: Tensor, other: Tensor, place: Tensor, rivalled: Tensor) -> Probe:
    """Make the probe of strings that are asked for whole.

    Args:
        whole: the strings.
        k: length of the repeat.
        true, other: letter of the string, 0, 1, ..., at which the place that is asked about ends, and the other one.
        place: which of the two is asked about.
        rivalled: whether the other one is a rival.
    """
    query = asking_for(whole, true + 1)
    source, rival = (whole.source.gather(1, asking_for(whole, end + 1)[:, None])[:, 0] for end in (true, other))
    asked = torch.arange(whole.tokens.shape[1]) == query[:, None]
    batch = replace(whole, answer=asked, loss_mask=asked, source=whole.source.masked_fill(~asked, -1))
    return Probe(batch, whole, k, query, source, rival.masked_fill(~rivalled, -1), place)


def asking_for(batch: Batch, letter: Tensor) -> Tensor:
    """Find the position whose target is the given letter of the answer (0, 1, ...)."""
    return (batch.answer & (batch.answer.cumsum(1) == letter[:, None] + 1)).byte().argmax(dim=1)
