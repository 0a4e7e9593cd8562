"""Is the limit of a recurrent model its capacity, or its training? How what it copies grows with its state."""

from collections.abc import Sequence
from itertools import pairwise
from math import log, log2
from statistics import fmean
from typing import Any

from scipy.stats import linregress
from scipy.stats import t as student

from interp.base.estimates import LEVEL
from interp.experiments.claim import Claim, Holds, Judged, Plot, nothing
from interp.experiments.grid import Arm, Grid
from interp.experiments.kept import Found
from interp.experiments.paper.curves import by_arm, curve, share
from interp.experiments.paper.models import rates_of
from interp.experiments.plan import Measurement, RunPlan
from interp.training.recipe import TrainConfig

STATES = {"tiny": (1, 2, 3), "laptop": (1, 2, 4, 8), "paper": (8, 16, 32, 64)}
"""Numbers of state of each channel."""
LONGEST = {"tiny": 4, "laptop": 20, "paper": 300}
STEPS = {"tiny": 4, "laptop": 1500, "paper": 50_000}
FAILS = 0.1
"""Share of strings that fail at the length that is looked for."""
SLACK = 0.25
"""An exponent of so little either way counts as none."""


def recipe(size: str) -> TrainConfig:
    """Strings of one letter on, longer than can be copied."""
    every = max(1, STEPS[size] // 2)
    return TrainConfig(
        steps=STEPS[size],
        batch=8 if size == "tiny" else 64,
        length=(1, LONGEST[size]),
        evaluate_lengths=(LONGEST[size],),
        evaluate_every=every,
        checkpoint_every=every,
        evaluate_strings=20,
    )


def plans(size: str, seeds: Sequence[int]) -> tuple[RunPlan, ...]:
    """Mambas with a convolution of width 1, so that no window of tokens counts."""
    wide, layers = {"tiny": (8, 1), "laptop": (48, 2), "paper": (1024, 12)}[size]
    shared = {"kind": "mamba", "d_vocab": 30, "d_model": wide, "n_layers": layers, "d_conv": 1}
    rates = (5e-4,) if size == "paper" else rates_of("mamba", size)
    family = tuple(
        Arm(f"d_state {n}", {**shared, "d_state": n, "initialization": "mimetic"}, rates, True) for n in STATES[size]
    )
    most = LONGEST[size]
    lengths = tuple(range(1, most + 1)) if most <= 30 else tuple(range(10, most + 1, 10))
    measures = (
        Measurement("accuracy", lengths=lengths, strings=20 if size == "tiny" else 200),
        Measurement("state", lengths=(most,)),
    )
    return Grid("capacity", family, "copy", recipe(size), tuple(seeds), measures).plans()


def copied(found: Found) -> float | None:
    """L*: the length at which a tenth of the strings fail, between two measured ones; None outside them."""
    lengths = found.values["accuracy"]["lengths"]
    shares = [share(found, "accuracy", length) for length in lengths]
    measured = zip(lengths, shares, strict=True)
    for (a, one), (b, other) in pairwise(measured):
        if one >= 1 - FAILS > other:
            return float(a + (b - a) * (one - (1 - FAILS)) / (one - other))
    return None


def rho(found: Found) -> tuple[float, float] | None:
    """Letters that the state would hold, L_max = bits / log2 D, and which share of it is copied; None without L*."""
    reached = copied(found)
    if reached is None:
        return None
    holds = found.values["state"]["bits"][0] / log2(26)
    return holds, reached / holds


def judge(found: Sequence[Found], size: str) -> Judged:
    """Fit rho as a power of the state's size over all trainings.

    A size of which a training has its L* outside the measured lengths is left out as a whole: what is left would be the
    better or the worse ones alone.
    """
    told = {arm: [rho(one) for one in runs] for arm, runs in by_arm(found).items()}
    points = [point for each in told.values() if None not in each for point in each if point is not None]
    plots, notes = _plots(found), tuple(_note(one) for one in found)
    if len({x for x, _ in points}) < 3:
        sizes = sum(None not in each for each in told.values())
        why = f"of {len(told)} sizes {sizes} show in every training the length at which a tenth of strings fail"
        return Judged(**{**vars(nothing(why)), "plots": plots, "notes": notes})
    line: Any = linregress([log(x) for x, _ in points], [log(y) for _, y in points])
    half = float(student.ppf((1 + LEVEL) / 2, len(points) - 2) * line.stderr)
    ends = (float(line.slope) - half, float(line.slope) + half)
    flat = ends[0] > -SLACK and ends[1] < SLACK
    holds: Holds = "yes" if flat else "no" if ends[1] < 0 else "unsure"
    del size
    return Judged(
        holds=holds,
        quantity="exponent of rho = L* / L_max as a power of the state's size",
        measured=float(line.slope),
        interval=ends,
        says=f"Over {len(points)} trainings rho goes with the state's size to the power {line.slope:.2f} "
        f"[{ends[0]:.2f}, {ends[1]:.2f}]; it is {fmean(y for _, y in points):.1e} in the mean.",
        plots=plots,
        notes=notes,
    )


def _note(found: Found) -> str:
    reached = copied(found)
    length = "none within the measured lengths" if reached is None else f"{reached:.1f} letters"
    return f"{found.plan.arm}, seed {found.plan.seed}: L* {length}"


def _plots(found: Sequence[Found]) -> tuple[Plot, ...]:
    sizes = sorted({one.values["state"]["bits"][0] for one in found})
    values = [[r[1] for one in found if one.values["state"]["bits"][0] == bits and (r := rho(one))] for bits in sizes]
    lengths = [[x for one in found if one.values["state"]["bits"][0] == bits and (x := copied(one))] for bits in sizes]
    bits = [b / log2(26) for b in sizes]
    return (
        Plot("rho", "Share of its state that a model uses", "letters that the state would hold", "rho",
             (curve("mamba, d_conv 1", bits, values),), log_x=True, log_y=True),
        Plot("copied", "Letters at which a tenth of strings fail", "letters that the state would hold", "letters",
             (curve("mamba, d_conv 1", bits, lengths),), log_x=True, log_y=True),
    )  # fmt: skip


CLAIM = Claim(
    id="capacity",
    title="Capacity or training",
    where="Section 2.3, and its critics",
    statement="State-space models fail because their state is of fixed size: what they copy should grow in "
    "proportion to it.",
    rule="rho = L* / L_max over models of several state sizes, L* the length at which a tenth of strings fail and "
    "L_max the state's bits over log2 D, without a window of tokens: yes if the exponent of rho as a power of the "
    "size lies within 0.25 of 0 with its whole 95 % interval (Student's t over trainings; constant says capacity), "
    "otherwise no if it lies below 0 (falling says training). Of three sizes at least; one with a training whose L* "
    "lies outside the measured lengths is left out.",
    plans=plans,
    judge=judge,
    means={
        "yes": "What is copied grows as the state does: the limit is capacity.",
        "no": "This contradicts the paper's reading by capacity: larger states are used less; training is the limit.",
    },
)
