"""The study of states on memories drawn at random: one of each kind by default, many behind `--runslow`.

Graded against what is true by construction: the bits used lie in their interval as often as it says; no more is held
than there is, and of exact memories nearly all of it is found; a bend is found where there is one, and its interval
holds it; and what stops the bits is told. An answer is *wrong* if it says something else for certain, *left open* if it
says that it does not know. `pytest -s --runslow` prints the table of docs/validation.md.
"""

from collections import defaultdict
from dataclasses import dataclass

import pytest

from interp.base.interval import Interval
from interp.measure.state.bits import used_bits
from interp.measure.state.knee import knee
from interp.measure.state.probe_settings import ProbeSettings
from interp.measure.state.probes import held_bits
from interp.models.planted.memories import MEMORIES, planted_memory
from interp.results.state import Bits, Knee
from interp.studies.state.run import SHARES
from interp.studies.state.verdict import ANSWERS
from interp.studies.state.verdict.limit import Limit, what_stops
from interp.tasks.copy import CopyTask

DRAWN_FROM = 100
"""First seed of the memories that are only graded: no rule was set on them."""
QUICK = ("first", "turned", "sums", "half-read", "wiped", "hashed", "falls", "open", "mute")
"""A share that takes seconds."""
EXACT = (
    "first",
    "last",
    "turned",
    "sums",
    "keys",
    "half-read",
    "half-read-sums",
    "not-fetched",
    "falls",
    "open",
    "mute",
)
"""Kinds of which probes can read all that is held."""
SPARE = 0.05
"""Share of the bits held by which a reading may lie above or below the truth."""
ROUNDING = 1e-3


@dataclass(frozen=True)
class Graded:
    """What was found of one memory, beside what is true."""

    found: Limit
    true: str
    used_covers: tuple[bool, ...]
    faults: tuple[str, ...]

    @property
    def wrong(self) -> bool:
        return bool(self.faults) or (self.found != self.true and ANSWERS[self.found] != "unsure")

    @property
    def right(self) -> bool:
        return not self.faults and self.found == self.true


def graded(kind: str, seed: int, strings: int = 512, probes: int = 512, shares: tuple[float, ...] = SHARES) -> Graded:
    model, truth = planted_memory(kind, seed)
    lengths = tuple(sorted({max(1, round(truth.scale * share)) for share in shares}))
    task = CopyTask(truth.alphabet)
    used = used_bits(model, task, lengths, strings, seed)
    settings = ProbeSettings(probes, probes // 2, probes // 2, by_layer=False)
    held = held_bits(model, task, lengths, seed + 1, settings)
    stops = knee(used)
    found = what_stops(used, held, stops, knee(held.most))
    covers = tuple(
        low - ROUNDING <= truth.used(length) <= high + ROUNDING
        for length, (low, high) in zip(lengths, used.interval, strict=True)
    )
    faults = (*wrong_bend(stops, truth.bend), *wrong_held(kind, held.most, [truth.held(n) for n in lengths]))
    return Graded(found, truth.limit, covers, faults)


def wrong_bend(found: Knee, true: float | None) -> list[str]:
    """A bend that is none, none where there is one, or one whose interval does not hold it."""
    if true is None:
        return [f"bend at {found.value:.2f}, where there is none"] if found.kind == "bend" else []
    if found.interval is None:
        return [f"no bend ({found.kind}), where there is one at {true}"]
    low, high = found.interval
    return [] if low - ROUNDING <= true <= high + ROUNDING else [f"bend in [{low:.3f}, {high:.3f}], true {true}"]


def wrong_held(kind: str, found: Bits, true: list[tuple[float, float]]) -> list[str]:
    """More than there is, or, of what probes can read, less."""
    faults = []
    for length, bits, (low, high) in zip(found.lengths, found.total, true, strict=True):
        if bits > high * (1 + SPARE) or (kind in EXACT and bits < low * (1 - SPARE)):
            faults.append(f"held of {length} letters: {bits:.1f}, true {low:.1f} to {high:.1f}")
    return faults


@pytest.mark.by_default(4)
@pytest.mark.parametrize("kind", QUICK)
def test_a_memory_of_every_quick_kind_is_told_right(kind):
    found = graded(kind, 0, strings=256, probes=256, shares=(1 / 3, 2 / 3, 1, 3 / 2, 2, 3))
    assert found.faults == () and found.found == found.true
    assert sum(found.used_covers) >= len(found.used_covers) - 2


def test_a_grade_says_what_is_wrong():
    def bend(low: float, high: float) -> Knee:
        return Knee(5.0, Interval(low, high, "percentile bootstrap"), 1.0, 5.0)

    assert wrong_bend(bend(4.0, 6.0), None) and wrong_bend(Knee(None, None, 1.0, 5.0, "late"), 5.0)
    assert wrong_bend(bend(4.9, 5.1), 6.0) and not wrong_bend(bend(4.9, 6.1), 6.0)
    assert Graded("full", "unread", (), ()).wrong and not Graded("unsure", "unread", (), ()).wrong
    assert Graded("full", "full", (), ()).right and not Graded("full", "full", (), ("held",)).right


@pytest.mark.slow
def test_drawn_memories_are_told_right():
    grades, seeds = defaultdict(list), range(DRAWN_FROM, DRAWN_FROM + 8)
    for kind in MEMORIES:
        for seed in seeds:
            grades[kind].append(graded(kind, seed))
        rows = grades[kind]
        wrong = [
            f"{seed}: {grade.found}, {grade.faults}" for seed, grade in zip(seeds, rows, strict=True) if grade.wrong
        ]
        counts = f"{sum(g.right for g in rows)} right, {len(wrong)} wrong of {len(rows)}"
        print(f"{kind:16} {counts}; {[*dict.fromkeys(g.found for g in rows)]}", *wrong, sep="\n    ", flush=True)
    every = [grade for rows in grades.values() for grade in rows]
    covered = [covers for grade in every for covers in grade.used_covers]
    print(f"bits used: {sum(covered)} of {len(covered)} in their interval")
    assert sum(covered) >= 0.93 * len(covered)
    assert sum(grade.wrong for grade in every) <= 0.05 * len(every)
