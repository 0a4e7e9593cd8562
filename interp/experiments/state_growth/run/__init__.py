"""Does the saturation length grow with the state? A family of models that differ in its size, each trained as well.

Saturation must not be confused with a failure to generalise in length: all are trained on lengths beyond where they
stop, on equally many strings, each at the learning rate that serves it best, and measured within these lengths.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch

from interp.base.bounds import check_bounds
from interp.base.errors import UserError, shown
from interp.base.provenance import provenance
from interp.experiments.executor import Executor, Serial
from interp.experiments.grid import Grid
from interp.experiments.state_growth.result import Member, StateGrowth
from interp.experiments.state_growth.run.exponents import exponents
from interp.experiments.state_growth.run.trainings import Trainings, family
from interp.experiments.state_growth.settings import GrowthSettings
from interp.experiments.state_growth.verdict import growth_verdict
from interp.loading import of_run
from interp.measure.state.bits import used_bits
from interp.measure.state.knee import knee
from interp.models import build
from interp.models.heads import HeadTable
from interp.models.recurrent.family import kinds
from interp.models.recurrent.hybrid import HookedHybrid
from interp.models.recurrent.model import RecurrentModel
from interp.results.attention import AttentionView
from interp.studies.attention.run import view_attention
from interp.studies.study import UNDECIDED, OnStep, silent
from interp.tasks.copy import CopyTask
from interp.tasks.registry import task_spec
from interp.training.presets import PRESETS
from interp.training.recipe import TrainConfig
from interp.training.run_folder import Run


def growth_study(
    settings: GrowthSettings | None = None,
    *,
    device: torch.device | str = "cpu",
    seed: int = 0,
    retrain: bool = False,
    progress: bool = True,
    on_step: OnStep = silent,
    executor: Executor | None = None,
) -> StateGrowth:
    """Train the family (what is kept from before is taken), and measure the bits that each member uses, by length.

    Args:
        settings: see `GrowthSettings`.
        device: where they are trained and measured.
        seed: of weights, strings and bootstrap.
        retrain: train them anew.
        progress: show a bar for each training.
        on_step: told what is being done.
        executor: who trains; None: one training after the other, in this process.

    Raises: UserError for a kind without a state, a field that it does not have, or fewer than two values.
    """
    settings = settings or GrowthSettings()
    _check(settings)
    values, members, best = sorted(set(settings.values)), [], []
    trainings = Trainings(device, seed, retrain, progress, executor or Serial())
    trained = trainings.run(_grid(settings, values, seed), on_step)
    for value, runs in zip(values, trained.values(), strict=True):
        on_step(f"bits of {settings.kind} with {settings.vary} {value}")
        best.append(max(runs, key=_letters_right))
        members.append(_member(settings, value, runs, best[-1], seed))
    on_step("where the smallest and the largest look")
    (exponent, interval), (bare, bare_interval), (bits_exponent, bits_interval) = exponents(members)
    found = StateGrowth(
        verdict=UNDECIDED,
        provenance=provenance(str(device), seed),
        alphabet=settings.alphabet,
        trained=(1, settings.longest),
        examples=settings.steps * settings.batch,
        lengths=settings.lengths,
        members=tuple(members),
        swept=f"{settings.vary} of {settings.kind}",
        exponent=exponent,
        exponent_interval=interval,
        bare_exponent=bare,
        bare_exponent_interval=bare_interval,
        bits_exponent=bits_exponent,
        bits_exponent_interval=bits_interval,
        notes=_notes(settings, members),
        attention=_views(settings, members, best, seed),
    )
    return replace(found, verdict=growth_verdict(found))


def member_config(settings: GrowthSettings, value: int) -> dict[str, Any]:
    """The config of the member with this value: its kind's preset, except for what is varied and what all share."""
    fields = {**_preset(settings), "d_vocab": settings.alphabet + 4, **settings.others}
    outer, dot, inner = settings.vary.partition(".")
    if not dot:
        return fields | {outer: value}
    within = fields.get(outer)
    return fields | {outer: {**(within if isinstance(within, Mapping) else {}), inner: value}}


def _preset(settings: GrowthSettings) -> dict[str, Any]:
    """The model of the preset of the kind's name; its kind alone where there is none."""
    return PRESETS[settings.kind]()[0] if settings.kind in PRESETS else {"kind": settings.kind}


