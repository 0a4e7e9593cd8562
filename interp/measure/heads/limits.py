"""Where a copier will stop, and why, said before it is measured: from its margins on shorter strings and its n.

Four causes, apart. *Collisions*: an n-gram recurs with another letter after it, and a copier of n letters must guess.
*Crosstalk*: a key that shares fewer letters scores above the right one, because keys are too narrow for what they hold.
*Dispersion*: no key does, but all together outweigh the right one. *Beginning*: one of the first n letters is missed,
whose match is cut off by the beginning of the string. Collisions follow from n and the alphabet alone. The others are
the errors that the model makes, and those that margins say are still to come: of several heads the median one's, for a
letter is lost when most of them are fooled. Beyond what was seen their lower tail is a generalised Pareto
distribution's (Pickands 1975), and the chance of being fooled grows with the number of keys, each of which may be the
one: errors of a string with its square. Each length is predicted from the nearest at which margins were measured, for
scores may change with the distance, too. A model that writes backwards has a fifth cause, its own answer, in which the
n-grams that it looks for stand mirrored (`palindrome_cost`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from interp.base.errors import UserError
from interp.base.estimates import percentile_interval
from interp.measure.heads.palindrome_cost import PalindromeCost
from interp.results.margins import HeadMargins, Limit

TAIL = 0.02
"""Share of the letters, those of the least margins, that the tail is fitted to."""
FEWEST = 20
"""Letters that the tail is fitted to at least; of beginnings, one a string, that is half of forty."""
SEEN = 10
"""Margins below 0 that count as much as the tail that is fitted: fewer count less, more count more."""
RESAMPLES = 200
MOST = 1 - 1e-12
"""The largest rate: its logarithm is finite."""
MASTERED = 0.95
CAUSES = ("collisions", "crosstalk", "dispersion", "beginning", "palindromes", "together")


def predict_accuracy(
    margins: Sequence[HeadMargins],
    n: int,
    alphabet: int,
    lengths: Sequence[int],
    seed: int = 0,
    palindromes: PalindromeCost | None = None,
) -> Limit:
    """Predict the string accuracy at other lengths, and what each cause alone would leave of it.

    Args:
        margins: of the lookup heads, at one length or more; for each length to predict the nearest counts.
        n: letters that they match.
        alphabet: letters of the task.
        lengths: to predict at.
        seed: of the bootstrap over strings.
        palindromes: what they cost, for a model that writes backwards; leave the letters after them out of the margins
            (`mirrored`, `HeadMargins.without`).

    Raises: UserError for no margins, or of strings that are no longer than n letters, and for numbers that cannot be.
    """
    if n < 1 or alphabet < 2 or min(lengths, default=0) < 1:
        raise UserError(
            f"n must be at least 1, alphabet at least 2, and lengths at least one of at least 1; got n={n}, "
            f"alphabet={alphabet} and {tuple(lengths)}. Take those of the task."
        )
    if not margins or min(each.length for each in margins) <= n:
        raise UserError(f"margins must be of strings of more than n letters, {n}; got none of them, or shorter ones.")
    wrong = [each.of_logits <= 0 for each in margins]
    best = [np.median(each.over_best, axis=0) for each in margins]
    odds = [np.median(each.over_all, axis=0) for each in margins]
    sizes = np.array([each.length for each in margins], dtype=float)
    generator = np.random.default_rng(seed)
    collisions = np.array([ideal_string_accuracy(n, alphabet, length) for length in lengths])

    def of(rows: list[Any], astray: Sequence[float] | None) -> Float[np.ndarray, "cause length"]:
        parts = [[values[row] for values, row in zip(each, rows, strict=True)] for each in (best, odds, wrong)]
        later, first = ([[values[:, some] for values in each] for each in parts] for some in (slice(n, None), slice(n)))
        crosstalk = _spared([_fooled(best, wrong) for best, _, wrong in zip(*later, strict=True)], sizes, lengths)
        together = _spared([_lost(odds, wrong) for _, odds, wrong in zip(*later, strict=True)], sizes, lengths)
        beginning = _spared([_missed(odds, wrong) for _, odds, wrong in zip(*first, strict=True)], sizes, lengths)
        many = np.maximum(np.array(lengths, dtype=float) - n, 0)
        spared = np.ones(len(lengths)) if palindromes is None else palindromes.spared(lengths, astray)
        alone = map(np.exp, (many * crosstalk, many * np.minimum(0, together - crosstalk), beginning))
        causes = collisions, *alone, spared
        return np.stack([*causes, np.prod(causes, axis=0)])

    curves = of([slice(None)] * len(margins), None)
    draws = []
    for _ in range(RESAMPLES):
        rows = [generator.integers(len(each), size=len(each)) for each in best]
        draws.append(of(rows, palindromes and palindromes.drawn(generator))[-1])
    bounds = map(percentile_interval, np.array(draws).T)
    named = dict(zip(CAUSES, curves, strict=True))
    if palindromes is None:
        del named["palindromes"]
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


def _spared(
    rates: list[float], sizes: Float[np.ndarray, " size"], lengths: Sequence[int]
) -> Float[np.ndarray, " length"]:
    """Log of the probability to be spared at each length, from the rate at the nearest one with margins (in its log).

    Each of so many times as many keys spares with the same probability.
    """
    log_spared, wanted = np.log1p(-np.minimum(rates, MOST)), np.array(lengths, dtype=float)
    nearest = np.abs(np.log(wanted[:, None]) - np.log(sizes)).argmin(axis=1)
    return log_spared[nearest] * wanted / sizes[nearest]


def _fooled(best: Float[np.ndarray, "string letter"], wrong: Bool[np.ndarray, "string letter"]) -> float:
    """Share of letters that a single rival costs. Where others save a letter from it, its margin says nothing."""
    agreed = (best < 0) == wrong
    return _below_zero(best[agreed]) * float(agreed.mean())


def _lost(odds: Float[np.ndarray, "string letter"], wrong: Bool[np.ndarray, "string letter"]) -> float:
    """Share of letters that all rivals together cost, or that are wrong for no reason in the heads."""
    agreed = (odds < 0) == wrong
    return _below_zero(odds[agreed]) * float(agreed.mean()) + float((wrong & ~agreed).mean())


def _missed(odds: Float[np.ndarray, "string letter"], wrong: Bool[np.ndarray, "string letter"]) -> float:
    """Share of strings of which one of these letters is lost."""
    agreed = (odds < 0) == wrong
    least, unexplained = np.where(agreed, odds, np.inf).min(axis=1), (wrong & ~agreed).any(axis=1)
    known = ~unexplained & np.isfinite(least)
    return _below_zero(least[known]) * float(known.mean()) + float(unexplained.mean())


def _below_zero(values: Float[np.ndarray, " value"]) -> float:
    """Share of values below 0: by those that were seen, the more of them there are, and by the tail that is fitted.

    Infinite ones count, but no tail is fitted to them.
    """
    known = np.sort(values[np.isfinite(values)])
    if not known.size:
        return 0.0
    return _fitted(known) * known.size / values.size


def _fitted(pooled: Float[np.ndarray, " value"]) -> float:
    inside = min(max(FEWEST, int(TAIL * pooled.size)), pooled.size - 1)
    share, threshold, seen = inside / pooled.size, pooled[inside], int((pooled < 0).sum())
    if inside < 1 or threshold <= 0:
        return seen / pooled.size
    shape, scale = _pareto(threshold - pooled[:inside])
    tail = min(1.0, share * float(stats.genpareto.sf(threshold, shape, 0, scale)))
    weight = seen / (seen + SEEN)
    return weight * seen / pooled.size + (1 - weight) * tail


def _pareto(excess: Float[np.ndarray, " letter"]) -> tuple[float, float]:
    """Shape and scale of a generalised Pareto distribution, by its first two moments (Hosking & Wallis 1987)."""
    mean, variance = float(excess.mean()), float(excess.var())
    if variance <= 1e-12:
        return 0.0, max(mean, 1e-9)
    ratio = mean**2 / variance
    return (1 - ratio) / 2, mean * (1 + ratio) / 2


def _reach(lengths: Sequence[int], curve: Float[np.ndarray, " length"]) -> float | None:
    """Where a curve first falls below 95 %, by interpolation over the log of the length."""
    below = np.flatnonzero(curve < MASTERED)
    if not len(below):
        return None
    at = int(below[0])
    if at == 0:
        return float(lengths[0])
    (x0, x1), (y0, y1) = np.log(lengths[at - 1 : at + 1]), curve[at - 1 : at + 1]
    return float(np.exp(x0 + (y0 - MASTERED) / (y0 - y1) * (x1 - x0)))
