"""Intervals of what lies from 0 to 1: proportions, means of shares, their differences, and means over control sets."""

import numpy as np
from jaxtyping import Float, Shaped
from scipy import stats

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.estimates.intervals import LEVEL, TAIL, Intervals, Numbers, Values, named
from interp.base.interval import Interval, Method

ROUNDING = 1e-5
"""A share may lie so far outside 0 to 1: single precision sums weights no better."""


@checked_call
def proportion_interval(successes: int, trials: int) -> Interval:
    """Exact interval of a proportion (Clopper & Pearson 1934), from the quantiles of two beta distributions.

    It covers at least 95 % whatever the proportion. Wilson's score interval, which is narrower by a few per cent,
    covers as little as 84 % of the time for proportions near 0 and 1.

    It misleads where trials hang together, as the letters of one string do: ask `share_intervals` of their means.

    >>> low, high = proportion_interval(20, 20)
    >>> round(low, 3), high
    (0.832, 1.0)

    Raises: UserError for fewer than one trial, or successes that are not from 0 to the number of trials.
    """
    if not 0 <= successes <= trials or trials < 1:
        raise UserError(f"successes must be from 0 to the number of trials, at least 1; got {successes} of {trials}.")
    found = stats.binomtest(int(successes), int(trials)).proportion_ci(LEVEL, method="exact")
    return Interval(float(found.low), float(found.high), "Clopper-Pearson")


@checked_call
def share_intervals(values: Values) -> Intervals:
    """Intervals of the mean of shares, such as letters right or attention given, over the last axis.

    Clopper and Pearson's limits, taken at an effective number of strings (Korn & Graubard 1998): as many right-or-wrong
    strings as would leave the mean as uncertain as these shares do, made fewer by (z / t)^2 for a variance that is
    estimated. The variance is that of the sample with one string of share 0 and one of share 1 added: a sample that
    lies close to 1 does not show how wide the rare string that fails lies. So the interval of n equal strings is that
    of n right ones, about 3.7 / n wide; for right-or-wrong values it is a little wider than Clopper and Pearson's.

    It assumes strings that are independent. It misleads by being wide where shares cannot in fact be far from one
    another; of one string it is 0 to 1.

    >>> share_intervals(np.array([0.99] * 63 + [0.4])).method
    'Korn-Graubard'

    Raises: UserError for no values, or values that are not from 0 to 1.
    """
    values = _shares(values)
    n, mean = values.shape[-1], values.mean(axis=-1)
    spread, variance = _with_both_ends(values)
    return _korn_graubard(mean, spread, variance / n, n - 1.0, "Korn-Graubard")


@checked_call
def share_interval(values: Shaped[np.ndarray, " example"]) -> Interval:
    """`share_intervals` of one row."""
    return share_intervals(values)[()]


@checked_call
def difference_intervals(before: Values, after: Values) -> Intervals:
    """Intervals of the mean of `after - before`, shares of the same strings, paired over the last axis.

    A difference d lies from -1 to 1: `share_intervals` of (d + 1) / 2, brought back. It serves for right or wrong, too:
    Newcombe's interval of paired proportions covers as little as 83 % where both are near 0 or 1.

    >>> low, high = difference_interval(np.array([True] * 40), np.array([True] * 38 + [False] * 2))
    >>> low < -0.05 < high
    True

    Raises: UserError for no values, or values that are not from 0 to 1.
    """
    moved = _shares(after) - _shares(before)
    found = share_intervals((moved + 1) / 2)
    return named(2 * found.low - 1, 2 * found.high - 1, found.method)


@checked_call
def difference_interval(before: Shaped[np.ndarray, " example"], after: Shaped[np.ndarray, " example"]) -> Interval:
    """`difference_intervals` of one row."""
    return difference_intervals(before, after)[()]


@checked_call
def crossed_intervals(values: Shaped[np.ndarray, "*axes set string"]) -> Intervals:
    """Intervals of the mean share over control sets, all measured on the same strings.

    Both sets and strings are samples: the variance of the mean is that of the means of sets, divided by their number,
    and that of the means of strings (with both ends, as in `share_intervals`) by theirs; its degrees of freedom are
    Satterthwaite's (1946). From it Korn and Graubard's limits. What sets and strings do to each other is counted twice,
    so that the interval is a little wide.

    It misleads for a few sets of which one in many is unlike all others: four sets need not hold one of these.

    >>> crossed_intervals(np.array([[1, 1, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1], [1, 1, 0, 1]])).method
    'Korn-Graubard over sets and strings'

    Raises: UserError for fewer than two sets or strings, or values that are not from 0 to 1.
    """
    values = _shares(values)
    if min(values.shape[-2:]) < 2:
        raise UserError(f"values must hold at least two sets and two strings; got an array of shape {values.shape}.")
    sets, strings = values.shape[-2:]
    spread, variance = _with_both_ends(values.mean(axis=-2))
    of_sets, of_strings = values.mean(axis=-1).var(axis=-1, ddof=1) / sets, variance / strings
    freedom = (of_sets + of_strings) ** 2 / (of_sets**2 / (sets - 1) + of_strings**2 / (strings - 1))
    method: Method = "Korn-Graubard over sets and strings"
    return _korn_graubard(values.mean(axis=(-2, -1)), spread, of_sets + of_strings, freedom, method)


@checked_call
def crossed_interval(values: Shaped[np.ndarray, "set string"]) -> Interval:
    """`crossed_intervals` of one table of sets and strings."""
    return crossed_intervals(values)[()]


def _shares(values: Values) -> Float[np.ndarray, "*axes example"]:
    """The values in double precision, without what rounding put below 0 or above 1."""
    values = np.asarray(values, dtype=np.float64)
    if values.shape[-1] < 1 or values.size < 1:
        raise UserError(f"values must hold at least one share; got an array of shape {values.shape}.")
    if not ((values >= -ROUNDING) & (values <= 1 + ROUNDING)).all():
        raise UserError(f"values must be shares from 0 to 1; got from {values.min():.4g} to {values.max():.4g}.")
    return values.clip(0.0, 1.0)


def _with_both_ends(
    values: Float[np.ndarray, "*axes example"],
) -> tuple[Numbers, Numbers]:
    """p (1 - p) and the variance of the sample with a 0 and a 1 added."""
    n = values.shape[-1] + 2
    p = (values.sum(axis=-1) + 1) / n
    variance = (((values - p[..., None]) ** 2).sum(axis=-1) + p**2 + (1 - p) ** 2) / (n - 1)
    return p * (1 - p), variance


def _korn_graubard(
    mean: Numbers,
    spread: Numbers,
    variance: Numbers,
    freedom: Numbers,
    method: Method,
) -> Intervals:
    """Clopper and Pearson's limits of a mean with this variance.

    Args:
        mean: a share.
        spread: p (1 - p), the variance of one right-or-wrong string.
        variance: of the mean.
        freedom: degrees of freedom of the variance; with none the interval is 0 to 1.
        method: the name of the interval.
    """
    known = np.asarray(freedom) > 0
    wider = (stats.t.ppf(1 - TAIL, np.where(known, freedom, 1.0)) / stats.norm.ppf(1 - TAIL)) ** 2
    n = spread / variance / wider
    right, wrong = mean * n, (1 - mean) * n
    low = np.where(known & (mean > 0), stats.beta.ppf(TAIL, np.where(mean > 0, right, 1.0), wrong + 1), 0.0)
    high = np.where(known & (mean < 1), stats.beta.ppf(1 - TAIL, right + 1, np.where(mean < 1, wrong, 1.0)), 1.0)
    return named(low, high, method)
