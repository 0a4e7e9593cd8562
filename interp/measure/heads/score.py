"""Which heads copy by looking an n-gram up, for which n, and which heads feed them.

In this order: how every head looks at planted repeats (`lookup`), the same on untrained models of the same shape for a
null, corrected p-values and flags, n from the response to match length, what the flagged heads write (`circuit`), and
which earlier heads change the lookup heads' scores, with the offsets that they gather (`gather`). Heads of a recurrent
layer's hidden attention go through the same tests, held against their like.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from interp.base.seeds import as_generator
from interp.base.stats import bootstrap_interval
from interp.measure.heads.flags import flag_heads
from interp.measure.heads.gather import effects_on
from interp.measure.heads.lookup import look
from interp.measure.heads.null import given_null, null_statistics
from interp.measure.heads.offsets import decode_offsets
from interp.measure.heads.ov import copies_letter
from interp.measure.heads.roles import flag_by_writing, with_roles
from interp.measure.heads.settings import HeadSettings
from interp.measure.heads.strings import Strings
from interp.models.heads import HeadTable
from interp.models.stack.model import StackModel
from interp.models.surface import Model, device
from interp.results.heads import HeadScores
from interp.tasks.base import Batch, Task, need
from interp.tasks.probes.planted_repeats import Probe

FAINT = 0.03
"""Heads that change a lookup head's scores by less are never gather heads."""
ALIKE = 0.7
"""Where weaker heads are needed, those count that change scores by this share of what the weakest needed one does."""


def score_heads(
    model: Model,
    task: Task,
    length: int | tuple[int, int],
    generator: Any,
    settings: HeadSettings | None = None,
    seed: int = 0,
    *,
    null: Any = None,
    on_step: Callable[[str], None] = lambda _: None,
) -> HeadScores:
    """Score every head of a model and give it a role: lookup, gather or none.

    A head is *flagged* if its attention from the query to the place that the answer is copied from, less that to a
    shuffled target, is more than untrained models of the same shape show (empirical p over the pooled heads of the
    untrained models, Benjamini-Hochberg over the heads of this one, both among heads of its kind) and lies above the
    floor with its whole interval.
    It *attends to the match* if, besides, it cannot tell the true place from a rival whose last `longest` letters are
    the same, by its attention or, asked about both places, by its scores; its n is the shortest match at which the two
    draw alike, and `matched` the letters that count when they are changed one by one. It is a *lookup head* if it also
    raises the letter there: by its OV circuit, or because the right letter loses something when its edge to the source
    is cut. An earlier head is a *gather head* if taking its output off the path to a lookup head changes that head's
    scores by more than `gather_floor`; less will do for heads without which matched letters are missing.

    A recurrent layer's heads are scored by their hidden attention: the share, by length and never by sign, of each
    position in what the head writes by way of its state (`models.hidden_attention.hidden_pattern`). `notes` says which.

    >>> from interp.models.planted import planted_copier
    >>> from interp.tasks import CopyTask
    >>> settings = HeadSettings(longest=3, strings=8)
    >>> scores = score_heads(planted_copier(1, 4)[0], CopyTask(4), (14, 18), 0, settings)
    >>> scores.of_role("lookup"), scores.of_role("gather")
    (('L1H2',), ('L0H1', 'L0H0'))

    Args:
        model: one of ours, a bridge, or (with `null`) anything with TransformerLens's surface. Notes say what is
            measured otherwise there.
        task: gives the strings; a vocabulary laid over a language model serves as well.
        length: letters of a string; give a range, so that a head that attends at a fixed distance is not mistaken.
        generator: of the strings; a seed will do.
        settings: see `HeadSettings`.
        seed: of the untrained models and the bootstrap.
        null: what heads are held against: untrained models of the same shape, or the statistic of their heads
            ([untrained head], or such as `HeadScores.null` of an earlier scoring). None: untrained models are built, as
            many as `settings` says, which takes one of our models or a bridge.
        on_step: told what is being done.

    Raises: UserError for a model without heads, a null that does not fit it, or if a string is too short for the
        longest planted match.
    """
    need(task, "lays_out_letters")
    settings, drawn, table = settings or HeadSettings(), as_generator(generator), HeadTable.of(model).require()
    strings = Strings(task, length, drawn, settings, device(model))
    probe = strings.of_every_match()
    on_step("attention at planted repeats")
    looked = look(model, probe)
    on_step("attention of untrained models")
    plain = probe.rows(slice(0, settings.strings))
    if null is None:
        held = null_statistics(model, plain, settings.null_draws, seed).double().cpu().numpy()
    else:
        held = given_null(null, model, plain)
    scores = flag_by_writing(model, flag_heads(table, looked, held, settings, seed), plain, settings, seed)
    ordinary = strings.ordinary()
    on_step("what the heads copy")
    scores = _with_copying(model, task, ordinary, scores)
    scores = with_roles(model, strings, settings, scores, looked, seed)
    return _with_gather_heads(model, strings, settings, scores, ordinary, seed, on_step)


