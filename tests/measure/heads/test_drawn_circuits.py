"""The detector on circuits drawn from the compiler: one of each kind by default, many behind `--runslow`.

`pytest -s --runslow` prints the table of what is wrong, by kind; docs/validation.md holds its figures.
"""

from collections import defaultdict

import pytest
import torch

from interp.measure.heads.score import HeadSettings, score_heads
from interp.measure.heads.use import use_of_heads
from interp.models.planted import KINDS, Circuit, Planting, draw, plant
from interp.results.heads import HeadScores
from interp.tasks.copy import CopyTask

SETTINGS = HeadSettings(strings=24)
TOLD = 0.03
"""A preference of so many nats a position must be reported."""
STRINGS = 48
"""Ordinary copies on which use is measured."""
QUICK = ("windows", "skip-gram", "bag", "sink", "next-letter", "suppressor", "backup", "grouped", "also-by-count")
"""A share that takes seconds."""
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
    needed = {at for head in planting.with_role("lookup") for t in head.matches for at in (t, t + 1)} - {0}
    gathers, found = planting.with_role("gather"), {*scores.of_role("gather")}
    feeding = {head.name for head in (*gathers, *planting.with_role("finder"))}
    # In a second step a letter is carried on from where an earlier head brought it, which may act by way of that alone.
    wanted = {head.name for head in gathers if needed & {*head.offsets}}
    if not all(head.ordered for head in planting.with_role("lookup")):
        # A bag sums over its slots: what a window head adds to one and takes from the next is gone.
        wanted -= {head.name for head in gathers if len(head.offsets) > 1}
    return [f"missed: {len(wanted - found)} gather heads"] * bool(wanted - found) + [
        f"called gather heads: {sorted(found - feeding)}"
    ] * bool(found - feeding)


@pytest.mark.parametrize("kind", QUICK)
def test_a_circuit_of_every_quick_kind_is_told_right(kind):
    assert graded(draw(kind, 0), 0) == []


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
