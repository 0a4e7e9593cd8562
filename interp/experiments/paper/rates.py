"""Which learning rate each kind of model has: every kind is tried at the same rates, and the best is kept.

The trials copy strings of up to ten letters, at a rate that stays, from a seed that no claim uses; kept is the rate
whose last evaluations have most letters right. What they said stands in `CHOSEN`, so that all other runs are known
before any has begun; the page shows the trials, and says where they would choose otherwise.
"""

from collections.abc import Sequence
from statistics import fmean

from interp.experiments.claim import Plot
from interp.experiments.grid import Grid
from interp.experiments.kept import Found
from interp.experiments.paper.critics import convolved
from interp.experiments.paper.curves import curve
from interp.experiments.paper.models import RATES, arms, rates_of
from interp.experiments.plan import RunPlan
from interp.experiments.reduce import Kept, best_rate
from interp.training.recipe import TrainConfig

SEED = 100
LAST = 4
"""Evaluations at the end of a trial whose mean is compared: one alone is noise."""


def recipe(size: str) -> TrainConfig:
    """Half as long as the trainings that follow."""
    return TrainConfig(
        steps=8 if size == "tiny" else 800,
        batch=8 if size == "tiny" else 64,
        length=(1, 3 if size == "tiny" else 10),
        final_fraction=1.0,
        evaluate_every=4 if size == "tiny" else 50,
        evaluate_lengths=(3 if size == "tiny" else 10,),
        evaluate_strings=20 if size == "tiny" else 200,
    )


def trials(size: str) -> tuple[RunPlan, ...]:
    """Every kind of model at every rate, once; none at the paper's size, where every claim tries every rate."""
    if size == "paper":
        return ()
    kinds = (*arms(size, rates=RATES[size]), convolved(size, RATES[size]))
    return Grid("rates", kinds, "copy", recipe(size), (SEED,)).plans()


def is_trial(found: Found) -> bool:
    """Whether a run is one of the trials."""
    return found.plan.seed == SEED and found.plan.name.startswith("rates/")


def letters(found: Found) -> float:
    """Share of letters that are right in the last evaluations."""
    return fmean(each[-1] for each in found.values["training"]["letter_accuracy"][-LAST:])


def best(found: Sequence[Found]) -> dict[str, Kept]:
    """The rate that the trials choose for each kind of model."""
    return best_rate(found, letters)


def notes(found: Sequence[Found], size: str) -> tuple[str, ...]:
    """What the trials of each kind of model say, and whether its other trainings have the rate that they choose."""
    told = []
    for arm, kept in best(found).items():
        (has,) = rates_of(arm, size)
        other = "" if has == kept.rate else f" (the trials that are there choose {kept.rate:g})"
        edge = ", at the edge of those tried" if kept.inside is False and has == kept.rate else ""
        told.append(f"learning rate of {arm}: {has:g}{other}{edge}")
    return tuple(told)


def plots(found: Sequence[Found]) -> tuple[Plot, ...]:
    """Letters right at the end of the trials, by rate."""
    arms_of = {one.plan.arm: by_rate(found, one.plan.arm) for one in found}
    curves = tuple(
        curve(arm, [one.plan.rate for one in each], [[letters(one)] for one in each]) for arm, each in arms_of.items()
    )
    title = "Letters right at the end of the trials of learning rates"
    return (Plot("rates", title, "learning rate", "share of letters", curves, log_x=True),)


def by_rate(found: Sequence[Found], arm: str) -> list[Found]:
    """The trials of a kind of model, by rate."""
    return sorted((one for one in found if one.plan.arm == arm), key=lambda one: one.plan.rate)
