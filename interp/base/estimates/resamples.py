"""The bootstrap, for what is not a mean: weights of resamples, and the interval of what was found in each."""

import numpy as np
from jaxtyping import Float, Shaped

from interp.base.calls import checked_call
from interp.base.estimates.intervals import TAIL
from interp.base.interval import Interval

RESAMPLES = 2000


@checked_call
def resampled(
    n: int, seed: int | np.random.Generator = 0, resamples: int = RESAMPLES
) -> Float[np.ndarray, "resample example"]:
    """Weights of bootstrap resamples: each row adds up to 1, and `weights @ values` are the means of the resamples.

    >>> resampled(3, seed=0, resamples=2).sum(axis=1)
    array([1., 1.])
    """
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), resamples) / n


@checked_call
def percentile_interval(draws: Shaped[np.ndarray, " resample"]) -> Interval:
    """The percentile bootstrap: what 95 % of the resamples lie between, each end one of them.

    For what is not a mean, so that nothing better fits: where a curve bends, an n. It misleads by being narrow: for
    means of shares near 1 it covers 36 to 84 %.

    >>> tuple(percentile_interval(np.arange(1000.0)))
    (25.0, 974.0)
    """
    low, high = np.quantile(draws, [TAIL, 1 - TAIL], method="nearest")
    return Interval(float(low), float(high), "percentile bootstrap")
