"""Train each arm's copiers (what is kept is taken), say how far each will copy, then measure how far it does."""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from interp.base.errors import unknown
from interp.base.estimates import proportion_interval
from interp.base.provenance import provenance
from interp.base.seeds import own_generator
from interp.experiments.record.result import RecordResult, Training
from interp.experiments.record.run.arms import ARMS
from interp.experiments.record.run.lookups import Lookups
from interp.experiments.record.settings import RecordSettings
from interp.experiments.record.verdict import record_verdict
from interp.measure.heads.limits import predict_accuracy
from interp.measure.heads.margins import head_margins
from interp.measure.heads.palindrome_cost import PalindromeCost, mirrored
from interp.results.margins import QUANTILES, HeadMargins, Limit
from interp.studies.study import UNDECIDED, OnStep, silent
from interp.tasks.base import Batch, Task
from interp.tasks.reverse import ReverseCopy
from interp.training.evaluate import accuracy_by_length
from interp.training.kept_runs import kept_run
from interp.training.presets.form import Preset
from interp.training.recipe import TrainConfig
from interp.training.run_folder import Run, load_run

FROM_LETTERS = 4096
"""Strings of this many letters, and longer ones, are left at their first error."""
FEWEST_MIRRORED = 2
"""Letters that a head must match for a prediction: a single one is always its own mirror image."""
PALINDROMES = (64, 500)
"""Letters of a string, and strings, that are asked after palindromes."""


@dataclass(frozen=True)
class How:
    """Where copiers are trained, and who is told."""

    device: torch.device | str
    seed: int
    retrain: bool
    progress: bool
    on_step: OnStep


def record_study(
    settings: RecordSettings | None = None,
    *,
    device: torch.device | str = "cpu",
    seed: int = 0,
    retrain: bool = False,
    progress: bool = True,
    on_step: OnStep = silent,
) -> RecordResult:
    """Train the copiers of every arm, and follow each to the length at which it stops.

    Args:
        settings: see `RecordSettings`.
        device: where they are trained and measured.
        seed: of the first training of each arm; the others count on from it. Each copies strings of its own seed, so
            that counts of several trainings together are of different strings.
        retrain: train anew what is kept.
        progress: show a bar for each training.
        on_step: told what is being done.

    Raises: UserError for an arm that does not exist.
    """
    settings = settings or RecordSettings()
    for name in settings.arms:
        if name not in ARMS:
            raise unknown("arm", name, ARMS)
    how, trainings = How(device, seed, retrain, progress, on_step), []
    for name in settings.arms:
        trainings += [_one(settings, name, seed + number, how) for number in range(settings.seeds)]
    _, task, recipe = _preset(settings, settings.arms[0])
    found = RecordResult(
        verdict=UNDECIDED,
        provenance=provenance(str(device), seed),
        arms={name: f"{ARMS[name][0]}; {_trained_on(*_preset(settings, name)[1:])}" for name in settings.arms},
        trained=recipe.lengths,
        examples=recipe.steps * recipe.batch,
        alphabet=task.n_letters,
        trainings=tuple(trainings),
    )
    return replace(found, verdict=record_verdict(found))


def _preset(settings: RecordSettings, name: str) -> Preset:
    """Model, task and recipe of an arm, with the steps and the rate that were asked for."""
    model, task, recipe = ARMS[name][1]()
    asked = {"steps": settings.steps, "learning_rate": settings.learning_rate}
    return model, task, replace(recipe, **{field: value for field, value in asked.items() if value is not None})


def _trained_on(task: Task, recipe: TrainConfig) -> str:
    low, high = recipe.lengths
    letters = f"{high}" if low == high else f"{low} to {high}"
    strings = f"{recipe.steps * recipe.batch:,} strings of {letters} letters of {task.n_letters}"
    return f"{strings}, at a rate of {recipe.learning_rate:g}"


def _one(settings: RecordSettings, name: str, seed: int, how: How) -> Training:
    how.on_step(f"{name}, seed {seed}: training")
    model, task, recipe = _preset(settings, name)
    recipe = replace(recipe, seed=seed)
    began = time.process_time()
    folder = kept_run(
        f"record/{name}", model, task, recipe, device=how.device, retrain=how.retrain, progress=how.progress
    )
    took = time.process_time() - began
    run = load_run(folder, how.device)
    how.on_step(f"{name}, seed {seed}: margins, and what they predict")
    copier: Any = run.model
    lookups = Lookups.of(copier, run.task, how.seed)
    known = settings.margin_lengths if lookups.heads else ()
    margins = [_margins(settings, run, lookups, length, how.seed) for length in known]
    predicted = _predicted(settings, run, lookups, margins, how.seed)
    how.on_step(f"{name}, seed {seed}: copying strings of up to {max(settings.lengths):,} letters")
    rows = [_copies(run, *which, seed) for which in zip(settings.lengths, settings.strings, strict=True)]
    trained_now = took > 1e-2 * recipe.steps  # a step takes at least ten milliseconds; reading what is kept does not
    return Training(
        arm=name,
        seed=seed,
        n_parameters=run.model.n_parameters,
        cpu_seconds=took if trained_now else None,
        lookups=lookups.heads,
        lengths=settings.lengths,
        strings=settings.strings,
        right=tuple(int((errors < 0).sum()) for errors in rows),
        interval=tuple(proportion_interval(int((errors < 0).sum()), len(errors)) for errors in rows),
        first_errors=tuple(tuple(int(error) for error in errors if error >= 0) for errors in rows),
        least_margins=tuple(float(_best_head(each)) for each in margins),
        margin_lengths=known,
        predicted=predicted,
        learning_rate=settings.learning_rate,
    )


def _margins(settings: RecordSettings, run: Run, lookups: Lookups, length: int, seed: int) -> HeadMargins:
    model: Any = run.model
    return head_margins(model, _short(settings, run, length, seed), list(lookups.heads), behind=lookups.behind)


def _short(settings: RecordSettings, run: Run, length: int, seed: int) -> Batch:
    """The strings of a length on which margins are measured."""
    return run.task.sample(settings.margin_strings, length, own_generator("margins", seed)).to(run.model.device)


def _best_head(margins: HeadMargins) -> float:
    """The margin below which one letter in a thousand lies, in the head that has the largest."""
    return float(margins.quantiles(margins.over_best)[:, QUANTILES.index(0.001)].max())


def _predicted(
    settings: RecordSettings, run: Run, lookups: Lookups, margins: list[HeadMargins], seed: int
) -> Limit | None:
    if not margins or lookups.n is None or lookups.n >= min(settings.margin_lengths):
        return None
    palindromes = None
    if isinstance(run.task, ReverseCopy):
        if lookups.n < FEWEST_MIRRORED:
            return None
        model: Any = run.model
        generator = own_generator("palindromes", seed)
        palindromes = PalindromeCost.measure(model, run.task, lookups.n, *PALINDROMES, generator)
        answers = [_short(settings, run, each.length, seed).answer_tokens for each in margins]
        margins = [each.without(mirrored(some, lookups.n)) for each, some in zip(margins, answers, strict=True)]
    return predict_accuracy(margins, lookups.n, run.task.n_letters, settings.lengths, seed, palindromes)


def _copies(run: Run, length: int, strings: int, seed: int) -> np.ndarray:
    """The first wrong letter of each string, -1 where none is."""
    generator = own_generator(f"record {length}", seed)
    stop = length >= FROM_LETTERS
    return accuracy_by_length(run.model, run.task, (length,), strings, generator, stop_at_error=stop).first_error[0]
