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

    >>> config = interp.TrainConfig(steps=2, batch=4, length=4, evaluate_lengths=(4,), evaluate_strings=8)
    >>> model = interp.HookedTransformer(interp.TransformerConfig(n_layers=1, n_heads=2, d_model=16), seed=0)
    >>> log = interp.train(model, interp.CopyTask(), config, "runs/a-0", progress=False)
    >>> curves = interp.learning_curves(["runs/a-0"])
    >>> curves.groups, curves.needed(0.9)["runs/a-0"][0].censored
    (('runs/a-0',), True)

    Args:
        folders: of the runs.
        length: of the strings, one at which all were evaluated; None: the longest such length.

    Raises: UserError for a folder that is not a run folder, a run twice, or runs without a common length.
    """
    recipes = [read_run_config(folder) for folder in folders]
    logs = [
        train_log(read_records(Path(folder) / LOG), TrainConfig.from_dict(described["training"]))
        for folder, described in zip(folders, recipes, strict=True)
    ]
    return curves_of([str(folder) for folder in folders], recipes, logs, length)
