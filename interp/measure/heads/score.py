"""Which heads copy by looking an n-gram up, for which n, and which heads feed them.

In this order: how every head looks at planted repeats (`lookup`), the same on untrained models of the same shape for a
null, corrected p-values and flags, n from the response to match length, what the flagged heads write (`circuit`), and
which earlier heads change the lookup heads' scores, with the offsets that they gather (`gather`). Heads of a recurrent
layer's hidden attention go through the same tests, held against their like.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from interp.base.bounds import check_bounds
from interp.base.calls import checked_call
from interp.base.seeds import as_generator
from interp.measure.heads.backups import with_backups
from interp.measure.heads.feeding import Feeding, with_gather_heads
from interp.measure.heads.flags import flag_heads
from interp.measure.heads.gather import writes_are_sums
from interp.measure.heads.lookup import look
from interp.measure.heads.null import Null, given_null, null_statistics
from interp.measure.heads.ov import copies_letter
from interp.measure.heads.roles import flag_by_writing, with_roles
from interp.measure.heads.settings import HeadSettings
from interp.measure.heads.strings import Strings
from interp.models.heads import HeadTable
from interp.models.surface import Model, device
from interp.results.heads import HeadScores
from interp.tasks.base import Task, need
from interp.tasks.probes.probe import Probe


@checked_call
def score_heads(
    model: Model,
    task: Task,
    length: int | tuple[int, int],
    generator: Any,
    settings: HeadSettings | None = None,
    seed: int = 0,
    *,
    null: Any = None,
    feeders: bool = True,
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
        feeders: whether gather heads are looked for, too; without, a third of the time is spared.
        on_step: told what is being done.

    Raises: UserError for a model without heads, a null that does not fit it, or if a string is too short for the
        longest planted match.
    """
    need(task, "lays_out_letters")
    check_bounds(settings := settings or HeadSettings())
    drawn, table = as_generator(generator), HeadTable.of(model).require()
    strings = Strings(task, length, drawn, settings, device(model))
    probe = strings.of_every_match()
    on_step("attention at planted repeats")
    looked = look(model, probe)
    plain = probe.rows(slice(0, settings.strings))
    held = _null(null, model, plain, settings, seed, on_step)
    scores = flag_by_writing(model, flag_heads(table, looked, held, settings), plain, settings)
    ordinary = strings.ordinary()
    on_step("what the heads copy")
    scores = _with_copying(model, task, ordinary, scores)
    on_step("what the heads match")
    scores = with_roles(model, strings, settings, scores, looked, seed)
    scores = with_backups(model, strings, settings, scores, plain, seed)
    if not feeders:
        return scores
    return with_gather_heads(Feeding(model, strings, settings, seed, on_step, ordinary), scores)


def _null(
    given: Any, model: Model, plain: Probe, settings: HeadSettings, seed: int, on_step: Callable[[str], None]
) -> Null:
    """The statistic of the heads of untrained models: given, or of models that are built for it."""
    on_step("attention of untrained models")
    if given is not None:
        return given_null(given, model, plain)
    return null_statistics(model, plain, settings.null_draws, seed, on_step).double().cpu().numpy()


def _with_copying(model: Model, task: Task, ordinary: Probe, scores: HeadScores) -> HeadScores:
    """Add the OV circuit: does an attention head raise the letter that it attends to?"""
    if not any(head.kind == "attention" for head in scores.heads):
        return scores
    if not writes_are_sums(model, ordinary):
        note = "OV circuits are not measured, since what a head writes is changed before it is added, or not shown"
        return replace(scores, notes=(*scores.notes, note))
    copies = copies_letter(model, task.vocabulary, ordinary).double().cpu().numpy().mean(axis=1)
    found = iter(copies)
    rows = (replace(h, copying=float(next(found))) if h.kind == "attention" else h for h in scores.heads)
    return replace(scores, heads=tuple(rows))
