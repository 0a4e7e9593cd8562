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
import torch

from interp.base.seeds import as_generator
from interp.base.stats import bootstrap_interval
from interp.measure.heads.flags import flag_heads
from interp.measure.heads.gather import effects_on
from interp.measure.heads.lookup import look
from interp.measure.heads.null import given_null, null_statistics
from interp.measure.heads.offsets import decode_offsets
from interp.measure.heads.ov import copies_letter
from interp.measure.heads.settings import HeadSettings
from interp.models.heads import HeadTable
from interp.models.stack.model import StackModel
from interp.models.surface import Model, device
from interp.results.heads import HeadScores
from interp.tasks.base import Batch, Task, need
from interp.tasks.probes.planted_repeats import Probe, planted_repeats


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
    It is a *lookup head* if, besides, it cannot tell the true place from a rival whose last `longest` letters are the
    same; then what it attends by is the match, and its n is the match length at which its attention jumps to the rival:
    the shortest at which the two places draw alike. An earlier head is a *gather head* if taking its output off
    the path to a lookup head changes that head's scores by more than `gather_floor`.

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
    strings = _Strings(task, length, drawn, settings, device(model))
    probe = strings.of_every_match()
    on_step("attention at planted repeats")
    looked = look(model, probe)
    on_step("attention of untrained models")
    plain = probe.rows(slice(0, settings.strings))
    if null is None:
        held = null_statistics(model, plain, settings.null_draws, seed).double().cpu().numpy()
    else:
        held = given_null(null, model, plain)
    scores = flag_heads(table, looked, held, settings, seed)
    ordinary = strings.ordinary()
    on_step("what the heads copy")
    scores = _with_copying(model, task, ordinary, scores)
    return _with_gather_heads(model, strings, settings, scores, ordinary, seed, on_step)


class _Strings:
    """Draws the strings, one purpose after the other, from one generator."""

    def __init__(
        self,
        task: Task,
        length: int | tuple[int, int],
        generator: torch.Generator,
        settings: HeadSettings,
        device: torch.device,
    ) -> None:
        self.task, self.length, self.generator = task, length, generator
        self.settings, self.device = settings, device

    def of_every_match(self) -> Probe:
        """`strings` probes for each match length, k = 0 first; about the first of the two places, before the copy
        itself holds the repeat once more."""
        longest, strings = self.settings.longest, self.settings.strings
        k = torch.arange(longest + 1).repeat_interleave(strings)
        probe = planted_repeats(self.task, k, self.length, self.generator, exclusive=True, context=longest, place=0)
        return probe.to(self.device)

    def ordinary(self) -> Probe:
        """One question to each of `strings` ordinary copies."""
        none = torch.zeros(self.settings.strings, dtype=torch.long)
        context = self.settings.longest
        probe = planted_repeats(self.task, none, self.length, self.generator, exclusive=False, context=context)
        return probe.to(self.device)

    def to_decode(self) -> Batch:
        """Copies on which letters are decoded, half to fit and half to test."""
        return self.task.sample(2 * self.settings.strings, self.length, self.generator).to(self.device)


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
    strings: _Strings,
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
        role = "gather" if head.role == "none" and low[i] > settings.gather_floor else head.role
        interval = (float(low[i]), float(high[i]))
        rows[i] = replace(head, role=role, gather_effect=float(effects[i].mean()), gather_interval=interval)
    scores = replace(scores, heads=tuple(rows), notes=(*scores.notes, *by_way))
    gathers = [head.name for head in rows if head.role == "gather"]
    if not gathers:
        return scores
    on_step("which letters the gather heads bring")
    return _with_offsets(model, strings, settings, scores, gathers)


def _with_offsets(
    model: Model, strings: _Strings, settings: HeadSettings, scores: HeadScores, gathers: list[str]
) -> HeadScores:
    """Add which letters back the gather heads bring: together, and which of them only with each one."""
    task = strings.task
    decoded = decode_offsets(model, task.vocabulary, strings.to_decode(), gathers, settings.longest + 1)
    accuracy, without = (x.mean(dim=-1).cpu().numpy() for x in (decoded.together, decoded.without))
    chance = 1 / task.n_letters
    covered = tuple(t for t, a in enumerate(accuracy) if a > (1 + chance) / 2)
    lost = {
        name: tuple(t for t in covered if accuracy[t] - rest[t] > (accuracy[t] - chance) / 4)
        for name, rest in zip(gathers, without, strict=True)
    }
    rows = tuple(replace(head, offsets=lost.get(head.name, ())) for head in scores.heads)
    return replace(scores, heads=rows, set_offsets=covered, offset_accuracy=tuple(map(float, accuracy)))
