"""The trainings of a family, carried out by the engine of all experiments; their run folders stay."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from interp.base.errors import InterpError
from interp.experiments.engine import carry_out_all
from interp.experiments.executor.base import Executor, Started
from interp.experiments.executor.serial import Serial
from interp.experiments.grid import Arm, Grid
from interp.experiments.kept import Record
from interp.experiments.plan import RunPlan
from interp.experiments.work import Work, default_record
from interp.studies.study import OnStep
from interp.training.kept_runs import kept_run
from interp.training.recipe import TrainConfig
from interp.training.run_folder import Run, load_run

PLACE = "families"
"""Where the run folders lie, below `interp.training.kept_runs.home`."""


@dataclass(frozen=True)
class Trainings:
    """How the members are trained, and by whom."""

    device: torch.device | str
    seed: int
    retrain: bool
    progress: bool
    executor: Executor = field(default_factory=Serial)

    def run(self, grid: Grid, on_step: OnStep) -> dict[str, list[Run]]:
        """Train what is not kept. Returns: the trainings of each arm that ended well, rate by rate, seed by seed.

        Raises: InterpError for an arm whose trainings all failed.
        """
        record, plans = Record(default_record()), grid.plans()
        if self.retrain:
            for plan in plans:
                record.path(plan.digest).unlink(missing_ok=True)
        work = Work(
            device=str(self.device),
            threads=torch.get_num_threads(),
            keep_weights=True,
            retrain=self.retrain,
            place=PLACE,
            progress=self.progress,
        )
        found = carry_out_all(
            plans, self.executor, work, record, lambda e: on_step(e.plan.name) if isinstance(e, Started) else None
        )
        runs: dict[str, list[Run]] = {arm.name: [] for arm in grid.arms}
        for plan in plans:
            if found[plan.digest].failed is None:
                runs[plan.arm].append(self._read(plan, work))
        for arm, ended in runs.items():
            if not ended:
                first = next(found[plan.digest].failed for plan in plans if plan.arm == arm)
                raise InterpError(f"a member must have a training that ends well; got none of {arm} ({first})")
        return runs

    def _read(self, plan: RunPlan, work: Work) -> Run:
        """Its run folder; trained anew if somebody took it away."""
        read: Any = partial(load_run, device=str(self.device))
        recipe = plan.training or TrainConfig()
        return kept_run(
            work.place_of(plan),
            dict(plan.model),
            plan.make_task(),
            recipe,
            device=self.device,
            progress=False,
            read=read,
        )


def family(name: str, members: dict[str, dict[str, Any]], rates: tuple[float, ...]) -> tuple[Arm, ...]:
    """One arm for each member of a family."""
    return tuple(Arm(f"{name}-{member}", config, rates, True) for member, config in members.items())
