"""What follows a training besides its `log.jsonl`: TensorBoard, Weights & Biases, any tracker of accelerate's.

A tracker gets the recipe as hyperparameters, then every number of every record under one name each, over the examples
seen.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from accelerate.tracking import GeneralTracker, TensorBoardTracker, WandBTracker

from interp.base.calls import checked_call
from interp.base.errors import InterpError, UserError, shown, unknown
from interp.training.log import Record

PROJECT = "interp"


@checked_call
def make_tracker(kind: str, folder: str | Path, name: str | None = None, group: str | None = None) -> GeneralTracker:
    """Make a tracker for `train`; nothing is written, and nobody called, before the training begins.

    Args:
        kind: `tensorboard` or `wandb`.
        folder: it writes into a folder of its kind's name below this one.
        name: what this run is called there; the folder's own name if None.
        group: what it shares with the runs that it belongs to, such as seeds of one model.

    Raises: UserError for an unknown kind, one whose library is not installed, a name that cannot be part of a path, or
        Weights & Biases without a login.

    >>> train(model, task, recipe, "runs/mine", trackers=[make_tracker("tensorboard", "runs/mine", group="mine")])
    """
    if kind not in _KINDS:
        raise unknown("tracker", kind, _KINDS)
    name = Path(folder).resolve().name if name is None else name
    for part, value in (("name", name), ("group", group)):
        if value is not None and (not value or value in (".", "..") or "/" in value):
            raise UserError(f"a run's {part} must be a name without slashes; got {shown(value)}.")
    return _KINDS[kind](Path(folder) / kind, name, group)


def hyperparameters(recipe: Mapping[str, Any]) -> dict[str, int | float | str | bool]:
    """Flatten a recipe (see `run_folder`) for trackers: a training's fields, `model.kind`, `task.alphabet`, ..."""
    flat = _flat({**recipe["training"], **{name: recipe[name] for name in ("model", "task") if name in recipe}})
    return {name: value if isinstance(value, int | float | str) else json.dumps(value) for name, value in flat}


def numbers(record: Record) -> dict[str, float]:
    """The numbers of a record under one name each: `string_accuracy/30`."""
    return {name: value for name, value in _flat(record, "/") if name not in ("step", "examples")}


class _WeightsAndBiases(WandBTracker):
    """accelerate's, whose failure to start is a sentence."""

    def start(self) -> None:
        from wandb.errors import Error

        Path(self.init_kwargs["dir"]).mkdir(parents=True, exist_ok=True)
        try:
            super().start()
        except Error as error:
            told = str(error).partition("\n")[0].rstrip(".")
            raise InterpError(
                f"Weights & Biases must be able to start a run; got an error ({told}). Set WANDB_MODE=offline to "
                "keep the run on this machine."
            ) from error


def _tensorboard(folder: Path, name: str, group: str | None) -> GeneralTracker:
    """Event files; a group is a folder of runs, as TensorBoard shows them."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise _missing("tensorboard") from error
    return TensorBoardTracker(f"{group}/{name}" if group else name, folder)


def _wandb(folder: Path, name: str, group: str | None) -> GeneralTracker:
    """A run of the project `interp`, on this machine alone if `WANDB_MODE` says so."""
    try:
        import wandb
        from wandb.errors import Error
    except ImportError as error:
        raise _missing("wandb") from error
    try:
        mode = os.environ.get("WANDB_MODE") or wandb.setup().settings.mode
        ready = mode in ("offline", "disabled", "dryrun") or wandb.login(prompt=False, verify=False)
    except Error as error:
        raise UserError(
            f"Weights & Biases must be logged in; got {str(error).rstrip('.')}. Run `wandb login`."
        ) from error
    if not ready:
        raise UserError(
            "Weights & Biases must be logged in; got no key. Run `wandb login`, or set WANDB_MODE=offline to keep the "
            "run on this machine."
        )
    return _WeightsAndBiases(PROJECT, name=name, group=group, dir=str(folder))


_KINDS: dict[str, Callable[[Path, str, str | None], GeneralTracker]] = {"tensorboard": _tensorboard, "wandb": _wandb}


def _missing(package: str) -> UserError:
    return UserError(
        f"the package {package} must be installed for this tracker; got no such package. Run pip install {package}."
    )


def _flat(nested: Mapping[str, Any], between: str = ".") -> Iterator[tuple[str, Any]]:
    """The values of dictionaries in dictionaries, by the names that lead to them."""
    for name, value in nested.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}{between}{inner}", deep) for inner, deep in _flat(value, between))
        else:
            yield name, value
