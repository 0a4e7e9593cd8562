"""How many times more examples one kind of model needs than another, from trainings of which some never get there.

A training is evaluated now and then: it got there between two evaluations, or after the last one (censored). Logarithms
of examples are taken as normal with a mean for each group and one spread; the ratio's interval holds every value that
the likelihood does not rule out. Where no training of a group got there, its mean has no upper end.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm
from scipy.stats import t as student

from interp.base.errors import UserError
from interp.base.estimates import LEVEL

LEAST_SPREAD, MOST_SPREAD = 0.02, 5.0
"""Bounds of the spread, in nats: two trainings never need the same examples to 2 %."""
FURTHEST = math.log(1e6)
"""A ratio of more than a million is not told from one without end."""
Groups = list[list[tuple[float, float]]]
"""The ends for each group, in logarithms, between which each training got there."""


@dataclass(frozen=True)
class Needed:
    """Examples that a training needed: more than `least`, and `most` at most."""

    least: float
    most: float
    """Infinite for a training that did not get there."""

    @property
    def censored(self) -> bool:
        """Whether it did not get there."""
        return math.isinf(self.most)


@dataclass(frozen=True)
class Ratio:
    """How many times more examples one group needs than the other."""

    value: float | None
    """None where one group never got there: then only a bound is known."""
    low: float
    high: float
    """Infinite where the slower group never got there."""


def ratio(slower: Sequence[Needed], faster: Sequence[Needed]) -> Ratio:
    """Estimate examples of `slower` over examples of `faster`, with the interval of the likelihood ratio.

    Its threshold is that of Student's t for a difference of two means, which the likelihood ratio of two normal samples
    has exactly where nothing is censored.

    Raises: UserError for a group of fewer than two trainings.
    """
    if min(len(slower), len(faster)) < 2:
        raise UserError(
            f"a ratio must be of two trainings or more on either side; got {len(slower)} and {len(faster)}. Take more "
            "seeds."
        )
    groups = [[(math.log(max(x.least, 1.0)), math.log(x.most)) for x in group] for group in (slower, faster)]
    n = len(slower) + len(faster)
    limit = student.ppf((1 + LEVEL) / 2, n - 2)
    allowed = 0.5 * n * math.log(1 + limit**2 / (n - 2))
    start = _guess(groups)
    found = minimize(lambda gap: -_best(groups, float(gap[0])), [start], method="Nelder-Mead", options={"xatol": 1e-3})
    top, at = -float(found.fun), float(found.x[0])
    low, high = (_end(groups, at, side, top - allowed) for side in (-1, 1))
    if all(x.censored for x in slower) or all(x.censored for x in faster):
        return Ratio(None, math.exp(low), math.exp(high))
    return Ratio(math.exp(at), math.exp(low), math.exp(high))


def _guess(groups: Groups) -> float:
    """The difference of the means, what is censored taken as if it had come at the last evaluation."""
    slow, fast = (fmean(low if math.isinf(high) else (low + high) / 2 for low, high in group) for group in groups)
    return slow - fast


def _end(groups: Groups, at: float, side: int, level: float) -> float:
    """Where the profile falls below a level, going from its top to one side; infinite where it does not."""
    inside, step = at, 0.1
    while _best(groups, inside + side * step) >= level:
        inside += side * step
        step *= 2
        if abs(inside) > FURTHEST:
            return side * math.inf
    outside = inside + side * step
    while abs(outside - inside) > 1e-3:
        middle = (outside + inside) / 2
        outside, inside = (outside, middle) if _best(groups, middle) >= level else (middle, inside)
    return (outside + inside) / 2


def _best(groups: Groups, gap: float) -> float:
    """The greatest log-likelihood with this difference of means, over the faster group's mean and the spread."""
    ends = np.array([end for group in groups for end in group])
    shift = np.concatenate([np.full(len(groups[0]), gap), np.zeros(len(groups[1]))])
    centre = float(np.mean(np.where(np.isinf(ends[:, 1]), ends[:, 0], ends.mean(axis=1)) - shift))

    def loss(at: np.ndarray) -> float:
        spread = math.exp(min(max(at[1], math.log(LEAST_SPREAD)), math.log(MOST_SPREAD)))
        low, high = ((ends[:, side] - shift - at[0]) / spread for side in (0, 1))
        return -float(_log_between(low, high).sum())

    options = {"xatol": 1e-4, "fatol": 1e-6}
    return -min(
        float(minimize(loss, start, method="Nelder-Mead", options=options).fun)
        for start in ((centre, math.log(0.3)), (centre + 0.5, 0.0))
    )


def _log_between(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The logarithm of the normal probability between two ends, accurate in the tails."""
    flip = low > 0
    a, b = np.where(flip, -high, low), np.where(flip, -low, high)
    upper, lower = norm.logcdf(b), norm.logcdf(a)
    with np.errstate(divide="ignore"):
        return upper + np.log1p(-np.exp(np.minimum(lower - upper, -1e-12)))