def recipe(settings: GrowthSettings) -> TrainConfig:
    """How every member is trained, except for learning rate and seed."""
    return TrainConfig(
        steps=settings.steps,
        batch=settings.batch,
        length=(1, settings.longest),
        warmup=min(50, settings.steps),
        evaluate_every=settings.steps,
        evaluate_lengths=settings.lengths,
        checkpoint_every=max(1, settings.steps // 4),
    )


def _check(settings: GrowthSettings) -> None:
    """Refuse before any work what cannot be trained or measured."""
    check_bounds(settings)
    if len(set(settings.values)) < 2:
        raise UserError(f"values must be at least two different sizes; got {shown(settings.values)}.")
    if not settings.rates:
        raise UserError("rates must hold at least one learning rate; got none.")
    if len(settings.lengths) < 3:
        raise UserError(f"longest must be at least 6 letters, for three lengths; got {settings.longest}.")
    if not (settings.kind in kinds() or _is_hybrid(settings)):
        hybrids = [name for name in PRESETS if _is_hybrid(replace(settings, kind=name))]
        raise UserError(
            "kind must be a recurrent family, whose state has a size of its own, or a preset with layers of one; got "
            f"{shown(settings.kind)}. Choose one of {', '.join((*kinds(), *hybrids))}."
        )
    for value in settings.values:
        build(member_config(settings, value))


def _is_hybrid(settings: GrowthSettings) -> bool:
    """Whether attention stands beside the recurrence."""
    return _preset(settings)["kind"] == HookedHybrid.kind


def _views(settings: GrowthSettings, members: list[Member], best: list[Run], seed: int) -> tuple[AttentionView, ...]:
    """Where the smallest and the largest look; of models without heads none."""
    return tuple(
        view_attention(of_run(best[at], f"{settings.kind}, {members[at].name}"), length=settings.longest, seed=seed)
        for at in (0, -1)
        if len(HeadTable.of(best[at].model))
    )


def _grid(settings: GrowthSettings, values: list[int], seed: int) -> Grid:
    """Every member at every rate and seed."""
    members = {f"{settings.vary}-{value}": member_config(settings, value) for value in values}
    return Grid(
        "growth",
        family(settings.kind, members, settings.rates),
        task_spec(CopyTask(settings.alphabet)),
        recipe(settings),
        tuple(range(seed, seed + settings.seeds)),
    )


def _letters_right(run: Run) -> float:
    """Share of letters right at the last evaluation, over all lengths."""
    return float(run.log.letter_accuracy[-1].mean())


def _member(settings: GrowthSettings, value: int, runs: list[Run], best: Run, seed: int) -> Member:
    """Measured on the best of its trainings."""
    model = cast(RecurrentModel, best.model)
    bits = used_bits(model, CopyTask(settings.alphabet), settings.lengths, settings.strings, seed + 1, seed)
    sizes = {name: int(np.prod(shape)) for name, shape in model.state_shapes().items()}
    return Member(
        name=f"{settings.vary} {value}",
        config=json.loads(json.dumps(model.config_dict())),
        state_floats=sum(sizes.values()),
        window_floats=sum(size for name, size in sizes.items() if name.endswith(".window")),
        n_parameters=model.n_parameters,
        rates=tuple(run.config.learning_rate for run in runs),
        seeds=tuple(run.config.seed for run in runs),
        rate_accuracy=tuple(map(_letters_right, runs)),
        rate=best.config.learning_rate,
        used=bits,
        saturation_length=knee(bits),
        most_bits=max(bits.total),
        most_bits_interval=bits.interval[int(np.argmax(bits.total))],
    )


def _notes(settings: GrowthSettings, members: list[Member]) -> tuple[str, ...]:
    spread = ", ".join(f"{m.name}: {min(m.rate_accuracy):.2f} to {max(m.rate_accuracy):.2f}" for m in members)
    notes = (
        f"each member is the best of {len(members[0].rates)} trainings ({settings.seeds} at each of "
        f"{len(settings.rates)} rates) by its letter accuracy; their intervals are over strings, that of the exponent "
        "is over members",
        "numbers of state count all that the recurrent layers carry, convolution windows included",
        f"letter accuracy over the trainings of each: {spread}",
    )
    if _is_hybrid(settings):
        notes += ("what attention layers keep of every letter is not in the numbers of state",)
    unseen = "; ".join(f"{m.name}: {m.saturation_length.note}" for m in members if m.saturation_length.value is None)
    return (*notes, f"no bend within {settings.longest} letters: {unseen}") if unseen else notes
