"""Asking a model which of its heads write a string backwards: found on some strings, ablated on others."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from interp.base.bounds import check_bounds
from interp.base.calls import checked_call
from interp.base.provenance import provenance
from interp.base.seeds import own_generator
from interp.loading import Loaded, as_loaded
from interp.measure.ablation.ablate import ablate
from interp.measure.ablation.sets import HeadSet, named_sets, sets_without_role
from interp.measure.heads.backwards import backward_heads
from interp.measure.heads.written_letters import written_letters
from interp.models.heads import HeadTable
from interp.models.surface import Model
from interp.studies.backwards.result import BackwardsStudy
from interp.studies.backwards.settings import BackwardsSettings
from interp.studies.backwards.verdict import backwards_verdict
from interp.studies.study import UNDECIDED, OnStep, silent

LENGTH = 24
"""Letters of strings where nothing is known of the training, or more, for the longest match."""


@checked_call
def backwards_study(
    loaded: Loaded | str | Path, seed: int = 0, settings: BackwardsSettings | None = None, on_step: OnStep = silent
) -> BackwardsStudy:
    """Find the heads that do induction backwards, ablate them, and see which letter each of them writes.

    >>> from interp.studies.backwards.settings import BackwardsSettings
    >>> found = backwards_study("planted:reverse?n=2&across=true", settings=BackwardsSettings.tiny())
    >>> found.verdict.answer, [(head.name, head.offset) for head in found.flagged]
    ('yes', [('L1H4', 2), ('L1H5', 1)])

    Args:
        loaded: what `interp.load` returns, or a model specification.
        seed: of all strings, of the untrained models, donors and control sets.
        settings: how much is measured.
        on_step: told what is being done.

    Raises: UserError for a task that is not writing backwards, a model that `backward_heads` refuses, or a length that
        is too short for the longest match.
    """
    settings = settings or BackwardsSettings()
    check_bounds(settings)
    loaded = as_loaded(loaded, seed)
    model, task = cast(Any, loaded.model), loaded.task
    length, longest, caveats = _fitted(loaded, settings)
    on_step("heads that look backwards")
    scoring = replace(settings.scoring, longest=longest)
    heads = backward_heads(model, task, length, scoring, seed, on_step)
    on_step("ablations")
    strings = task.sample(settings.strings, length, own_generator("ablation", seed))
    sets = _sets(model, heads.flagged)
    ablations = ablate(
        model, task.vocabulary, strings, sets, settings.kind, heads.flagged, seed, edge_control=False, on_step=on_step
    )
    on_step("letter by letter")
    found = BackwardsStudy(
        verdict=UNDECIDED,
        provenance=provenance(str(model.cfg.device), seed, model),
        model=loaded.description,
        length=length,
        letters=task.n_letters,
        heads=heads,
        ablations=ablations,
        written=written_letters(model, strings, sets, settings.kind, longest, seed),
    )
    return replace(found, verdict=backwards_verdict(found, caveats))


def _fitted(loaded: Loaded, settings: BackwardsSettings) -> tuple[int, int, tuple[str, ...]]:
    """Letters of the strings and of the longest match, with room for a rival; and a caveat if it is cut for that."""
    longest = settings.scoring.longest
    if settings.length is not None or loaded.trained_lengths is None:
        return settings.length or max(LENGTH, 2 * longest + 2), longest, ()
    length = max(loaded.trained_lengths[1], 4)
    if (most := (length - 2) // 2) >= longest:
        return length, longest, ()
    return length, most, (f"matches of more than {most} letters were not looked for: none fit its training's strings",)


def _sets(model: Model, flagged: Sequence[str]) -> list[HeadSet]:
    """The flagged heads together, each alone, all but each; other heads of their layers, each alone and together."""
    if not flagged:
        return []
    table = HeadTable.of(model)
    layers = {head.layer for head in table.parse(flagged)}
    others = [head.name for head in table if head.layer in layers and head.name not in flagged]
    sets = [HeadSet("all", "all", tuple(flagged))]
    if len(flagged) > 1:
        sets += [each for each in named_sets(flagged) if each.group == "single"]
        for kept in flagged:
            rest = tuple(name for name in flagged if name != kept)
            sets.append(HeadSet(f"all but {kept}", "all but one", rest))
    return [*sets, *sets_without_role(others, len(others))]
