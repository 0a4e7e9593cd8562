"""The run folder of a training under way: begun, checkpointed, resumed.

What is in it: see `interp.training.run_folder`.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import cast

from torch import nn
from torch.optim import Optimizer

from interp.base.errors import InterpError, UserError
from interp.base.files import cannot_write, locked_folder
from interp.models.checkpoint import CONFIG, WEIGHTS
from interp.models.hooks.model import HookedModel
from interp.tasks.base import Task
from interp.training.average import RunningAverage
from interp.training.checkpoint import Stamp, load_state, read_tensors, save_state, write_tensors
from interp.training.log import Record, read_records, write_records
from interp.training.recipe import TrainConfig
from interp.training.run_folder import (
    LOG,
    STATE,
    check_recipe,
    differing,
    digest,
    kept_path,
    read_run_config,
    recipe,
    write_run_config,
)


class RunFolder:
    """Where a training is kept, and the recipe that it is bound to."""

    def __init__(self, path: str | Path, model: nn.Module, task: Task, config: TrainConfig) -> None:
        self.path = Path(path)
        self.recipe = recipe(model, task, config)
        self.kept = frozenset(config.keep)
        self._held: ExitStack = ExitStack()

    def take(self) -> None:
        """Keep other trainings out of the folder until `release`.

        Raises: UserError if one is under way there; InterpError if the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._held.enter_context(locked_folder(self.path))
        except BlockingIOError as error:
            raise UserError(
                f"{self.path} must not be in use by another training; got one that is running there. Choose "
                "another folder, or wait."
            ) from error
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def release(self) -> None:
        """Let other trainings into the folder."""
        self._held.close()

    def refuse_if_begun(self) -> None:
        """Raises: UserError if there is a run in the folder already."""
        if (self.path / CONFIG).exists():
            raise UserError(f"{self.path} must not hold a run yet; got one. Resume it, or choose another folder.")

    def begin(self, model: nn.Module, average: RunningAverage) -> None:
        """Make the folder a run that can be resumed from its first step."""
        write_records(self.path / LOG, [])
        self.checkpoint(model, average, step=0, examples=0, finished=False)
        self.keep(model, step=0, examples=0)
        write_run_config(self.path, self.recipe, cast("HookedModel", model).scans())  # so `recipe` has found

    def resume(self, model: nn.Module, optimizer: Optimizer) -> tuple[Stamp, list[Record]]:
        """Put the last checkpoint into model and optimizer; returns where it was written, and the records until there.

        Raises: UserError if there is no run, or one of another recipe; InterpError if a file is damaged.
        """
        described = read_run_config(self.path)
        if options := differing(described, self.recipe):
            raise UserError(
                f"{self.path} must be resumed with its own recipe; got other values of {', '.join(options)}. Use "
                "the options that it began with."
            )
        stamp, tensors = read_tensors(self.path / STATE, "the training's state")
        check_recipe(stamp, described, self.path / STATE)
        load_state(tensors, model, optimizer)
        return stamp, read_records(self.path / LOG, until=stamp.step)

    def complete(self, model: nn.Module, stamp: Stamp) -> None:
        """Write the weights that belong to the state, if a kill has left those of the checkpoint before beside it."""
        try:
            behind = read_tensors(self.path / WEIGHTS, "a model's weights")[0] != stamp
        except InterpError:
            behind = True
        if behind:
            write_tensors(self.path / WEIGHTS, model.state_dict(), stamp)

    def checkpoint(self, model: nn.Module, average: RunningAverage, step: int, examples: int, finished: bool) -> None:
        """Write state, then weights. A kill between the two leaves both whole, the weights one checkpoint behind."""
        stamp = Stamp(digest(self.recipe), step, examples, finished)
        save_state(self.path / STATE, model, average.optimizer, stamp)
        with average.in_place():
            write_tensors(self.path / WEIGHTS, model.state_dict(), stamp)

    def keep(self, model: nn.Module, step: int, examples: int) -> None:
        """Write the weights of this step for good, if the recipe asks for them. A training that is resumed from an
        earlier step writes them again, to the same bits."""
        if step in self.kept:
            path = kept_path(self.path, step)
            path.parent.mkdir(exist_ok=True)
            write_tensors(path, model.state_dict(), Stamp(digest(self.recipe), step, examples, finished=False))
