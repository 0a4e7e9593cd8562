"""`learning_curves`: the logs of several run folders as one result; no weights are read."""

from collections.abc import Sequence
from pathlib import Path

from interp.base.calls import checked_call
from interp.results.curves import LearningCurves, curves_of
from interp.training.log import read_records, train_log
from interp.training.recipe import TrainConfig
from interp.training.run_folder import LOG, read_run_config


@checked_call
def learning_curves(folders: Sequence[str | Path], length: int | None = None) -> LearningCurves:
    """Read the curves of some trainings, finished or not. Those that differ in the seed alone are a group.

    >>> curves = learning_curves(["runs/a-0", "runs/a-1", "runs/b-0", "runs/b-1"])
    >>> curves.needed(0.9)["learning_rate=0.004"][0].censored
    False

    Args:
        folders: of the runs.
        length: of the strings, one at which all were evaluated; None: the longest such length.

    Raises: UserError for a folder that is no run, a run twice, or runs without a common length.
    """
    recipes = [read_run_config(folder) for folder in folders]
    logs = [
        train_log(read_records(Path(folder) / LOG), TrainConfig.from_dict(described["training"]))
        for folder, described in zip(folders, recipes, strict=True)
    ]
    return curves_of([str(folder) for folder in folders], recipes, logs, length)
