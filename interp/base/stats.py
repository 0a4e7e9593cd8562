"""Intervals and p-values: numpy in, numpy out, thin over scipy.

The unit is the example (or the string, or the model): whatever lies along the last axis is resampled. An interval is a
pair (low, high) at 95 %.
"""

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy import stats

from interp.base.calls import checked_call
from interp.base.errors import UserError

Interval = tuple[float, float]
"""(low, high) at 95 %."""
Bounds = tuple[Float[np.ndarray, "*axes"] | float, Float[np.ndarray, "*axes"] | float]
LEVEL = 0.95
RESAMPLES = 2000


@checked_call
def bootstrap_interval(values: Shaped[np.ndarray, "*axes example"], seed: int | np.random.Generator = 0) -> Bounds:
    """Percentile bootstrap interval of the mean over the last axis; the axes before it share their resamples.

    Its width is 0 where all values are equal: for an accuracy of 0 or 1 ask `proportion_interval`.

    Returns:
        (low, high), each with the leading axes, or two numbers if there are none.

    Raises: UserError for fewer than two values, or values that are not finite.
    """
    from interp.base.budget import budget  # imports torch, which a process that only reads results has no need of

    values = np.asarray(values, dtype=np.float64)
    if values.shape[-1] < 2 or not np.isfinite(values).all():
        raise UserError(f"values must hold at least two finite numbers; got an array of shape {values.shape}.")
    found = stats.bootstrap(
        (values,),
        np.mean,
        axis=-1,
        n_resamples=RESAMPLES,
        batch=max(1, budget().resamples // values.size),
        confidence_level=LEVEL,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    # The mean of equal values is not always that value in floating point.
    constant, value = np.ptp(values, axis=-1) == 0, values[..., 0]
    return np.where(constant, value, found.low)[()], np.where(constant, value, found.high)[()]


@checked_call
def paired_difference_interval(
    before: Shaped[np.ndarray, "*axes example"],
    after: Shaped[np.ndarray, "*axes example"],
    seed: int | np.random.Generator = 0,
) -> Bounds:
    """Bootstrap interval of the mean of `after - before`, example by example.

    For right-or-wrong values whose difference may be the same throughout, ask `paired_proportions_interval`.
    """
    return bootstrap_interval(np.asarray(after, np.float64) - np.asarray(before, np.float64), seed)


@checked_call
def proportion_interval(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927): of positive width at 0 and at 1, too."""
    if not 0 <= successes <= trials or trials < 1:
        raise UserError(f"successes must be from 0 to trials, and trials 1 or more; got {successes} of {trials}.")
    found = stats.binomtest(successes, trials).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


@checked_call
def paired_proportions_interval(
    before: Bool[np.ndarray, " example"], after: Bool[np.ndarray, " example"]
) -> tuple[float, float]:
    """Interval of the difference of two paired proportions, after less before (Newcombe 1998, method 10).

    Wilson's intervals of the two are joined with their correlation; of positive width even if every pair is alike.
    """
    n = len(before)
    p, q = float(np.mean(after)), float(np.mean(before))
    p_low, p_high = proportion_interval(int(after.sum()), n)
    q_low, q_high = proportion_interval(int(before.sum()), n)
    correlation = _phi(before, after)
    down, up = (p - p_low, q_high - q), (p_high - p, q - q_low)
    low, high = (np.sqrt(a * a - 2 * correlation * a * b + b * b) for a, b in (down, up))
    return float(max(p - q - low, -1.0)), float(min(p - q + high, 1.0))


@checked_call
def empirical_p(
    statistic: Float[np.ndarray, "*axes"] | float, null: Float[np.ndarray, " draw"]
) -> Float[np.ndarray, "*axes"]:
    """One-sided p-value against N draws of the null: (1 + #{null >= statistic}) / (1 + N) (Phipson & Smyth 2010)."""
    below = np.searchsorted(np.sort(null), statistic, side="left")
    return np.asarray((1 + len(null) - below) / (1 + len(null)))


@checked_call
def benjamini_hochberg(p: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """q-values: the least false discovery rate at which each test is rejected (Benjamini & Hochberg 1995)."""
    return stats.false_discovery_control(p, method="bh")


def _phi(before: Bool[np.ndarray, " example"], after: Bool[np.ndarray, " example"]) -> float:
    """Correlation of right and wrong, 0 where one does not vary; a positive one is corrected for continuity."""
    both, neither = int((before & after).sum()), int((~before & ~after).sum())
    lost, gained = int((before & ~after).sum()), int((~before & after).sum())
    margins = (both + lost) * (gained + neither) * (both + gained) * (lost + neither)
    if margins == 0:
        return 0.0
    excess = both * neither - lost * gained
    return (max(excess - len(before) / 2, 0) if excess > 0 else excess) / np.sqrt(margins)
