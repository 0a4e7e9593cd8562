"""Which learning rate each kind of model has: every kind is tried at the same rates, and the best is kept.

The trials copy strings of up to ten letters, from a seed that no claim uses; kept is the rate whose last evaluations
have most letters right. What they said stands in tables (`models.CHOSEN`, `models.AVERAGED`), so that all other runs
are known before any has begun; the page shows the trials, and says where they would choose otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from interp.experiments.claim import Plot
from interp.experiments.grid import Arm, Grid
from interp.experiments.kept import Found
from interp.experiments.paper.curves import curve
from interp.experiments.plan import RunPlan
from interp.experiments.reduce import Kept, best_rate
from interp.training.recipe import TrainConfig

SEED = 100
NAMES = ("rates", "averaged")
"""What the names of trials begin with: one for each recipe that trials are made by."""
LAST = 4
"""Evaluations at the end of a trial whose mean is compared: one alone is noise."""


@dataclass(frozen=True)
class Trials:
    """Trials of learning rates by one recipe, and what they chose."""

    name: str
    """The beginning of the names of their runs, one of `NAMES`."""
    chosen: Mapping[str, float]
    """Learning rate that each kind of model has at the laptop's size."""

    def plans(self, kinds: tuple[Arm, ...], recipe: TrainConfig) -> tuple[RunPlan, ...]:
        """Every kind of model at every one of its rates, once."""
        return Grid(self.name, kinds, "copy", recipe, (SEED,)).plans()

    def split(self, found: Sequence[Found]) -> tuple[list[Found], list[Found]]:
        """These trials, and all other runs."""
        mine = [one for one in found if is_trial(one.plan) and one.plan.name.startswith(f"{self.name}/")]
        return mine, [one for one in found if not is_trial(one.plan)]

    def notes(self, trials: Sequence[Found], trained: Mapping[str, Kept]) -> tuple[str, ...]:
        """The learning rate that each kind of model has, and whether its trials choose it.

        Args:
            trials: these, as far as they are there.
            trained: trainings of each kind of model at the rate that was kept. Of kinds that have none here, the rate
                is the one that they have elsewhere (`chosen`).
        """
        told, tried = [], best(trials)
        for arm, kept in tried.items():
            has = trained[arm].rate if arm in trained else self.chosen[arm]
            other = "" if has == kept.rate else f" (the trials that are there choose {kept.rate:g})"
            edge = ", at the edge of those tried" if kept.inside is False and has == kept.rate else ""
            told.append(f"learning rate of {arm}: {has:g}{other}{edge}")
        return (*told, *(str(kept) for arm, kept in trained.items() if arm not in tried))


def is_trial(plan: RunPlan) -> bool:
    """Whether a run only helps to choose a learning rate: by its seed, which a claim may be given, and its name."""
    return plan.seed == SEED and plan.name.partition("/")[0] in NAMES


def letters(found: Found) -> float:
    """Share of letters that are right in the last evaluations."""
    return fmean(each[-1] for each in found.values["training"]["letter_accuracy"][-LAST:])


def best(found: Sequence[Found]) -> dict[str, Kept]:
    """The rate that the trials choose for each kind of model."""
    return best_rate(found, letters)


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
