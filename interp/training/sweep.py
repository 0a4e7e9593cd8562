"""Train one kind of model under several recipes: a sweep of learning rates, say, or of seeds."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from interp.results.training import TrainLog
from interp.tasks.base import Task
from interp.training.loop import train
from interp.training.recipe import TrainConfig
from interp.training.run_folder import CONFIG


def sweep(
    make_model: Callable[[], nn.Module],
    task: Task,
    configs: Sequence[TrainConfig],
    folder: str | Path | None = None,
    progress: bool = True,
) -> list[TrainLog]:
    """Train a fresh model under each recipe, one after the other; their logs in the same order.

    Args:
        make_model: makes the model, the same each time.
        folder: keeps the runs in `000`, `001`, ... below it. A sweep that was cut short goes on where it stopped.

    Raises: as `train`.
    """
    logs = []
    for number, config in enumerate(configs):
        place = None if folder is None else Path(folder) / f"{number:03}"
        resume = place is not None and (place / CONFIG).exists()
        logs.append(train(make_model(), task, config, place, resume=resume, progress=progress))
    return logs


def learning_rates(config: TrainConfig, rates: Iterable[float]) -> list[TrainConfig]:
    """The recipe once for each peak learning rate."""
    return [replace(config, learning_rate=rate) for rate in rates]
