"""What a flagged head matches, by its scores: asked about both places, and letter by letter.

Attention is blind where two places differ by little: a head that prefers earlier matches by 5 % a position gives nearly
all attention to one of two equal ones, though a matching letter adds a hundred times as much to its scores.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from interp.base.stats import bootstrap_interval
from interp.measure.heads.flags import by_match
from interp.measure.heads.lookup import Looked, look
from interp.models.surface import Model
from interp.tasks.probes.planted_repeats import Probe

EQUAL = 0.1
"""Two places are alike to a head if their scores differ, on average over both places asked about, by no more than this
share of what the weightiest letter adds."""
COUNTS = 0.1
"""A letter counts if changing it moves scores by more than this share of what the weightiest one does."""


@dataclass(frozen=True)
class Matching:
    """What the heads of a model match, one entry each; only flagged heads' mean something."""

    n: tuple[int | None, ...]
    """Shortest match from which on two places are alike."""
    preference: tuple[float | None, ...]
    """Nats by which the later of two equal matches is preferred; below 0 the earlier."""


def matching(first: Looked, second: Looked, steps: int) -> Matching:
    """Compare the scores of the true place and its rival, asked about the first and about the second of two places.

    A preference for the first or the last place has opposite signs in the two, and cancels in their mean.

    Args:
        first, second: at the same match lengths 0, 1, ..., asked about the first and the second place.
        steps: number of match lengths.
    """
    before, behind = (_ahead(looked, steps) for looked in (first, second))
    found, preference = [], []
    for one, other in zip(before, behind, strict=True):
        known = bool(np.isfinite(one).all() and np.isfinite(other).all())
        found.append(_alike_from((one + other) / 2) if known else None)
        preference.append(float((other[-1] - one[-1]) / 2) if known else None)
    return Matching(tuple(found), tuple(preference))


def letters_that_count(model: Model, probe: Probe, edited: Probe, steps: int) -> Float[np.ndarray, "head offset bound"]:
    """Measure how far each head's scores move to a rival place when one copied letter becomes the rival's.

    Args:
        model: the model.
        probe: strings in whose two places all letters agree but for the one `offset` back; by offset, 0 first.
        edited: the same with the copied letter changed to the rival's.
        steps: number of offsets.

    Returns: the interval's two ends, as shares of what the weightiest letter moves.
    """
    ahead = [
        by_match(looked.rival_score - looked.source_score, steps)
        for looked in (look(model, p) for p in (probe, edited))
    ]
    moved = ahead[1] - ahead[0]
    whole = np.nan_to_num(moved.mean(axis=2)).max(axis=1)
    low, high = np.stack(bootstrap_interval(np.nan_to_num(moved, posinf=0.0, neginf=0.0)))
    return np.stack([low, high], axis=2) / np.maximum(whole, 1e-9)[:, None, None]


def _ahead(looked: Looked, steps: int) -> Float[np.ndarray, "head match"]:
    """By how much the true place's score exceeds the rival's, on average; nan where scores are hidden or none."""
    difference = by_match(looked.source_score - looked.rival_score, steps)
    difference[~np.isfinite(difference)] = np.nan
    seen = np.asarray(np.isfinite(difference).any(axis=2))
    return np.where(seen, np.nanmean(np.where(seen[..., None], difference, 0.0), axis=2), np.nan)


def _alike_from(ahead: Float[np.ndarray, " match"]) -> int | None:
    """The first match length from which on the two places score alike; None if they never do."""
    most = float((-np.diff(ahead)).max())
    unlike = np.flatnonzero(np.abs(ahead[1:]) > EQUAL * most)
    if most <= 0 or (len(unlike) and unlike[-1] == len(ahead) - 2):
        return None
    return 1 if not len(unlike) else int(unlike[-1]) + 2
