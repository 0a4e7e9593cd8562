"""An interval with the name of its method. The methods are in `interp.base.estimates`; this imports nothing heavy."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Method = Literal[
    "Clopper-Pearson",
    "Korn-Graubard",
    "Korn-Graubard over sets and strings",
    "Student t",
    "Student t and Hall",
    "percentile bootstrap",
]
"""How an interval was computed; `interp.base.estimates` has a function for each."""


@dataclass(frozen=True)
class Interval:
    """Two ends at 95 %, and how they were computed.

    >>> low, high = Interval(0.1, 0.3, "Student t")
    """

    low: float
    high: float
    method: Method

    def __iter__(self) -> Iterator[float]:
        """Yield the two ends."""
        yield self.low
        yield self.high

    def below(self, value: float) -> "Interval":
        """Return the interval of `value` less the quantity: what is left of an accuracy after a drop."""
        return Interval(value - self.high, value - self.low, self.method)
