"""Models that are trained once and kept: by name and recipe, under one folder of the user's."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import nn
from tqdm.auto import tqdm

from interp.base.calls import checked_call
from interp.base.errors import InterpError
from interp.base.paths import expanded
from interp.models import build
from interp.tasks.base import Task
from interp.training.loop import train
from interp.training.recipe import TrainConfig
from interp.training.run_folder import CONFIG, digest, recipe


@checked_call
def kept_run(
    place: str,
    config: dict[str, Any],
    task: Task,
    training: TrainConfig,
    *,
    device: torch.device | str = "cpu",
    retrain: bool = False,
    progress: bool = True,
    read: Callable[[Path], Any] | None = None,
    announces: str = "",
) -> Any:
    """The run folder of a recipe, trained now unless it is kept from before.

    Kept under `home()` by `place` (a path below it), seed and recipe: a changed recipe is trained anew. An interrupted
    training continues. The model's first weights have the seed of the training.

    Args:
        config: the model's, as `interp.models.build` takes it.
        read: reads the folder, while no other process can train in it; what it returns is returned in place of the
            folder's path.
        announces: what is said, where progress is shown, before a training begins.

    Raises: InterpError if nothing can be kept there; otherwise as `train`.
    """
    model = build(config, seed=training.seed).to(device)
    folder = kept_folder(place, model, task, training)
    with _lock(folder):
        if retrain or not (folder / CONFIG).is_file():
            partial = folder.with_name(f"{folder.name}.partial")
            if retrain:
                _remove(partial)
            if progress and announces:
                tqdm.write(announces, file=sys.stderr)
            train(model, task, training, partial, resume=(partial / CONFIG).exists(), progress=progress)
            aside = folder.with_name(f"{folder.name}.old")
            _remove(aside)
            if folder.exists():  # never removed before the new one stands: a kill leaves one of the two whole
                folder.rename(aside)
            partial.rename(folder)
            _remove(aside)
        return folder if read is None else read(folder)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Wait for others that train or read there. Where nothing can be written, what is kept whole is read without."""
    lock = FileLock(folder.with_name(f"{folder.name}.lock"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        if not (folder / CONFIG).is_file():
            raise InterpError(
                f"{home()} must be writable to keep models there; got an error ({error.strerror}). Set "
                "INTERP_HOME to another folder."
            ) from error
    try:
        yield
    finally:
        lock.release()


def _remove(folder: Path) -> None:
    """Remove a folder; a kill meanwhile leaves nothing that looks like a run."""
    (folder / CONFIG).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def kept_folder(place: str, model: nn.Module, task: Task, training: TrainConfig) -> Path:
    """Where the run of this recipe is kept, whether it is there or not."""
    key = digest(recipe(model, task, training))[:12]
    return home() / f"{place}-seed{training.seed}-{key}"


def home() -> Path:
    """Where trained models are kept: `$INTERP_HOME`, or `interp` in the user's cache folder."""
    if named := os.environ.get("INTERP_HOME"):
        return expanded(named, "INTERP_HOME")
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "XDG_CACHE_HOME") / "interp"
