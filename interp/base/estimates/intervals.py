"""Intervals of one method along leading axes, and the level that all of them have."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped

from interp.base.interval import Interval, Method

LEVEL = 0.95
TAIL = (1 - LEVEL) / 2
Values = Shaped[np.ndarray, "*axes example"]
Numbers = Float[np.ndarray, "*axes"] | float
"""An array, or the plain number that numpy makes of one without axes."""


@dataclass(frozen=True)
class Intervals:
    """Intervals of one method, along leading axes."""

    low: Float[np.ndarray, "*axes"]
    high: Float[np.ndarray, "*axes"]
    method: Method

    def __getitem__(self, index: int | tuple[int, ...]) -> Interval:
        """Return one of them; `[()]` where there are no axes."""
        return Interval(float(self.low[index]), float(self.high[index]), self.method)

    def __len__(self) -> int:
        return len(self.low)


def named(low: Numbers, high: Numbers, method: Method) -> Intervals:
    """Intervals, also where numpy has made plain numbers of arrays without axes."""
    return Intervals(np.asarray(low), np.asarray(high), method)
