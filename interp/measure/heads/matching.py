"""What a flagged head matches: asked about both places, letter by letter, and whether the order of the letters counts.

Attention is blind where two places differ by little: a head that prefers earlier matches by 5 % a position gives nearly
all attention to one of two equal ones, though a matching letter adds a hundred times as much to its scores. So scores
before the softmax are compared. Where a head has none, the log of its attention stands in: it is the scores up to a
shift that differences do not see.
"""

from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from interp.base.estimates import mean_intervals
from interp.base.interval import Interval
from interp.measure.heads.flags import by_match
from interp.measure.heads.lookup import Looked

EQUAL = 0.1
"""Two places are alike to a head if their scores differ, on average over both places asked about, by no more than this
share of what the weightiest letter adds."""
COUNTS = 0.1
"""A letter counts if changing it moves scores by more than this share of what the weightiest one does; the order of
two, if exchanging them does."""
NATS = 2 * log(1 / 0.75)
"""Or if it moves them by so many nats, however much others do: where it agrees in one place alone, the other draws
less than three quarters. (An edit moves both places, one down and one up.)"""
ReadByString = Float[np.ndarray, "head probe strings"]


@dataclass(frozen=True)
class Matching:
    """What the heads of a model match, by their scores, one entry each; only flagged heads' mean something."""

    ahead: Float[np.ndarray, "head match strings"]
    """Margin of the true place's score over the rival's, averaged over the two places asked about; nan where a
    head never sees both."""
    preference: tuple[float | None, ...]
    """Nats by which the later of two equal matches is preferred; below 0 the earlier."""
    preference_interval: tuple[Interval | None, ...]
    apart: tuple[float | None, ...]
    """Nats by which the true place scores above a rival that agrees in the longest match, over both places."""
    apart_interval: tuple[Interval | None, ...]


def matching(first: Looked, second: Looked, steps: int) -> Matching:
    """Compare the scores of the true place and its rival, asked about the first and about the second of two places.

    A preference for the first or the last place has opposite signs in the two, and cancels in their mean.

    Args:
        first, second: at the same match lengths 0, 1, ..., asked about the first and the second place.
        steps: number of match lengths.
    """
    before, behind = (_ahead(looked, steps) for looked in (first, second))
    ahead = (before + behind) / 2
    preference, apart = _with_interval((behind[:, -1] - before[:, -1]) / 2), _with_interval(ahead[:, -1])
    return Matching(ahead, *preference, *apart)


def _with_interval(
    values: Float[np.ndarray, "head string"],
) -> tuple[tuple[float | None, ...], tuple[Interval | None, ...]]:
    """Compute each head's mean and its interval; None where some value is not finite."""
    known = [bool(np.isfinite(row).all()) for row in values]
    found = mean_intervals(np.nan_to_num(values, posinf=0.0, neginf=0.0))
    means = tuple(float(row.mean()) if finite else None for row, finite in zip(values, known, strict=True))
    return means, tuple(found[i] if finite else None for i, finite in enumerate(known))


def alike_from(ahead: Float[np.ndarray, " match"]) -> int | None:
    """Find the first match length from which on the two places score alike; None if they never do.

    Args:
        ahead: by how much the true place's score exceeds the rival's, at match lengths 0, 1, ...
    """
    if not np.isfinite(ahead).all():
        return None
    most = float((-np.diff(ahead)).max())
    unlike = np.flatnonzero(np.abs(ahead[1:]) > EQUAL * most)
    if most <= 0 or (len(unlike) and unlike[-1] == len(ahead) - 2):
        return None
    return 1 if not len(unlike) else int(unlike[-1]) + 2


def moved(before: Looked, after: Looked, steps: int) -> ReadByString:
    """Measure how far each head moves to the rival place when the copied letters are edited, string by string.

    Args:
        before, after: at the strings as they are and as they are edited.
        steps: number of edits, in whose order the strings stand.
    """
    change = by_match(_lead(before) - _lead(after), steps)
    return np.nan_to_num(change, posinf=0.0, neginf=0.0)


def shares(found: ReadByString, whole: Float[np.ndarray, " head"]) -> Float[np.ndarray, "head probe bound"]:
    """Compute the two ends of the interval of what edits move, as shares of `whole`.

    Args:
        found: what `moved` returns.
        whole: what the weightiest letter moves in each head (`weightiest`).
    """
    ends = mean_intervals(found)
    return np.stack([ends.low, ends.high], axis=2) / np.maximum(whole, 1e-9)[:, None, None]


def least_that_counts(whole: Any) -> Any:
    """Return the nats from which on a letter counts, given what the weightiest moves."""
    return np.minimum(COUNTS * whole, NATS)


def weightiest(found: ReadByString) -> Float[np.ndarray, " head"]:
    """Return what the letter moves that moves each head most."""
    return found.mean(axis=2).max(axis=1)


def _ahead(looked: Looked, steps: int) -> Float[np.ndarray, "head match strings"]:
    """Compute the margin of the true place's score over the rival's; where one is hidden, what it is on average
    elsewhere."""
    difference = by_match(_lead(looked), steps)
    difference[~np.isfinite(difference)] = np.nan
    seen = np.isfinite(difference)
    mean = np.where(seen, difference, 0.0).sum(axis=2, keepdims=True) / np.maximum(seen.sum(axis=2, keepdims=True), 1)
    return np.where(seen, difference, np.where(seen.any(axis=2, keepdims=True), mean, np.nan))


def _lead(looked: Looked) -> Float[torch.Tensor, "head example"]:
    """Compute the margin of the source's score over the rival's."""
    scores, attention = looked.source_score - looked.rival_score, torch.stack([looked.source, looked.rival]).double()
    logs = attention.clamp(min=torch.finfo(torch.float32).tiny).log()
    other = looked.rival > 0  # without a rival nothing is compared with it: the other letters are
    shuffled = looked.shuffled.double().clamp(min=torch.finfo(torch.float32).tiny).log()
    instead = logs[0] - torch.where(other, logs[1], shuffled)
    none = torch.isnan(looked.source_score).all(dim=1, keepdim=True)
    return torch.where(none, instead, scores.double())
