"""The detector on circuits drawn from the compiler: one of each kind by default, many behind `--runslow`.

`pytest -s --runslow` prints the table of what is wrong, by kind; docs/validation.md holds its figures.
"""

import math
from collections import defaultdict
from dataclasses import replace

import pytest
import torch

from interp.measure.heads.score import HeadSettings, score_heads
from interp.measure.heads.use import use_of_heads
from interp.models.planted import KINDS, Circuit, Planting, draw, plant
from interp.models.planted.description import HeadSpec, Write
from interp.models.planted.gathering import by_windows, one_by_one, two_steps
from interp.models.planted.looks import AtToken, Match
from interp.results.heads import HeadScores
from interp.tasks.copy import CopyTask

SETTINGS = HeadSettings(strings=24)
TOLD = 0.03
"""A preference of so many nats a position must be reported."""
STRINGS = 48
"""Ordinary copies on which use is measured."""
QUICK = ("windows", "next-letter", "grouped")
"""A share that takes seconds."""
SLOWER = ("skip-gram", "sink", "suppressor", "backup")
DRAWN_FROM = 1000
"""First seed of the circuits that are only graded: no rule was set on them."""


def graded(circuit: Circuit, seed: int) -> list[str]:
    """What the detector gets wrong on a circuit; empty where all is right."""
    model, planting = plant(circuit)
    generator, task = torch.Generator().manual_seed(seed), CopyTask(circuit.alphabet)
    scores = score_heads(model, task, circuit.lengths, generator, SETTINGS, seed)
    use = use_of_heads(model, task.vocabulary, scores, task.sample(STRINGS, circuit.lengths, generator)).use
    return [
        *wrong_roles(scores, planting),
        *wrong_matches(scores, planting),
        *wrong_gather_heads(scores, planting),
        *[f"use: {use}, planted {planting.use}"] * (use != planting.use),
    ]


def wrong_roles(scores: HeadScores, planting: Planting) -> list[str]:
    planted = {head.name: head for head in planting.heads}
    wanted, found = {h.name for h in planting.with_role("lookup")}, {*scores.of_role("lookup")}
    return [
        *(f"missed: lookup head {name}" for name in sorted(wanted - found)),
        *(f"called a lookup head: {planted[name].role} {name}" for name in sorted(found - wanted)),
    ]


def wrong_matches(scores: HeadScores, planting: Planting) -> list[str]:
    """Which letters a lookup head matches, and which of two matches it prefers."""
    faults, found = [], {head.name: head for head in scores.heads if head.role == "lookup"}
    for head in planting.with_role("lookup"):
        row = found.get(head.name)
        if row is None:
            continue
        if (row.matched, row.n) != (head.matches, head.n):
            faults.append(f"matched: {row.matched} (n {row.n}), planted {head.matches}")
        if len(head.matches) > 1 and row.ordered != head.ordered:
            faults.append(f"ordered: {row.ordered}, planted {head.ordered}")
        if abs(head.tilt) > TOLD and row.prefers != ("later" if head.tilt > 0 else "earlier"):
            found = f"{row.preference} {row.preference_interval}"
            faults.append(f"preferred: {found}, planted {head.tilt} a position")
    return faults


def wrong_gather_heads(scores: HeadScores, planting: Planting) -> list[str]:
    """Heads that bring no letter that is matched must not be called gather heads; those that do must be."""
    if not scores.of_role("lookup"):
        return []
    gathers, found = planting.with_role("gather"), {*scores.of_role("gather")}
    feeding = {head.name for head in (*gathers, *planting.with_role("finder"))}
    # In a second step a letter is carried on from where an earlier head brought it, which may act by way of that alone.
    wanted = {head.name for head in planting.feeding}
    if not all(head.ordered for head in planting.with_role("lookup")):
        # A bag sums over its slots: what a window head adds to one and takes from the next is gone.
        wanted -= {head.name for head in gathers if len(head.offsets) > 1}
    return [f"missed: {len(wanted - found)} gather heads"] * bool(wanted - found) + [
        f"called gather heads: {sorted(found - feeding)}"
    ] * bool(found - feeding)


