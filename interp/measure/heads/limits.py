"""Where a copier will stop, and why, said before it is measured: from its margins on shorter strings and its n.

Four causes, apart. *Collisions*: an n-gram recurs with another letter after it, and a copier of n letters must guess.
*Crosstalk*: a key that shares fewer letters scores above the right one, because keys are too narrow for what they hold.
*Dispersion*: no key does, but all together outweigh the right one. *Beginning*: one of the first n letters is missed,
whose match is cut off by the beginning of the string. Collisions follow from n and the alphabet alone. The others are
read off margins: of several heads the median one's, for a letter is lost when most of them are fooled, or the logits'
where the heads do not decide. Beyond what was seen their lower tail is a generalised Pareto distribution's (Pickands
1975), and the chance of being fooled grows with the number of keys, each of which may be the one: errors of a string
with its square. Each length is predicted from the nearest at which margins were measured, for scores may change with
the distance, too.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy import stats

from interp.base.errors import UserError
from interp.base.estimates import percentile_interval
from interp.results.margins import HeadMargins, Limit

TAIL = 0.02
"""Share of the letters, those of the least margins, that the tail is fitted to."""
FEWEST = 20
"""Letters that the tail is fitted to at least; of beginnings, one a string, that is half of forty."""
SEEN = 10
"""Margins below 0 that tell how often they are, to a third, without a tail."""
RESAMPLES = 200
MASTERED = 0.95
CAUSES = ("collisions", "crosstalk", "dispersion", "beginning", "together")


def predict_accuracy(
    margins: Sequence[HeadMargins], n: int, alphabet: int, lengths: Sequence[int], seed: int = 0
) -> Limit:
    """Predict the string accuracy at other lengths, and what each cause alone would leave of it.

    Args:
        margins: of the lookup heads, at one length or more; for each length to predict the nearest counts.
        n: letters that they match.
        alphabet: letters of the task.
        lengths: to predict at.
        seed: of the bootstrap over strings.

    Raises: UserError for no margins, or of strings that are no longer than n letters.
    """
    if not margins or min(each.length for each in margins) <= n:
        raise UserError(f"margins must be of strings of more than n letters, {n}; got none of them, or shorter ones.")
    best = [_in_the_end(each.over_best, each.of_logits)[:, n:] for each in margins]
    all_margins = [_in_the_end(each.over_all, each.of_logits) for each in margins]
    odds = [each[:, n:] for each in all_margins]
    first = [each[:, :n].min(axis=1, keepdims=True) for each in all_margins]
    sizes = np.array([each.length for each in margins], dtype=float)
    generator = np.random.default_rng(seed)
    collisions = np.array([ideal_string_accuracy(n, alphabet, length) for length in lengths])

    def of(best: list[np.ndarray], odds: list[np.ndarray], first: list[np.ndarray]) -> np.ndarray:
        fooled, outweighed, missed = (_error_rates(values, sizes, lengths) for values in (best, odds, first))
        letters = np.maximum(np.array(lengths, dtype=float) - n, 0)
        crosstalk = (1 - fooled) ** letters
        dispersion = np.minimum(1.0, (1 - outweighed) ** letters / np.maximum(crosstalk, 1e-300))
        causes = collisions, crosstalk, dispersion, 1 - missed
        return np.stack([*causes, np.prod(causes, axis=0)])

    curves = of(best, odds, first)
    draws = []
    for _ in range(RESAMPLES):
        rows = [generator.integers(len(each), size=len(each)) for each in best]
        resampled = [[part[row] for part, row in zip(parts, rows, strict=True)] for parts in (best, odds, first)]
        draws.append(of(*resampled)[-1])
    bounds = map(percentile_interval, np.array(draws).T)
    named = dict(zip(CAUSES, curves, strict=True))
    return Limit(
        lengths=tuple(lengths),
        n=n,
        **{name: tuple(map(float, curve)) for name, curve in named.items()},
        interval=tuple(bounds),
        reach={name: _reach(lengths, curve) for name, curve in named.items()},
    )


def ideal_string_accuracy(n: int, alphabet: int, length: int) -> float:
    """String accuracy of a copier of n letters on uniform strings: exp(-3/4 (L-n)^2 / 2 D^-n (1 - 1/D)).

    The expected number of pairs of places with equal n-grams and different letters after them; of each pair, both
    letters are guessed right once in four. Exact where recurrences are rare, and within .02 where they are not
    (`tasks.probes.ideal` draws strings and counts).
    """
    pairs = max(length - n, 0) ** 2 / 2 * alphabet**-n * (1 - 1 / alphabet)
    return float(np.exp(-0.75 * pairs))


def _in_the_end(
    of_heads: Float[np.ndarray, "head string letter"], of_logits: Float[np.ndarray, "string letter"]
) -> Float[np.ndarray, "string letter"]:
    """The median head's margin (of two heads the mean) where it says what the model writes; elsewhere the logits'.

    Logits cannot stand alone: they hardly fall before a head is fooled, so that their tail does not say when it will
    be. Nor can heads: others help where rivals hold many letters, or none.
    """
    median = np.median(of_heads, axis=0)
    return np.where((median < 0) == (of_logits < 0), median, of_logits)


def _error_rates(
    margins: list[Float[np.ndarray, "_ _"]], sizes: Float[np.ndarray, " size"], lengths: Sequence[int]
) -> Float[np.ndarray, " length"]:
    """Share of letters whose margin is below 0 at each length, from the nearest length with margins (by its logarithm).

    A letter is spared with the probability of being spared there to the power of how many times as many keys there are.
    """
    fooled, wanted = np.array([_fooled(each) for each in margins]), np.array(lengths, dtype=float)
    nearest = np.abs(np.log(wanted[:, None]) - np.log(sizes)).argmin(axis=1)
    return 1 - (1 - fooled[nearest]) ** (wanted / sizes[nearest])


def _fooled(margins: Float[np.ndarray, "_ _"]) -> float:
    """Share of letters whose margin is below 0: as seen where `SEEN` of them are, else by the tail that is fitted."""
    pooled = np.sort(margins.ravel())
    inside = min(max(FEWEST, int(TAIL * pooled.size)), pooled.size - 1)
    share, threshold, seen = inside / pooled.size, pooled[inside], int((pooled < 0).sum())
    if inside < 1 or threshold <= 0 or seen >= SEEN:
        return seen / pooled.size
    shape, scale = _pareto(threshold - pooled[:inside])
    return min(1.0, share * float(stats.genpareto.sf(threshold, shape, 0, scale)))


def _pareto(excess: Float[np.ndarray, " letter"]) -> tuple[float, float]:
    """Shape and scale of a generalised Pareto distribution, by its first two moments (Hosking & Wallis 1987)."""
    mean, variance = float(excess.mean()), float(excess.var())
    if variance <= 1e-12:
        return 0.0, max(mean, 1e-9)
    ratio = mean**2 / variance
    return (1 - ratio) / 2, mean * (1 + ratio) / 2


def _reach(lengths: Sequence[int], curve: Float[np.ndarray, " length"]) -> float | None:
    """Where a falling curve crosses 95 %, by interpolation over the log of the length."""
    below = np.flatnonzero(curve < MASTERED)
    if not len(below):
        return None
    at = int(below[0])
    if at == 0:
        return float(lengths[0])
    (x0, x1), (y0, y1) = np.log(lengths[at - 1 : at + 1]), curve[at - 1 : at + 1]
    return float(np.exp(x0 + (y0 - MASTERED) / (y0 - y1) * (x1 - x0)))
