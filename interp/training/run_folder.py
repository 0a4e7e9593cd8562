"""Run folders: what a training leaves behind, and the way back from there to a model.

    config.json          schema; model, task, training (what `build`, `task_from_config`, `TrainConfig.from_dict` read);
                         seed; versions of what ran, and by which method each scan did
    model.safetensors    the weights of the last checkpoint
    state.safetensors    weights and optimizer of the last checkpoint, to continue from
    log.jsonl            a record per step and per evaluation
    checkpoints/75.safetensors
                         the weights after step 75, and after every other step that the recipe keeps

A folder is a run as soon as `config.json` is there, which is written last of the four. Every file is whole or absent,
and names the recipe that it belongs to, so that files of two runs are never taken for one.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from interp.base.calls import checked_call
from interp.base.errors import InterpError, UserError, shortened
from interp.base.files import read_json, write_json
from interp.base.paths import is_file
from interp.base.provenance import versions
from interp.models import build
from interp.models.checkpoint import CONFIG, WEIGHTS, load_weights
from interp.models.hooks.model import HookedModel
from interp.results.training import TrainLog
from interp.tasks import task_config, task_from_config
from interp.tasks.base import Task
from interp.training.checkpoint import Stamp, read_tensors
from interp.training.log import read_records, train_log
from interp.training.recipe import TrainConfig

SCHEMA = "interp-run/1"
STATE, LOG, CHECKPOINTS = "state.safetensors", "log.jsonl", "checkpoints"


@dataclass(frozen=True)
class Run:
    """A trained model and all that is known about its training."""

    folder: Path
    model: HookedModel
    task: Task
    config: TrainConfig
    log: TrainLog
    stamp: Stamp
    """How far the training had come when these weights were kept."""


def recipe(model: nn.Module, task: Task, config: TrainConfig) -> dict[str, Any]:
    """What a training is determined by, as JSON values: model, task and training.

    Raises: UserError if the model cannot say what it is built from.
    """
    if not isinstance(model, HookedModel):
        raise UserError(
            f"model must be a HookedModel to be kept in a run folder; got a {type(model).__name__}. Train it "
            "without a folder."
        )
    described = {"model": model.config_dict(), "task": task_config(task), "training": config.to_dict()}
    return json.loads(json.dumps(described))


def digest(described: dict[str, Any]) -> str:
    """Names a recipe: the same for equal recipes, whatever the order of their fields."""
    text = json.dumps({part: described[part] for part in ("model", "task", "training")}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write_run_config(folder: Path, described: dict[str, Any], scans: dict[str, str]) -> Path:
    """Declare the folder a run of a `recipe`, whose model runs these scans."""
    seed = described["training"]["seed"]
    ran = {"seed": seed, "versions": versions(), **({"scans": scans} if scans else {})}
    return write_json(folder / CONFIG, {"schema": SCHEMA, **described, **ran})


def read_run_config(folder: str | Path) -> dict[str, Any]:
    """The content of a run's `config.json`.

    Raises: UserError if the folder is not a run, or a run of another version; InterpError if the file is damaged.
    """
    path = Path(folder) / CONFIG
    if not is_file(path):
        name = shortened(str(folder), 200)
        raise UserError(f"{name} must be a run folder; got one without {CONFIG}. Name the --out of a training.")
    described = read_json(path, "a run's config")
    schema = described.get("schema") if isinstance(described, dict) else None
    if schema != SCHEMA:
        raise UserError(
            f"{path} must be of schema {SCHEMA}; got {schema}, which this version cannot read. Train again, "
            "or use the version that wrote it."
        )
    if missing := {"model", "task", "training"} - set(described):
        raise InterpError(
            f"{path} must have model, task and training; got one without {', '.join(sorted(missing))}. "
            "Restore it, or train again."
        )
    return described


def kept_path(folder: Path, step: int) -> Path:
    """Where the weights after a step are kept."""
    return folder / CHECKPOINTS / f"{step}.safetensors"


@checked_call
def kept_steps(folder: str | Path) -> tuple[int, ...]:
    """Steps whose weights a run folder keeps besides the last ones, in ascending order.

    >>> kept_steps("runs/x")
    (25, 50, 75)

    Raises: UserError if the folder is not a run.
    """
    read_run_config(folder)
    files = (Path(folder) / CHECKPOINTS).glob("*.safetensors")
    return tuple(sorted(int(file.stem) for file in files if file.stem.isascii() and file.stem.isdecimal()))


@checked_call
def load_run(folder: str | Path, device: torch.device | str = "cpu", step: int | None = None) -> Run:
    """Read a run folder, finished or not. Nothing is unpickled.

    Args:
        folder: the run's.
        device: where the model goes.
        step: of a kept checkpoint; None: the last weights. The log ends where the weights were kept.

    Raises: UserError if the folder is not a run, of another version, or without that step, with those that it keeps;
        InterpError if a file is damaged or altered.
    """
    folder = Path(folder)
    described = read_run_config(folder)
    weights = folder / WEIGHTS if step is None else _kept(folder, step)
    stamp, _ = read_tensors(weights, "a model's weights")
    check_recipe(stamp, described, weights)  # before a model of whatever size is built
    model = build(described["model"]).eval()
    load_weights(model, weights)
    config = TrainConfig.from_dict(described["training"])
    log = train_log(read_records(folder / LOG, until=stamp.step), config)
    return Run(folder, model.to(device), task_from_config(described["task"]), config, log, stamp)


def check_kept(run: str | Path, step: int, steps: tuple[int, ...]) -> None:
    """Raises: UserError that lists the steps that a run keeps, for one that it does not."""
    if step not in steps:
        kept = ", ".join(map(str, steps)) or "none, for its recipe has no keep"
        raise UserError(
            f"step must be one of those that {run} keeps ({kept}); got {step}. Name one of them, or none for the "
            "last weights."
        )


def _kept(folder: Path, step: int) -> Path:
    """The file of a kept step. Raises: as `check_kept`."""
    check_kept(folder, step, kept_steps(folder))
    return kept_path(folder, step)


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The options in which two recipes differ, as `part.option`."""
    parts = ("model", "task", "training")
    options = [(part, name) for part in parts for name in {**one[part], **other[part]}]
    return [f"{part}.{name}" for part, name in options if one[part].get(name) != other[part].get(name)]


def check_recipe(stamp: Stamp, described: dict[str, Any], path: Path) -> None:
    """Raises: InterpError if a file belongs to another recipe than the folder's config."""
    if stamp.recipe != digest(described):
        raise InterpError(
            f"{path} must belong to the {CONFIG} beside it; got one of another run. Put the files of one run together."
        )
