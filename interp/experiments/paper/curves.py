"""What several claims read from their runs: accuracy by length over trainings, and the examples that were needed."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, SupportsFloat

from interp.base.censored import Needed
from interp.experiments.claim import Curve
from interp.experiments.kept import Found
from interp.experiments.reduce import mean_interval

LEARNED = 0.95
"""Share of strings of the longest trained length from which a training counts as having learned the task."""


def share(found: Found, measurement: str, length: int) -> float:
    """Share of the strings of a length that a run got right."""
    numbers = found.values[measurement]
    return float(numbers["right"][numbers["lengths"].index(length)] / numbers["strings"])


def accuracy_curve(arm: str, runs: Sequence[Found], measurement: str) -> Curve:
    """String accuracy by length: the mean over trainings and Student's t interval, cut to 0 and 1."""
    lengths = runs[0].values[measurement]["lengths"]
    return curve(arm, lengths, [[share(one, measurement, length) for one in runs] for length in lengths], bounded=True)


def letter_curve(arm: str, runs: Sequence[Found], measurement: str) -> Curve:
    """Letter accuracy by length, teacher-forced, as `accuracy_curve`."""
    numbers = runs[0].values[measurement]
    values = [[one.values[measurement]["letters"][i] for one in runs] for i in range(len(numbers["lengths"]))]
    return curve(arm, numbers["lengths"], values, bounded=True)


def curve(
    arm: str, x: Iterable[SupportsFloat], values: Sequence[Sequence[SupportsFloat]], bounded: bool = False
) -> Curve:
    """A curve of means over trainings."""
    numbers = [[float(value) for value in each] for each in values]
    ends = [mean_interval(each) for each in numbers]
    if bounded:
        ends = [None if end is None else (max(0.0, end[0]), min(1.0, end[1])) for end in ends]
    return Curve(
        arm,
        tuple(map(float, x)),
        tuple(fmean(each) if each else None for each in numbers),
        tuple(None if end is None else end[0] for end in ends),
        tuple(None if end is None else end[1] for end in ends),
        tuple(len(each) for each in numbers),
    )


def by_arm(found: Iterable[Found]) -> dict[str, list[Found]]:
    """Runs of each arm, in the order in which arms come, by seed."""
    arms: dict[str, list[Found]] = {}
    for one in found:
        arms.setdefault(one.plan.arm, []).append(one)
    return {arm: sorted(runs, key=lambda one: one.plan.seed) for arm, runs in arms.items()}


def is_recurrent(found: Found) -> bool:
    """Whether its model is of the paper's generalised state-space models."""
    return found.plan.model["kind"] not in ("transformer", "hybrid", "planted")


def needed(found: Found, metric: str = "string_accuracy", target: float = LEARNED) -> Needed:
    """Between how many examples a training got to a target accuracy at the last of its evaluated lengths."""
    log: Any = found.values["training"]
    before = 0
    for examples, accuracies in zip(log["evaluated_at"], log[metric], strict=True):
        if accuracies[-1] >= target:
            return Needed(float(before), float(examples))
        before = examples
    return Needed(float(before), math.inf)


def middle(runs: Sequence[Needed]) -> float:
    """The median of the examples needed; infinite where half or more never got there."""
    ordered = sorted(run.most for run in runs)
    return ordered[len(ordered) // 2]


def fastest(kinds: Mapping[str, Sequence[Needed]]) -> str:
    """The kind of model that needs fewest examples: by the median, and where that is never by how many got there.

    Then by the mean logarithm of what they needed at least. A model of which none got there does not stand for one of
    which some did.
    """

    def order(kind: str) -> tuple[float, float, float]:
        each = kinds[kind]
        least = fmean(math.log(max(1.0, one.least if one.censored else one.most)) for one in each)
        return middle(each), fmean(one.censored for one in each), least

    return min(kinds, key=order)


def learned(found: Found, measurement: str = "accuracy") -> bool:
    """Whether a run copies enough of the longest strings that it was trained on."""
    training = found.plan.training
    return training is not None and share(found, measurement, training.lengths[1]) >= LEARNED
