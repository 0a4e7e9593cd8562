"""`sweep`: one model trained at several learning rates and from several seeds, by any executor; run folders stay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from interp.base.calls import checked_call
from interp.base.errors import DivergedError, InterpError
from interp.experiments.engine import OnEvent, unheard
from interp.experiments.executor import Executor, Serial
from interp.experiments.executor.base import Ended
from interp.experiments.grid import Arm, Grid
from interp.experiments.kept import Found
from interp.experiments.plan import RunPlan
from interp.models import build
from interp.tasks import task_from_spec
from interp.training.kept_runs import kept_run
from interp.training.recipe import TrainConfig

PLACE = "sweeps"
"""Where run folders lie, below `interp.training.kept_runs.home`."""


@dataclass(frozen=True)
class Swept:
    """What became of a sweep."""

    folders: tuple[Path, ...]
    """Run folders of the trainings that ended, rate by rate, seed by seed: for `learning_curves`, `load`, any study."""
    failed: Mapping[str, str]
    """Trainings that failed, by name, and why."""


@dataclass(frozen=True)
class _Train:
    """A plan's training, kept; travels to other processes."""

    device: str

    def __call__(self, plan: RunPlan) -> Found:
        assert plan.training is not None  # a sweep's plans are trainings
        place = f"{PLACE}/{plan.arm}-rate{plan.rate:g}"
        try:
            folder = kept_run(
                place, dict(plan.model), plan.make_task(), plan.training, device=self.device, progress=False
            )
        except (DivergedError, InterpError, OSError, MemoryError) as error:
            return Found(plan.digest, plan, failed=str(error) or type(error).__name__, lasting=False)
        return Found(plan.digest, plan, {"folder": str(folder)})


@checked_call
def sweep(
    model: dict[str, Any],
    task: str,
    recipe: TrainConfig,
    rates: Sequence[float],
    seeds: Sequence[int],
    executor: Executor | None = None,
    device: str = "cpu",
    on_event: OnEvent = unheard,
) -> Swept:
    """Train a model at every learning rate from every seed; what is kept is not trained again.

    >>> recipe = interp.TrainConfig(steps=2, batch=4, length=4, evaluate_lengths=(4,), evaluate_strings=8)
    >>> shape = {"kind": "transformer", "n_layers": 1, "n_heads": 2, "d_model": 16}
    >>> swept = sweep(shape, "copy", recipe, rates=(1e-3, 1e-2), seeds=(0, 1))
    >>> interp.learning_curves(swept.folders).groups
    ('learning_rate=0.001', 'learning_rate=0.01')

    Args:
        model: kind and fields, as `interp.models.build` takes them; `d_vocab` is the task's if it is not there.
        task: what it is trained on: copy, 'ngram?n=2', ...
        recipe: all of it but rate and seed.
        rates: learning rates.
        seeds: of weights and strings.
        executor: who carries the trainings out, as `Processes(2)` of `interp.experiments.executor`; None: one after the
            other, here. On Ray, folders lie on the machine of each worker.
        device: where each is trained.
        on_event: told as each begins and ends.

    Raises: UserError for no rate or no seed, or a model, task or recipe that cannot be; KeyboardInterrupt after Ctrl-C:
        what has ended is kept, and what was under way goes on the next time.
    """
    model = {"d_vocab": task_from_spec(task).vocabulary.size, **model}
    with torch.device("meta"):
        build(model)  # what cannot be is refused before anything is trained
    arm = Arm(str(model["kind"]), model, rates=tuple(rates))
    plans = Grid(PLACE, (arm,), task, recipe, tuple(seeds)).plans()
    found: dict[str, Found] = {}
    for event in (executor or Serial()).run(plans, _Train(device)):
        if isinstance(event, Ended):
            found[event.found.digest] = event.found
        on_event(event)
    ended = [found[plan.digest] for plan in plans]
    return Swept(
        tuple(Path(one.values["folder"]) for one in ended if one.failed is None),
        {one.plan.name: one.failed for one in ended if one.failed is not None},
    )
