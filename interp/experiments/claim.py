"""`Claim`: what a paper says, the runs that bear on it, and the rule by which they decide; `ClaimResult`: its end.

`holds` is decided by the rule alone, from numbers: yes, no, or unsure where the runs are too few or too small to tell.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from interp.experiments.kept import Found
from interp.experiments.plan import RunPlan
from interp.results.record import Result

Holds = Literal["yes", "no", "unsure"]
Ends = tuple[float | None, float | None]
"""Ends of an interval; None for an end that is not there."""


@dataclass(frozen=True)
class Curve:
    """One line of a figure: a value for each x, over trainings, with its interval."""

    arm: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    runs: tuple[int, ...]
    """Trainings behind each value."""


@dataclass(frozen=True)
class Plot:
    """The data of one figure."""

    name: str
    """Name of its files: letters, digits, dashes."""
    title: str
    x: str
    y: str
    curves: tuple[Curve, ...]
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True)
class Judged:
    """What follows from what the runs have found, by the rule of the claim."""

    holds: Holds
    quantity: str
    """What `measured` is, in words."""
    measured: float | None
    interval: Ends | None
    """Interval at 95 %, over trainings where there are any."""
    says: str
    """What was measured, in a sentence or two."""
    plots: tuple[Plot, ...] = ()
    kept: tuple[str, ...] = ()
    """What the best of several rates was, arm by arm, where one was taken."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClaimResult:
    """What became of a claim at one size."""

    id: str
    title: str
    where: str
    statement: str
    """What the paper says."""
    rule: str
    """How it was decided."""
    size: str
    seeds: int
    holds: Holds
    quantity: str
    measured: float | None
    interval: Ends | None
    says: str
    runs: tuple[str, ...]
    """Digests of the runs that it rests on, by which what they found is named."""
    failed: tuple[str, ...]
    """Runs that failed: which, and why."""
    seconds: float
    """Processor time of all its runs, as measured where they ran."""
    plots: tuple[Plot, ...] = ()
    kept: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    parameters: Mapping[str, int] | None = None
    """Parameters of each arm."""
    planned: int = 0
    """Runs that it asks for: where more than `runs`, it is decided from those that are there."""
    means: str = ""
    """What follows for the paper, or for its critics."""


@dataclass(frozen=True)
class Claims(Result):
    """All that was decided, in one `results.json`."""

    paper: str
    size: str
    claims: tuple[ClaimResult, ...]
    provenance: Mapping[str, Any]
    families: tuple[str, ...] = ()
    """Recurrent families that were compared beside the paper's."""


@dataclass(frozen=True)
class Claim:
    """Something that a paper says, and how it is put to the test."""

    id: str
    """How it is asked for: samples, length, ..."""
    title: str
    where: str
    """Where the paper says it: Figure 1a."""
    statement: str
    rule: str
    plans: Callable[[str, Sequence[int]], tuple[RunPlan, ...]]
    """Size and seeds -> the runs that it needs."""
    judge: Callable[[Sequence[Found], str], Judged]
    """What the runs found (those that did not fail), and the size -> what follows."""
    seeds: int = 3
    """Trainings of each kind, where no other number is asked for."""
    means: Mapping[Holds, str] = field(default_factory=dict)
    """What follows for the paper, or for its critics, from either end."""
    compares: Callable[[RunPlan], bool] = lambda _: True
    """Which runs its rule compares; the others stand beside them. Until two of each kind have ended it is unsure."""
    further: Callable[[str, Sequence[int], Sequence[str]], tuple[RunPlan, ...]] | None = None
    """Size, seeds and kinds of further recurrent families -> theirs; None where it compares no families."""

    def decide(self, plans: Sequence[RunPlan], found: Mapping[str, Found], size: str, seeds: int) -> ClaimResult:
        """Decide the claim from what its runs found.

        Args:
            plans: its runs.
            found: by digest; runs that are not among them count as not done.
            size: which.
            seeds: trainings of each kind.
        """
        different = {plan.digest: plan for plan in plans}
        mine = [_named(found[digest], plan) for digest, plan in different.items() if digest in found]
        well = [one for one in mine if one.failed is None]
        judged = self.judge(well, size) if well else nothing("no run has ended well yet")
        waits = self.waits_for(tuple(different.values()), found)
        holds: Holds = "unsure" if waits else judged.holds
        parameters = {one.plan.arm: one.values["model"]["parameters"] for one in well}
        return ClaimResult(
            id=self.id,
            title=self.title,
            where=self.where,
            statement=self.statement,
            rule=self.rule,
            size=size,
            seeds=seeds,
            holds=holds,
            quantity=judged.quantity,
            measured=judged.measured,
            interval=judged.interval,
            says=judged.says,
            runs=tuple(one.digest for one in mine),
            failed=tuple(f"{one.plan.name} ({one.digest}): {one.failed}" for one in mine if one.failed is not None),
            seconds=float(sum(sum(one.seconds.values()) for one in mine)),
            plots=tuple(plot for plot in judged.plots if any(y is not None for curve in plot.curves for y in curve.y)),
            kept=judged.kept,
            notes=(*waits, *judged.notes),
            parameters=parameters,
            planned=len(different),
            means=self.means.get(holds, ""),
        )

    def waits_for(self, plans: Sequence[RunPlan], found: Mapping[str, Found]) -> tuple[str, ...]:
        """Kinds of models of which fewer than two runs have ended, in a sentence; a best one could be among them."""
        ended: dict[tuple[object, ...], list[bool]] = {}
        for plan in filter(self.compares, plans):
            lengths = plan.training.lengths if plan.training else None
            ended.setdefault((plan.arm, plan.rate, lengths), []).append(plan.digest in found)
        lack = {str(kind[0]) for kind, each in ended.items() if sum(each) < min(2, len(each))}
        return (f"not decided yet: fewer than two runs have ended of {'; '.join(sorted(lack))}",) if lack else ()


def nothing(why: str, quantity: str = "") -> Judged:
    """What follows from runs that cannot tell. `why` is a clause."""
    return Judged("unsure", quantity, None, None, f"{why[0].upper()}{why[1:]}.")


def _named(found: Found, plan: RunPlan) -> Found:
    """What a run found, under the name that this claim has for it: claims share runs."""
    return Found(**{**vars(found), "plan": plan})


def above(interval: Ends | None, threshold: float) -> Holds:
    """yes where the whole interval lies above a threshold, no where it lies below, unsure between."""
    if interval is None:
        return "unsure"
    low, high = interval
    if low is not None and low > threshold:
        return "yes"
    return "no" if high is not None and high < threshold else "unsure"
