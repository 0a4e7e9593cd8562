"""Asking a hybrid what its attention adds: memories, outputs, heads, and how small its recurrent state may be."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch

from interp.base.bounds import check_bounds
from interp.base.calls import checked_call
from interp.base.provenance import provenance
from interp.base.seeds import own_generator, spawn
from interp.loading import Loaded, as_loaded
from interp.measure.state.memories import check_hybrid, memory_ablations
from interp.measure.state.outputs import output_ablations
from interp.measure.state.small import recurrent_size
from interp.models.hooks.model import HookedModel
from interp.models.planted.hybrid import HybridPlanting
from interp.models.surface import untrained_like
from interp.studies.hybrid.result import HybridStudy
from interp.studies.hybrid.settings import HybridSettings
from interp.studies.hybrid.verdict import hybrid_verdict
from interp.studies.scoring import find_heads
from interp.studies.study import UNDECIDED, OnStep, silent
from interp.tasks.base import need

LENGTH = 12
"""Letters of strings where nothing is known of those that the model copies."""


@checked_call
def hybrid_study(
    loaded: Loaded | str | Path, seed: int = 0, settings: HybridSettings | None = None, on_step: OnStep = silent
) -> HybridStudy:
    """Take away what attention remembers of a string and what recurrence does, and what each writes; find who looks up.

    >>> from interp.studies.hybrid.settings import HybridSettings
    >>> found = hybrid_study("planted:hybrid?part=recurrence&n=2&alphabet=8", settings=HybridSettings.tiny())
    >>> found.verdict.answer
    'no'

    Args:
        loaded: what `interp.load` returns, or a model specification.
        seed: of all strings, of the untrained models and the controls.
        settings: how much is measured.
        on_step: told what is being done.

    Raises: UserError for a model that is not a hybrid, a task without letters or a separator, or too few strings.
    """
    settings = settings or HybridSettings()
    check_bounds(settings)
    loaded = as_loaded(loaded, seed)
    model, task = cast(HookedModel, loaded.model), loaded.task
    check_hybrid(model)
    need(task, "lays_out_letters", "has_prompt_end")
    length, strings = settings.length or _length(loaded), settings.strings

    def draws(what: str) -> torch.Generator:
        return own_generator(what, seed)

    on_step("memories taken away")
    memories = memory_ablations(model, task, length, strings, draws("memories"), settings.kind)
    fresh = cast(HookedModel, untrained_like(model, spawn(seed, "untrained")))
    untrained = memory_ablations(fresh, task, length, strings, draws("memories"), settings.kind)
    on_step("outputs taken away")
    outputs = output_ablations(model, task, length, strings, draws("outputs"))
    on_step("scoring heads")
    heads = find_heads(loaded, seed, settings.scoring, on_step)
    on_step("how small the recurrent state may be")
    small = settings.size_strings
    found = HybridStudy(
        verdict=UNDECIDED,
        provenance=provenance(str(model.cfg.device), seed, model),
        model=loaded.description,
        layers=cast(Any, model).config.layers,
        memories=memories,
        outputs=outputs,
        untrained=untrained,
        heads=heads,
        size=recurrent_size(model, task, length, small, draws("small"), calibration=settings.calibration),
    )
    return replace(found, verdict=hybrid_verdict(found))


def _length(loaded: Loaded) -> int:
    """Letters of strings that the model should copy."""
    if loaded.trained_lengths:
        return loaded.trained_lengths[1]
    return loaded.planting.length if isinstance(loaded.planting, HybridPlanting) else LENGTH
