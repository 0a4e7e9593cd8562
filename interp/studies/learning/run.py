"""What a training left behind, looked at once more: accuracy by length, and the heads after each step that it kept."""

from pathlib import Path
from typing import cast

from torch import nn

from interp.base.bounds import check_bounds
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.provenance import provenance
from interp.base.seeds import own_generator
from interp.loading import Loaded, as_loaded, of_run
from interp.models.heads import HeadTable
from interp.results.accuracy import LengthAccuracy
from interp.studies.learning.result import KeptStep, LearningStudy
from interp.studies.learning.settings import LearningSettings
from interp.studies.learning.verdict import learning_verdict
from interp.studies.scoring import find_heads, longest_string
from interp.studies.study import OnStep, silent
from interp.training.evaluate import accuracy_by_length
from interp.training.run_folder import kept_steps, load_run


@checked_call
def learning_study(
    loaded: Loaded | str | Path, seed: int = 0, settings: LearningSettings | None = None, on_step: OnStep = silent
) -> LearningStudy:
    """Ask how a model learnt what it can do.

    >>> study = learning_study("runs/mine")
    >>> study.training.examples_to(0.5)
    (6400.0, 9600.0)

    Args:
        loaded: what `interp.load` returns of a run folder or a preset, or its specification.
        seed: of all strings and of the untrained models that heads are held against.
        settings: how much is measured.
        on_step: told what is being done.

    Raises: UserError for a model without a training log.
    """
    settings = settings or LearningSettings()
    check_bounds(settings)
    loaded = as_loaded(loaded, seed)
    log = loaded.training
    if log is None or loaded.folder is None or not len(log.evaluated_at):
        spec = loaded.description.get("spec", "a model")
        raise UserError(
            f"a model must have been trained here, with a log of an evaluation at least; got {spec}. Name a run folder "
            "or a preset."
        )
    on_step("accuracy by length")
    accuracy = _accuracy(loaded, seed, settings)
    kept, notes = _kept(loaded, loaded.folder, seed, settings, on_step)
    return LearningStudy(
        verdict=learning_verdict(log, accuracy, kept, settings.share, notes),
        provenance=provenance(str(loaded.model.cfg.device), seed, loaded.model),
        model=loaded.description,
        training=log,
        accuracy_by_length=accuracy,
        kept=kept,
        notes=notes,
    )


def _accuracy(loaded: Loaded, seed: int, settings: LearningSettings) -> LengthAccuracy:
    task = loaded.task
    return accuracy_by_length(
        cast("nn.Module", loaded.model),
        task,
        settings.lengths or _lengths(loaded),
        settings.strings,
        own_generator("accuracy", seed),
        trained=loaded.trained_lengths,
        ideal=settings.ideal if task.lays_out_letters and task.uniform_letters else (),
    )


def _lengths(loaded: Loaded) -> tuple[int, ...]:
    """Trained lengths and, where strings can be of any length, up to three times the longest."""
    low, high = loaded.trained_lengths or (30, 30)
    inside = {low, (low + high) // 2, high}
    if not loaded.task.lays_out_letters:
        return tuple(sorted(inside))
    most = longest_string(loaded.model, loaded.task)
    further = {high * 4 // 3, high * 2, high * 3}
    return tuple(sorted(inside | {length for length in further if most is None or length <= most}))


def _kept(
    loaded: Loaded, folder: Path, seed: int, settings: LearningSettings, on_step: OnStep
) -> tuple[tuple[KeptStep, ...], tuple[str, ...]]:
    """The heads at every kept step, and at the end; and why there are none, if there are none."""
    steps, last = kept_steps(folder), load_run(folder)
    if not steps:
        return (), ("no weights were kept along the way, so how heads formed cannot be seen (train with --keep)",)
    if not (loaded.task.lays_out_letters and loaded.task.uniform_letters and len(HeadTable.of(loaded.model))):
        return (), ("heads are found on copies of uniform letters, which this model cannot be asked",)
    device = loaded.model.cfg.device or "cpu"
    runs = [load_run(folder, device, step) for step in steps if step < last.stamp.step]
    found = []
    for run in [*runs, load_run(folder, device)]:
        on_step(f"heads after step {run.stamp.step:,}")
        asked = of_run(run, f"{folder}@{run.stamp.step}")
        found.append(KeptStep(run.stamp.step, run.stamp.examples, find_heads(asked, seed, settings.heads)))
    return tuple(found), ()