def _with_copying(model: Model, task: Task, ordinary: Probe, scores: HeadScores) -> HeadScores:
    """Add the OV circuit: does an attention head raise the letter that it attends to?"""
    if not isinstance(model, StackModel):
        return replace(scores, notes=(*scores.notes, "OV circuits are measured on this package's own models only"))
    if model.attention is None:
        return scores
    copies = copies_letter(model, task.vocabulary, ordinary).double().cpu().numpy().mean(axis=1)
    found = iter(copies)
    rows = (replace(h, copying=float(next(found))) if h.kind == "attention" else h for h in scores.heads)
    return replace(scores, heads=tuple(rows))


def _with_gather_heads(
    model: Model,
    strings: Strings,
    settings: HeadSettings,
    scores: HeadScores,
    ordinary: Probe,
    seed: int,
    on_step: Callable[[str], None],
) -> HeadScores:
    """Add which heads feed the lookup heads, and which letters back these bring."""
    lookups = scores.of_role("lookup")
    if not lookups:
        return scores
    on_step("which heads feed the lookup heads")
    effects, by_way = effects_on(model, ordinary, lookups, on_step)
    effects = effects.double().cpu().numpy()
    low, high = np.stack(bootstrap_interval(effects, seed=seed))
    rows = list(scores.heads)
    for i, head in enumerate(rows):
        interval = (float(low[i]), float(high[i]))
        rows[i] = replace(head, gather_effect=float(effects[i].mean()), gather_interval=interval)
    scores = replace(scores, heads=tuple(rows), notes=(*scores.notes, *by_way))
    least = {head.name: low[i] for i, head in enumerate(rows)}
    free = sorted((head for head in rows if head.role == "none"), key=lambda head: -(head.gather_effect or 0.0))
    weaker = [head.name for head in free if least[head.name] > FAINT]
    on_step("which letters the gather heads bring")
    strong = [name for name in weaker if least[name] > settings.gather_floor]
    return _reaching(model, strings, settings, scores, strong, weaker) if weaker else scores


def _reaching(
    model: Model, strings: Strings, settings: HeadSettings, scores: HeadScores, strong: list[str], weaker: list[str]
) -> HeadScores:
    """Give gather heads their role: those above the floor and, while letters that are matched are missing, weaker ones.

    Args:
        model, strings, settings, scores: as in `score_heads`.
        strong: heads above the floor, strongest first.
        weaker: these and others below it, strongest first.
    """
    offsets = {at for head in scores.heads if head.role == "lookup" for t in head.matched for at in (t, t + 1)}
    needed, batch, chosen = {t for t in offsets if 0 < t <= settings.longest}, strings.to_decode(), list(strong)
    found = _with_offsets(model, strings, settings, scores, chosen, batch)
    for name in (name for name in weaker if name not in strong):
        if needed <= {*found.set_offsets}:
            break
        chosen.append(name)
        found = _with_offsets(model, strings, settings, scores, chosen, batch)
    if not needed <= {*found.set_offsets}:
        found = _with_offsets(model, strings, settings, scores, strong, batch)
        missing = ", ".join(map(str, sorted(needed - {*found.set_offsets})))
        note = f"the lookup heads match letters that no set of earlier heads was found to bring: {missing} back"
        return replace(found, notes=(*found.notes, note))
    if len(chosen) == len(strong):
        return found
    effect = {head.name: head.gather_effect or 0.0 for head in scores.heads}
    least = ALIKE * min(effect[name] for name in chosen)
    return _with_offsets(model, strings, settings, scores, [name for name in weaker if effect[name] >= least], batch)


def _with_offsets(
    model: Model, strings: Strings, settings: HeadSettings, scores: HeadScores, gathers: list[str], batch: Batch
) -> HeadScores:
    """Add which letters back the gather heads bring: together, and which of them only with each one."""
    if not gathers:
        return scores
    task = strings.task
    decoded = decode_offsets(model, task.vocabulary, batch, gathers, settings.longest + 1)
    accuracy, without = (x.mean(dim=-1).cpu().numpy() for x in (decoded.together, decoded.without))
    chance = 1 / task.n_letters
    covered = tuple(t for t, a in enumerate(accuracy) if a > (1 + chance) / 2)
    lost = {
        name: tuple(t for t in covered if accuracy[t] - rest[t] > (accuracy[t] - chance) / 4)
        for name, rest in zip(gathers, without, strict=True)
    }
    rows = tuple(
        replace(head, role="gather", offsets=lost[head.name]) if head.name in lost else head for head in scores.heads
    )
    return replace(scores, heads=rows, set_offsets=covered, offset_accuracy=tuple(map(float, accuracy)))