@pytest.mark.parametrize("kind", [*QUICK, *(pytest.param(kind, marks=pytest.mark.slow) for kind in SLOWER)])
def test_a_circuit_of_every_quick_kind_is_told_right(kind):
    assert graded(draw(kind, 0), 0) == []


def test_a_head_that_copies_five_letters_of_thirteen_is_a_lookup_head():
    circuit = draw("half-by-count", 1005)
    assert circuit.alphabet == 13
    assert graded(circuit, 1005) == []


@pytest.mark.slow
def test_drawn_circuits_are_told_right():
    wrong = defaultdict(list)
    seeds = range(DRAWN_FROM, DRAWN_FROM + 16)
    for kind in KINDS:
        for seed in seeds:
            if faults := graded(draw(kind, seed), seed):
                wrong[kind].append((seed, faults))
    for kind in KINDS:
        print(f"{kind:18} {len(seeds) - len(wrong[kind])} of {len(seeds)} right", *wrong[kind], sep="\n    ")
    assert sum(map(len, wrong.values())) <= 0.01 * len(KINDS) * len(seeds)


GATHERED = {"position": "learned", "n_ctx": 96, "shuffle": True}


def matching(n: int | tuple[int, ...], *writes: Write, layer: int = 1, column: int = 0, **look) -> HeadSpec:
    offsets = tuple(range(n)) if isinstance(n, int) else n
    return HeadSpec(layer, column, Match(offsets, look.pop("gain", 20.0), **look), writes or (Write(),))


def by_hand() -> dict[str, Circuit]:
    """Circuits whose parameters no kind draws."""
    silent = (Write(bos=False),)
    sloped = tuple(replace(head, layer=1, column=6 + i) for i, head in enumerate((
        matching(1, Write(factor=0.2), gain=25.0), matching(3, Write(factor=0.35), gain=25.0),
        matching(5, Write(factor=0.45), gain=25.0))))  # fmt: skip
    return {
        "prefers earlier matches by 5 % a position": Circuit(
            (*one_by_one(range(1, 4)), matching(3, gain=18.0, tilt=-0.05)), 2, 4, 10, normalization="RMS", **GATHERED
        ),
        "rests on BOS with 92 % of its attention": Circuit(
            (*one_by_one(range(1, 3)), matching(2, *silent, gain=22.0, rest=2 + math.log(0.92 / 0.08) / 22),
             HeadSpec(1, 1, AtToken("bos", 15.0), (Write(),))),
            2, 4, 16, normalization="LN", logit=14.0, **GATHERED,
        ),
        "beside two decoys of opposite signs": Circuit(
            (*one_by_one(range(1, 4)), matching(3), matching(3, Write("next"), column=1),
             matching(3, Write("next", factor=-1.0), column=2)),
            2, 4, 10, **GATHERED,
        ),
        "1, 3 and 5 letters in one layer": Circuit(
            (*by_windows(5), *sloped), 2, 9, windows=(*range(1, 7), None, None, None), shuffle=True
        ),
        "rotary positions and grouped keys": Circuit(
            (*one_by_one(range(1, 5)), matching(2, reach=4), matching(4, reach=4, column=1)),
            2, 4, 13, position="rope", logit=12.0, shuffle=True,
        ),
        "gathered in two steps, prefers later ones": Circuit(
            (*two_steps(5), matching(5, layer=2, tilt=0.06)), 3, 4, 6, normalization="LNPre", **GATHERED
        ),
        "a suppressor of three quarters": Circuit(
            (*one_by_one(range(1, 3)), matching(2), matching(2, Write(factor=-0.75), column=1),
             matching(2, Write(to="scratch"), column=2)),
            2, 4, 13, **GATHERED,
        ),
        "the letters 0, 2 and 4 back under a sink": Circuit(
            (*one_by_one(range(1, 6)), matching((0, 2, 4), *silent, rest=3 + math.log(0.85 / 0.15) / 20)),
            2, 5, 10, normalization="RMS", **GATHERED,
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=[pytest.mark.slow] * (i > 2)) for i, name in enumerate(by_hand())
])  # fmt: skip
def test_a_circuit_made_by_hand_is_told_right(name):
    assert graded(by_hand()[name], 0) == []
