"""How full is a model's state: what it holds and uses of a string, by length, and is that really the state?

In this order: behaviour by length, bits used, bits held, the size of the state and how little of it is enough, its
geometry, how far back letters still count, where the bits stop growing, the state transplanted from string to string
and ablated in parts, one string watched letter by letter, where heads look on one string, and a verdict in words.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from interp.base.bounds import check_bounds
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.provenance import provenance
from interp.base.seeds import own_generator, spawn
from interp.loading import Loaded, as_loaded
from interp.measure.state.ablations import state_ablations
from interp.measure.state.bits import check_alphabet, check_lengths, used_bits
from interp.measure.state.carried import carry
from interp.measure.state.expected import expected_accuracy
from interp.measure.state.geometry import geometry
from interp.measure.state.knee import half_length, knee
from interp.measure.state.movie import watch
from interp.measure.state.probes import held_bits
from interp.measure.state.remembrance import remembrance
from interp.measure.state.size import accuracy_bound, effective_size, state_size, utilisation
from interp.measure.state.transplant import transplants
from interp.models.heads import HeadTable
from interp.models.hooks.model import HookedModel
from interp.models.planted import MemoryTruth, PlantedCapacity
from interp.models.surface import untrained_like
from interp.results.accuracy import LengthAccuracy
from interp.results.state import Bits, Geometry
from interp.studies.attention.run import view_attention
from interp.studies.state.result import StateProfile
from interp.studies.state.settings import SaturationSettings
from interp.studies.state.verdict import state_verdict
from interp.studies.study import UNDECIDED, OnStep, silent
from interp.tasks.base import Task, need
from interp.training.evaluate import accuracy_by_length

COPIED = 0.9
"""Letter accuracy from which on a string counts as copied: enough is left to lose in a transplant."""
WATCHED = 32
"""Most letters of the string that is watched step by step."""
MEMORIES = (PlantedCapacity, MemoryTruth)
"""What is true of a memory built by hand."""
SHARES = (1 / 6, 1 / 3, 1 / 2, 3 / 4, 1, 4 / 3, 2, 3, 4)
"""The lengths that are measured, as shares of the longest trained one."""


@dataclass(frozen=True)
class Asked:
    """The model that is asked, of which strings, and how much is measured."""

    loaded: Loaded
    model: HookedModel
    task: Task
    lengths: tuple[int, ...]
    settings: SaturationSettings
    seed: int

    def draws(self, what: str) -> torch.Generator:
        """A generator of its own for each measurement."""
        return own_generator(what, self.seed)


@checked_call
def saturation_study(
    loaded: Loaded | str | Path,
    seed: int = 0,
    settings: SaturationSettings | None = None,
    on_step: OnStep = silent,
) -> StateProfile:
    """Ask everything of a model's state.

    >>> from interp.studies.state.settings import SaturationSettings
    >>> profile = interp.saturation_study("planted:register?k=3&alphabet=4", settings=SaturationSettings.tiny())
    >>> profile.lengths
    (2, 4, 8)

    Args:
        loaded: what `interp.load` returns, or a model specification.
        seed: of all strings, of the untrained model, the probes and the bootstrap.
        settings: how much is measured.
        on_step: told what is being done.

    Raises: UserError for a model that carries no state from call to call, a task that is not a copy of uniform letters
        or lacks a separator, a length below 1, fewer than three lengths, or too few strings for the probes.
    """
    settings = settings or SaturationSettings()
    check_bounds(settings)
    asked = _asked(as_loaded(loaded, seed), settings, seed)
    on_step("behaviour by length")
    behaviour = _behaviour(asked)
    bits = _bits(asked, on_step)
    on_step("size of the state")
    size = _size(asked, bits["used"])
    on_step("geometry")
    shape = geometry(asked.model, asked.task, asked.lengths, asked.settings.geometry_strings, asked.draws("geometry"))
    on_step("remembrance")
    strings = asked.settings.remembrance_strings
    far = remembrance(asked.model, asked.task, asked.lengths, strings, asked.draws("remembrance"))
    on_step("transplants and ablations")
    profile = StateProfile(
        verdict=UNDECIDED,
        provenance=provenance(str(asked.model.cfg.device), seed, asked.model),
        model=asked.loaded.description,
        alphabet=asked.task.n_letters,
        lengths=asked.lengths,
        **behaviour,
        **bits,
        **size,
        effective_rank=shape,
        remembrance=far,
        **_edited(asked, transplant_length(behaviour["behaviour"])),
        training=asked.loaded.training,
        notes=_notes(asked.loaded, shape),
    )
    return replace(profile, verdict=state_verdict(profile))


def _asked(loaded: Loaded, settings: SaturationSettings, seed: int) -> Asked:
    """Refuse before any work what cannot be measured."""
    model, task = cast(HookedModel, loaded.model), loaded.task  # `carry` refuses anything else
    need(task, "lays_out_letters", "uniform_letters", "has_prompt_end")
    lengths = tuple(sorted(set(settings.lengths or state_lengths(loaded))))
    check_lengths(lengths)
    check_alphabet(task)
    for probes in (settings.probes, settings.movie_probes):
        probes.check(task.n_letters)
    if len(lengths) < 3:
        raise UserError(f"lengths must be at least three, to find where the bits stop growing; got {list(lengths)}.")
    asked = Asked(loaded, model, task, lengths, settings, seed)
    carry(model, task.sample(1, 1, asked.draws("check")).to(model.cfg.device))
    return asked


def _behaviour(asked: Asked) -> dict[str, Any]:
    """How well it copies, by length."""
    model, task, lengths, strings = asked.model, asked.task, asked.lengths, asked.settings.accuracy_strings
    trained = asked.loaded.trained_lengths
    behaviour = accuracy_by_length(
        model, task, lengths, strings, asked.draws("accuracy"), free_running=True, trained=trained
    )
    return {
        "behaviour": behaviour,
        "accuracy": tuple(map(float, behaviour.string_correct.mean(axis=1))),
        "expected_accuracy": expected_accuracy(model, task, lengths, strings, asked.draws("accuracy")),
        "half_length": half_length(behaviour, task.n_letters, asked.seed),
    }


def _bits(asked: Asked, on_step: OnStep) -> dict[str, Any]:
    """Bits that are used and held, beside those of an untrained model, and where they stop growing."""
    task, lengths, settings = asked.task, asked.lengths, asked.settings
    untrained = _untrained(asked.loaded, asked.model, spawn(asked.seed, "untrained"))

    def use(which: HookedModel) -> Bits:
        return used_bits(which, task, lengths, settings.used_strings, asked.draws("used"), asked.seed)

    on_step("bits used")
    used = use(asked.model)
    on_step("bits held")
    held = held_bits(asked.model, task, lengths, asked.draws("held"), settings.probes, untrained, asked.seed)
    return {
        "used": used,
        "used_untrained": None if untrained is None else use(untrained),
        "held": held,
        "bits_recovered": used.total,
        "bits_probe": held.held.total,
        "bits_needed": tuple(n * math.log2(task.n_letters) for n in lengths),
        "saturation_length": knee(used),
        "saturation_held": knee(held.most),
    }


def _size(asked: Asked, used: Bits) -> dict[str, Any]:
    """How large the state is, what it allows, and how little of it is enough."""
    model, task, lengths = asked.model, asked.task, asked.lengths
    size, reach = state_size(model, lengths), _reachable_bits(asked.loaded, lengths)
    bounds = zip(reach or size.bits, lengths, strict=True)
    return {
        "state_size": size,
        "state_bits": size.bits,
        "reachable_bits": reach,
        "accuracy_bound": tuple(accuracy_bound(bits, task.n_letters, n) for bits, n in bounds),
        "utilisation": utilisation(used.total, size.bits, task.n_letters, lengths),
        "effective_size": effective_size(model, task, lengths, asked.settings.size_strings, asked.draws("size")),
    }


def _edited(asked: Asked, at: int) -> dict[str, Any]:
    """The state transplanted and ablated in strings of `at` letters, watched letter by letter, and where heads look."""
    model, task, settings, seed = asked.model, asked.task, asked.settings, asked.seed
    pairs, watched = settings.pairs, movie_length(asked.lengths)
    return {
        "transplant": transplants(model, task, at, pairs, asked.draws("transplant")),
        "state_ablations": state_ablations(model, task, at, pairs, asked.draws("ablation"), settings.ablations),
        "movie": watch(model, task, watched, asked.draws("movie"), settings.movie_probes, seed),
        "attention": view_attention(asked.loaded, length=at, seed=seed) if len(HeadTable.of(model)) else None,
    }


def state_lengths(loaded: Loaded) -> tuple[int, ...]:
    """Lengths from a sixth of the longest trained one to four times as long; for a planted memory, about its scale."""
    planted = loaded.planting.scale if isinstance(loaded.planting, MEMORIES) else None
    top = loaded.trained_lengths[1] if loaded.trained_lengths else planted or 12
    return tuple(sorted({max(1, round(top * share)) for share in SHARES}))


def transplant_length(behaviour: LengthAccuracy) -> int:
    """The longest strings of which most letters are copied, else the shortest: in what fails, nothing can follow."""
    good = behaviour.letter_accuracy.mean(axis=1) >= COPIED
    return max((n for n, right in zip(behaviour.lengths, good, strict=True) if right), default=min(behaviour.lengths))


def movie_length(lengths: tuple[int, ...]) -> int:
    """Letters of the string that is watched: the longest measured ones up to `WATCHED`, where a page has room."""
    return max((length for length in lengths if length <= WATCHED), default=WATCHED)


def _untrained(loaded: Loaded, model: HookedModel, seed: int) -> HookedModel | None:
    """An untrained model of the same shape; None for a memory built by hand."""
    return None if isinstance(loaded.planting, MEMORIES) else cast(HookedModel, untrained_like(model, seed))


def _reachable_bits(loaded: Loaded, lengths: tuple[int, ...]) -> tuple[float, ...] | None:
    """log2 of the number of states that strings of a length can reach, where it is known: of a planted memory."""
    known = loaded.planting
    return tuple(known.most(length) for length in lengths) if isinstance(known, MEMORIES) else None


def _notes(loaded: Loaded, shape: Geometry) -> tuple[str, ...]:
    notes = []
    if isinstance(loaded.planting, MEMORIES):
        notes.append("a memory built by hand has no untrained version to compare it with")
    if np.isnan(shape.time_constants).all():
        notes.append("none of its layers has a decay of its own: no time constants, no bands")
    return tuple(notes)
