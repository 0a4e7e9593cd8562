"""p-values against a null, and their correction for many tests: numpy in, numpy out, thin over scipy.

Intervals are in `interp.base.estimates`.
"""

import numpy as np
from jaxtyping import Float
from scipy import stats

from interp.base.calls import checked_call


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
