"""Several runs as one number: means over trainings with their intervals, and the best of several learning rates."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev

from scipy.stats import t as student

from interp.base.estimates import LEVEL
from interp.experiments.kept import Found

Value = Callable[[Found], float]
Ends = tuple[float, float]


@dataclass(frozen=True)
class Kept:
    """The runs of an arm at the learning rate that served it best, and which rate that was."""

    arm: str
    rate: float
    rates: tuple[float, ...]
    """All that were tried."""
    found: tuple[Found, ...]
    """The runs at the rate that was kept, by seed."""

    @property
    def inside(self) -> bool | None:
        """Whether slower and faster rates were tried, too; None where one alone was."""
        return None if len(self.rates) == 1 else min(self.rates) < self.rate < max(self.rates)

    def __str__(self) -> str:
        if self.inside is None:
            return f"{self.arm}: rate {self.rate:g}, the only one that it has here"
        where = "" if self.inside else ", at the edge of those tried"
        return f"{self.arm}: rate {self.rate:g} of {', '.join(f'{rate:g}' for rate in self.rates)}{where}"


def best_rate(found: Iterable[Found], value: Value) -> dict[str, Kept]:
    """Keep, for each arm, the runs at the learning rate whose median value over the seeds is largest.

    Ties go to the smaller rate. Rates are compared on the very runs that are then shown: with few seeds the kept ones
    are a little too good, of every arm alike where every arm has as many rates.

    Args:
        found: runs that did not fail.
        value: what is compared, larger is better.
    """
    arms: dict[str, dict[float, list[Found]]] = {}
    for one in found:
        arms.setdefault(one.plan.arm, {}).setdefault(one.plan.rate, []).append(one)
    kept = {}
    for arm, rates in arms.items():
        best = max(sorted(rates), key=lambda rate: median(map(value, rates[rate])))
        runs = tuple(sorted(rates[best], key=lambda one: one.plan.seed))
        kept[arm] = Kept(arm, best, tuple(sorted(rates)), runs)
    return kept


def mean_interval(values: Sequence[float]) -> Ends | None:
    """Student's t interval of a mean over trainings; None for fewer than two.

    It is taken for accuracies, too: trainings differ by far more than the strings that each was asked. Values that are
    all equal have no width here: with so few trainings that is a limit of the method, and said where it is shown.
    """
    if len(values) < 2:
        return None
    half = float(student.ppf((1 + LEVEL) / 2, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return fmean(values) - half, fmean(values) + half


def difference_interval(
    one: Sequence[float], other: Sequence[float], strings: int | None = None
) -> tuple[float, Ends | None]:
    """The mean of one less that of the other, and Welch's t interval (Welch 1947); None for fewer than two.

    Args:
        one, other: a value for each training.
        strings: where values are shares of so many strings: a variance is then taken to be at least that of a count of
            them (one more right and one more wrong counted), so that trainings that are all alike do not seem exact.
    """
    value = fmean(one) - fmean(other)
    if min(len(one), len(other)) < 2:
        return value, None
    a, b = (max(stdev(each) ** 2, _of_count(each, strings)) / len(each) for each in (one, other))
    if a + b == 0:
        return value, (value, value)
    freedom = (a + b) ** 2 / (a**2 / (len(one) - 1) + b**2 / (len(other) - 1))
    half = float(student.ppf((1 + LEVEL) / 2, freedom)) * (a + b) ** 0.5
    return value, (value - half, value + half)


def _of_count(shares: Sequence[float], strings: int | None) -> float:
    """Variance of a share of so many strings; 0 without."""
    if strings is None:
        return 0.0
    share = (fmean(shares) * strings + 1) / (strings + 2)
    return share * (1 - share) / strings
