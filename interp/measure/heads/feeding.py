"""Which heads feed the lookup heads, and which letters back these bring: gather heads, by effect and as a set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from interp.base.estimates import Intervals, mean_intervals
from interp.measure.heads.attending import OFFSETS_NEED
from interp.measure.heads.gather import effects_on, writes_are_sums
from interp.measure.heads.offsets import decode_offsets
from interp.measure.heads.reach import moves_with
from interp.measure.heads.settings import HeadSettings
from interp.measure.heads.strings import Strings
from interp.models.heads import Head, HeadTable
from interp.models.surface import Model
from interp.results.heads import HeadScore, HeadScores
from interp.tasks.base import Batch
from interp.tasks.probes.probe import Probe

REACHED = 0.1
"""A set reaches what the lookup heads match if, with all other heads cut, no letter's move changes by more than this
share of what the weightiest one moves."""
IDLE = 0.05
"""A weaker head is left out again if without it no letter's move changes by more than this share."""
STRINGS = 32
"""Probes for each offset, at most: the same ones for every set, so that what differs is the set."""
DECODES = 0.5
"""Share of the way from chance to 1 from which on a letter counts as decoded."""


@dataclass(frozen=True)
class Feeding:
    """What is asked."""

    model: Model
    strings: Strings
    settings: HeadSettings
    seed: int
    on_step: Callable[[str], None]
    ordinary: Probe


def with_gather_heads(asking: Feeding, scores: HeadScores) -> HeadScores:
    """Add which heads feed the lookup heads, and which letters back these bring."""
    lookups = scores.of_role("lookup")
    if not lookups:
        return scores
    asking.on_step("which heads feed the lookup heads")
    effects, intervals, by_way = _effects(asking, lookups)
    rows = [
        replace(head, gather_effect=float(effects[i]), gather_interval=intervals[i])
        for i, head in enumerate(scores.heads)
    ]
    scores = replace(scores, heads=tuple(rows), notes=(*scores.notes, *by_way))
    free = [i for i in np.argsort(-effects, kind="stable") if rows[i].role == "none" and intervals.low[i] > 0]
    strong = [rows[i].name for i in free if intervals.low[i] > asking.settings.gather_floor]
    asking.on_step("which letters the gather heads bring")
    chosen, notes = _reaching(asking, scores, strong, [rows[i].name for i in free if rows[i].name not in strong])
    batch = asking.strings.to_decode()
    scores = _with_offsets(asking, replace(scores, notes=(*scores.notes, *notes)), chosen, batch)
    return _one_step_further(asking, scores, chosen, batch)


def _effects(asking: Feeding, heads: Sequence[str]) -> tuple[np.ndarray, Intervals, list[str]]:
    """Every head's effect on the scores of some, its interval, and notes."""
    effects, notes = effects_on(asking.model, asking.ordinary, heads, asking.on_step)
    effects = effects.double().cpu().numpy()
    return effects.mean(axis=1), mean_intervals(effects), notes


def _reaching(asking: Feeding, scores: HeadScores, strong: list[str], weaker: list[str]) -> tuple[list[str], list[str]]:
    """Heads above the floor and, while these do not reach all that is matched, weaker ones; and notes.

    Args:
        asking: what is asked.
        scores: roles, and what the lookup heads match.
        strong: heads above the floor, strongest first.
        weaker: others without a role, strongest first.
    """
    table = HeadTable.of(asking.model)
    lookups = [table[name] for name in scores.of_role("lookup") if table[name].kind == "attention"]
    known = asking.strings.task.n_letters >= OFFSETS_NEED and writes_are_sums(asking.model, asking.ordinary)
    if not (lookups and known and (strong or weaker)):
        return strong, []
    changed = _Changed(asking, lookups)
    hidden = [name for name in strong if table[name].kind != "attention"]  # their total effect counts: no set is asked
    strong, weaker = ([name for name in names if table[name].kind == "attention"] for names in (strong, weaker))
    names = [*strong, *weaker]
    first = len(strong)
    low, high = first - 1, len(names)  # the first `low` do not reach, the first `high` may
    while high - low > 1:
        middle = first if low < first else (low + high) // 2
        low, high = (low, middle) if changed(table.parse(names[:middle])).max() <= REACHED else (middle, high)
    chosen = names[:high]
    missing = changed(table.parse(chosen))
    if missing.max() > REACHED:
        return [*hidden, *strong], [_unreached(missing, [*hidden, *strong])]
    for name in reversed(chosen[first:]):
        rest = [other for other in chosen if other != name]
        if changed(table.parse(rest)).max() <= max(REACHED / 2, IDLE + float(missing.max())):
            chosen = rest
    return [*hidden, *chosen], []


