"""One plan carried out: its model trained or built, measured, and what was found written down."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from interp.base.errors import DivergedError, InterpError
from interp.base.provenance import versions
from interp.experiments.kept import Found, Record
from interp.experiments.measures import measure
from interp.experiments.plan import RunPlan
from interp.loading import Loaded, load, of_run
from interp.results.training import TrainLog
from interp.training.kept_runs import home, kept_run
from interp.training.recipe import TrainConfig
from interp.training.run_folder import load_run


@dataclass(frozen=True)
class Work:
    """How plans are carried out, wherever: a value that travels to other processes and machines."""

    record: str | None = None
    """Folder of what runs have found; None: `default_record` of the machine that a run is carried out on."""
    device: str = "cpu"
    threads: int = 1
    """Threads of a run: sums of another number of them may differ in their last bits."""
    keep_weights: bool = False
    """Whether the run folder stays when the run has been measured."""
    retrain: bool = False
    """Whether a run folder that is there is trained anew."""
    place: str = "experiments"
    """Where run folders lie, below `interp.training.kept_runs.home`."""
    progress: bool = False

    def __call__(self, plan: RunPlan) -> Found:
        """Carry out a plan, unless the record holds what it found; see `carry_out`."""
        record = Record(self.record or default_record())
        digest = plan.digest
        if (known := record.find(digest)) is not None:
            return known
        with _threads(self.threads):
            found, folder = carry_out(plan, self)
        if found.lasting:
            record.add(found)
        if folder is not None and not self.keep_weights:
            shutil.rmtree(folder, ignore_errors=True)
        return found

    def place_of(self, plan: RunPlan) -> str:
        """Where the run folder of a plan lies, below `interp.training.kept_runs.home`; its digest is added there."""
        return f"{self.place}/{plan.arm}-rate{plan.rate:g}"


def default_record() -> Path:
    """Where what runs have found is kept, if no folder is named: below `$INTERP_HOME`."""
    return home() / "experiments" / "found"


def carry_out(plan: RunPlan, work: Work) -> tuple[Found, Path | None]:
    """Train the model of a plan (a training that was cut short goes on), and measure it.

    Returns: what was found (why it failed, for a loss that is no longer finite or whatever else is refused), and the
        run folder, where there is one.
    """
    digest, ran = plan.digest, {"versions": versions(), "device": work.device, "threads": work.threads}
    start = time.process_time()
    try:
        loaded = _open(plan, work)
        trained = time.process_time()
        values: dict[str, Any] = {"model": _of_model(loaded)}
        if loaded.training is not None and plan.training is not None:
            values["training"] = _of_training(loaded.training, plan.training)
        values |= {what.name: measure(loaded, what) for what in plan.measures}
    except DivergedError as error:
        return Found(digest, plan, failed=str(error), ran=ran), None
    except (InterpError, OSError, MemoryError) as error:
        return Found(digest, plan, failed=str(error) or type(error).__name__, lasting=False, ran=ran), None
    seconds = {"training": trained - start, "measuring": time.process_time() - trained}
    return Found(digest, plan, values, seconds=seconds, ran=ran), loaded.folder


def _open(plan: RunPlan, work: Work) -> Loaded:
    if plan.training is None:
        return load(f"planted:{plan.model['spec']}", device=work.device)
    read = partial(load_run, device=work.device)
    run = kept_run(
        work.place_of(plan),
        dict(plan.model),
        plan.make_task(),
        plan.training,
        device=work.device,
        retrain=work.retrain,
        progress=work.progress,
        read=read,
    )
    return of_run(run, plan.name)


def _of_model(loaded: Loaded) -> dict[str, Any]:
    return {"parameters": sum(weight.numel() for weight in cast(nn.Module, loaded.model).parameters())}


def _of_training(log: TrainLog, recipe: TrainConfig) -> dict[str, Any]:
    """The curves at the evaluations, and where a training that ended at its target did so."""
    return {
        "examples": int(log.examples[-1]),
        "evaluated_at": log.evaluated_at.tolist(),
        "lengths": list(log.lengths),
        "string_accuracy": log.string_accuracy.round(6).tolist(),
        "letter_accuracy": log.letter_accuracy.round(6).tolist(),
        "last_loss": round(float(log.loss[-1]), 6),
        "reached": _reached(log, recipe),
    }


def _reached(log: TrainLog, recipe: TrainConfig) -> bool | None:
    """Whether the target accuracy was reached; None where there is none."""
    if recipe.stop_length is None:
        return None
    at = log.lengths.index(recipe.stop_length)
    return bool(log.string_accuracy[-1, at] >= recipe.stop_accuracy)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
