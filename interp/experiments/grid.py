"""`Grid`: plans of every combination of arms, learning rates and seeds, frozen before anything runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from interp.base.errors import UserError
from interp.experiments.plan import Measurement, RunPlan
from interp.training.recipe import TrainConfig


@dataclass(frozen=True)
class Arm:
    """A kind of model of a certain size, and the learning rates that it is tried at."""

    name: str
    """How it is called: mamba, rope, ..."""
    model: Mapping[str, Any]
    """Kind and fields, as `interp.models.build` takes them."""
    rates: tuple[float, ...] = (4e-3,)
    recurrent: bool = False
    """Whether it is of the paper's generalised state-space models: a state of fixed size, and nothing else."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the recipe that this arm alone has otherwise."""


@dataclass(frozen=True)
class Grid:
    """Every arm at every one of its rates and every seed, on one task, by one recipe.

    Raises: UserError for a grid without an arm, a rate or a seed.
    """

    name: str
    """The beginning of the names of its runs."""
    arms: tuple[Arm, ...]
    task: str
    recipe: TrainConfig
    seeds: tuple[int, ...]
    measures: tuple[Measurement, ...] = ()

    def __post_init__(self) -> None:
        if not self.arms or not self.seeds or not all(arm.rates for arm in self.arms):
            raise UserError(
                f"a grid must have an arm, a rate of each arm and a seed; got {len(self.arms)} arms and "
                f"{len(self.seeds)} seeds."
            )

    def plans(self) -> tuple[RunPlan, ...]:
        """One plan for each run, arm by arm, rate by rate, seed by seed."""
        return tuple(
            RunPlan(
                name=f"{self.name}/{arm.name}/rate{rate:g}/seed{seed}",
                arm=arm.name,
                model=arm.model,
                task=self.task,
                training=replace(self.recipe, **arm.training, learning_rate=rate, seed=seed),
                measures=self.measures,
            )
            for arm in self.arms
            for rate in arm.rates
            for seed in self.seeds
        )