class _Changed:
    """How much the letters' moves change if only a set of heads is left, as shares of what the weightiest moves."""

    def __init__(self, asking: Feeding, lookups: Sequence[Head]) -> None:
        self.model, self.lookups, self.steps = asking.model, lookups, asking.settings.longest
        strings = asking.strings.apart("what gather heads reach", asking.seed)
        strings.settings = replace(asking.settings, strings=min(asking.settings.strings, STRINGS))
        self.pair = strings.of_every_offset()
        self.clean = self._moves(HeadTable.of(asking.model).of_kind("attention"))
        self.whole = np.maximum(self.clean.max(axis=1, keepdims=True), 1e-9)

    def __call__(self, kept: Sequence[Head]) -> np.ndarray:
        """[offset], the largest over the lookup heads."""
        return (np.abs(self._moves(kept) - self.clean) / self.whole).max(axis=0)

    def _moves(self, kept: Sequence[Head]) -> np.ndarray:
        return moves_with(self.model, self.pair, self.steps, self.lookups, [kept])[0]


def _unreached(missing: np.ndarray, strong: Sequence[str]) -> str:
    letters = ", ".join(str(t) for t, share in enumerate(missing) if share > REACHED)
    what = "the gather heads alone do not bring" if strong else "no set of earlier heads was found to bring"
    return (
        f"{what} all that the lookup heads match: with all other heads cut, the letters {letters} back count otherwise"
    )


def _with_offsets(asking: Feeding, scores: HeadScores, gathers: Sequence[str], batch: Batch) -> HeadScores:
    """Add which letters back the gather heads bring: together, and which of them only with each one."""
    if not gathers:
        return scores
    task = asking.strings.task
    decoded = decode_offsets(asking.model, task.vocabulary, batch, gathers, asking.settings.longest + 1)
    accuracy, without = (x.mean(dim=-1).cpu().numpy() for x in (decoded.together, decoded.without))
    chance = 1 / task.n_letters
    covered = tuple(t for t, a in enumerate(accuracy) if a > chance + DECODES * (1 - chance))
    lost = {
        name: tuple(t for t in covered if accuracy[t] - rest[t] > (accuracy[t] - chance) / 4)
        for name, rest in zip(gathers, without, strict=True)
    }
    rows = tuple(
        replace(head, role="gather", offsets=lost[head.name]) if head.name in lost else head for head in scores.heads
    )
    return replace(scores, heads=rows, set_offsets=covered, offset_accuracy=tuple(map(float, accuracy)))


def _one_step_further(asking: Feeding, scores: HeadScores, gathers: Sequence[str], batch: Batch) -> HeadScores:
    """Add heads that feed gather heads, if these bring no letter themselves: they may have found the place."""
    matches = {t for head in scores.heads if head.role == "lookup" for t in head.matched}
    needed = {at for t in matches for at in (t, t + 1) if 0 < at <= asking.settings.longest}
    table = HeadTable.of(asking.model)
    finders = [name for name in gathers if table[name].layer > 0 and not _offsets(scores, name)]
    if needed & {*scores.set_offsets} or not finders:
        return scores
    effects, intervals, _ = _effects(asking, finders)
    low = intervals.low
    order = np.argsort(-effects, kind="stable")
    more = [
        h.name
        for h in (scores.heads[i] for i in order)
        if h.role == "none" and low[table.index(table[h.name])] > asking.settings.gather_floor
    ]
    if not more:
        return scores
    note = f"{', '.join(finders)} may find the match and write where it is; {', '.join(more)} feed that"
    return _with_offsets(asking, replace(scores, notes=(*scores.notes, note)), [*gathers, *more], batch)


def _offsets(scores: HeadScores, name: str) -> tuple[int, ...]:
    found: HeadScore = next(head for head in scores.heads if head.name == name)
    return found.offsets
