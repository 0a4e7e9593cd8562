"""Presets: small copiers whose recipes were found by measuring, trained once and kept.

Each is one function; the numbers of its docstring are measured. All of them copy strings over a-z of up to 30 letters,
with two attention-only layers of 8 heads, and all are evaluated on plain strings of the paper's task.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from filelock import FileLock

from interp.errors import InterpError, unknown
from interp.models import build
from interp.tasks.copy import CopyTask
from interp.training.config import TrainConfig
from interp.training.loop import train
from interp.training.runs import CONFIG, digest, recipe

if TYPE_CHECKING:
    from interp.models.transformer import TransformerConfig

Preset = tuple["TransformerConfig", CopyTask, TrainConfig]


def hard_alibi() -> Preset:
    """Windows of 2 to 6 positions and three unlimited heads in every layer."""
    from interp.models.transformer import TransformerConfig

    model = TransformerConfig(position="hard-alibi", windows=(2, 3, 4, 5, 6, None, None, None))
    training = TrainConfig(steps=350, length=(20, 30), learning_rate=8e-3, hard_letters=4, hard_from=100)
    return model, CopyTask(), training


def rope() -> Preset:
    """Rotary positions."""
    return _with_position("rope")


def nope() -> Preset:
    """No positions but the causal mask's."""
    return _with_position("nope")


def alibi() -> Preset:
    """A bias that grows with distance, slopes 1/2 to 1/256."""
    return _with_position("alibi")


def _with_position(position: str) -> Preset:
    """Lengths are mixed from short ones on: strings of one length would be copied by looking a fixed distance back."""
    from interp.models.transformer import TransformerConfig

    training = TrainConfig(steps=500, length=(5, 30), learning_rate=8e-3, hard_letters=4, hard_from=200)
    return TransformerConfig(position=position), CopyTask(), training


PRESETS: dict[str, Callable[[], Preset]] = {"hard-alibi": hard_alibi, "rope": rope, "nope": nope, "alibi": alibi}


def preset(name: str) -> Preset:
    """The model, task and training of a preset. Raises: UserError for an unknown name."""
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
    return PRESETS[name]()


def trained_preset(
    name: str,
    *,
    device: torch.device | str = "cpu",
    seed: int = 0,
    retrain: bool = False,
    progress: bool = True,
) -> Path:
    """The run folder of a preset, trained now unless it is kept from before.

    Kept under `home()` by name, seed and recipe: a changed recipe is trained anew. An interrupted training goes on.

    Raises: UserError for an unknown name; InterpError if nothing can be kept there; otherwise as `train`.
    """
    config, task, training = preset(name)
    training = replace(training, seed=seed)
    model = build({"kind": "transformer", **vars(config)}, seed=seed).to(device)
    key = digest(recipe(model, task, training))[:12]
    folder = home() / "presets" / f"{name}-seed{seed}-{key}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InterpError(f"no preset can be kept in {home()} ({error.strerror}); set INTERP_HOME.") from error
    with FileLock(folder.with_name(f"{folder.name}.lock")):  # another process may be training it
        if retrain or not folder.exists():
            partial = folder.with_name(f"{folder.name}.partial")
            if retrain:
                shutil.rmtree(partial, ignore_errors=True)
            train(model, task, training, partial, resume=(partial / CONFIG).exists(), progress=progress)
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
    return folder


def home() -> Path:
    """Where trained presets are kept: `$INTERP_HOME`, or `interp` in the user's cache folder."""
    if named := os.environ.get("INTERP_HOME"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "interp"
