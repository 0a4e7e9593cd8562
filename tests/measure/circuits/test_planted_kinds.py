"""On every kind of planted circuit, the table by letters back is the comparison that its description plants, and the
smallest circuit has the edges that are planted.

The truth is made from the description and the strings alone: two equal letters add gain times weight where an offset
meets itself (in a bag, any other), and a tilt adds so much a position. What is left over is what random MLPs wrote.
"""

import re
from dataclasses import replace

import pytest
import torch

from interp.measure.circuits.decomposition import decompose_score, hash_table
from interp.measure.circuits.smallest import smallest_circuit
from interp.models.planted import KINDS, draw
from interp.models.planted.compiler import compiled
from interp.models.planted.edges import planted_edges
from interp.models.planted.looks import Found, Match
from interp.tasks.copy import CopyTask
from interp.tasks.probes.planted_repeats import planted_repeats

LOOK_NOTHING_UP = ("by-distance", "by-count", "nothing")
QUICK = ("windows", "shared-gather", "two-steps", "rotary", "alibi", "skip-gram", "bag")
"""Kinds that are tried by default, of seed 0; with --runslow all are, of six seeds."""
ALONE = ("windows", "offsets", "rotary", "alibi", "relay", "grouped")
ALONE_TOO = ("two-steps", "busy", "soft", "uneven-weights", "prefers-first", "uneven-norm", "sink", "threshold")
"""Kinds in which no head can do another's work; the second take longer."""
STAND_IN = ("shared-gather", "shared", "redundant", "backup", "mixed", "suppressor")
"""Kinds with heads that can be done without, as others do the same."""
LENGTHS = {1: (20, 16), 2: (5, 18), 3: (3, 20), 4: (2, 14), 5: (2, 26), 6: (2, 40)}
"""n -> letters, and length, of strings in which no n letters come twice, and fewer often do."""
LOOKING = [kind for kind in KINDS if kind not in LOOK_NOTHING_UP]


def drawn_of(kinds):
    """Yields kinds with their seeds."""
    for kind in kinds:
        for seed in range(6):
            yield pytest.param(kind, seed, marks=[] if kind in QUICK and seed == 0 else pytest.mark.slow)


def planted_table(match, tokens, query, key, offsets):
    """The table [batch, query offset and rest, key offset and rest] that a description says.

    Where the head compares with the place itself, and not with the one before it, key offset -1 is its own letter.
    """
    table = torch.zeros(len(tokens), offsets + 1, offsets + 2, dtype=torch.float64)
    for offset, worth in zip(match.offsets, match.worth, strict=True):
        for other in (offset,) if match.ordered else match.offsets:
            back = other + match.after
            same = tokens.gather(1, (query - offset)[:, None]) == tokens.gather(1, (key - back)[:, None])
            table[:, offset, back] += match.gain * worth * same[:, 0]
    table[:, 0, -1] += match.tilt * key
    return table


def quiet(circuit):
    """The circuit without what only disturbs: no noise on the weights, and random MLPs are zero."""
    mlps = tuple("zero" if mlp == "random" else mlp for mlp in circuit.mlps)
    return replace(circuit, noise=0.0, mlps=mlps)


def tables(circuit):
    """Yields the score by writers, the found and the planted table of each head that compares letters, its look, and
    by how much norms and noise may move it."""
    model, specs, spread = compiled(circuit, torch.float64)
    for (layer, number), spec in specs.items():
        look = spec.look
        if isinstance(look, Match):
            n, length = look.depth, (20, 24) if look.depth < 7 else (24, 28)
            task, k = CopyTask(circuit.alphabet), torch.full((4,), n - 1)
            probe = planted_repeats(task, k, length, 0, exclusive=False, context=n, place=0)
            asked = probe.batch.tokens, f"L{layer}H{number}", probe.query, probe.source - int(not look.after)
            found = hash_table(model, *asked, offsets=n + 2)
            planted = planted_table(look, asked[0], *asked[2:], n + 2)
            yield decompose_score(model, *asked), found, planted, look, 1e-3 + 2 * spread + 20 * circuit.noise


@pytest.mark.parametrize(("kind", "seed"), list(drawn_of(LOOKING)))
def test_the_table_of_every_kind_is_what_is_planted_to_three_digits(kind, seed):
    for by_writer, found, planted, look, close in tables(quiet(draw(kind, seed))):
        for table in (by_writer, found):
            assert ((table.total - table.score).abs() <= 1e-5 * table.score.abs().clamp(min=1)).all()
        torch.testing.assert_close(found.table, planted, rtol=close, atol=look.gain * close)
        if look.ordered and look.after and not look.tilt:
            assert found.diagonal_share.min() > 1 - close


@pytest.mark.parametrize(("kind", "seed"), list(drawn_of(["two-steps", "busy", "mixed", "suppressor", "prefers-last"])))
def test_random_mlps_change_no_entry_of_letters_and_what_they_add_is_all_of_the_rest(kind, seed):
    drawn = draw(kind, seed)
    for by_writer, found, planted, look, close in tables(replace(drawn, mlps=("random",) * drawn.n_layers)):
        letters, free = found.table[:, :-1, :-1], look.gain * close
        torch.testing.assert_close(letters, planted[:, :-1, :-1], rtol=close, atol=free)
        wrote = torch.tensor([name.endswith(".mlp") for name in by_writer.query_writers])
        by_mlps = (by_writer.table * (wrote[:, None] | wrote[None])).sum(dim=(1, 2))
        rest = (found.table - planted).sum(dim=(1, 2))
        torch.testing.assert_close(by_mlps, rest, rtol=0.05, atol=look.depth**2 * free)  # and what heads carried of it
        assert by_mlps.abs().max() > 0.01


def test_a_head_that_goes_where_another_one_points_compares_no_letters():
    circuit = draw("two-heads", 0)
    model, specs, _ = compiled(circuit, torch.float64)
    (place,) = [place for place, spec in specs.items() if isinstance(spec.look, Found)]
    probe = planted_repeats(CopyTask(circuit.alphabet), torch.full((4,), 1), 20, 0, exclusive=True, context=4, place=0)
    found = hash_table(model, probe.batch.tokens, "L{}H{}".format(*place), probe.query, probe.source, offsets=4)
    assert found.table[:, :-1, :-1].abs().max() < 1e-3 * found.score.abs().min()
    torch.testing.assert_close(found.table[:, -1, -1], found.score, rtol=1e-3, atol=0)


def smallest_and_planted(circuit, letters_without_repeats):
    """The edges of the smallest circuit, and what is planted; on strings in which each letter of the key counts."""
    n = max(head.look.depth for head in circuit.heads if isinstance(head.look, Match))
    task, (letters, length) = CopyTask(circuit.alphabet), LENGTHS[n]
    batch = task.layout(letters_without_repeats(n, letters, length, 16))
    found = smallest_circuit(compiled(circuit)[0], batch, task.vocabulary)
    return {edge.name for edge in found}, planted_edges(circuit)


def ends(name):
    """The two nodes of an edge."""
    return {*re.sub(r"\.[qkv]$", "", name).split("->")}


@pytest.mark.parametrize("kind", [*ALONE, *(pytest.param(kind, marks=pytest.mark.slow) for kind in ALONE_TOO)])
def test_the_smallest_circuit_of_a_kind_is_the_planted_one_edge_for_edge(kind, letters_without_repeats):
    found, planted = smallest_and_planted(quiet(draw(kind, 0)), letters_without_repeats)
    assert found == planted.mechanism


@pytest.mark.parametrize("kind", [STAND_IN[0], *(pytest.param(k, marks=pytest.mark.slow) for k in STAND_IN[1:])])
def test_where_heads_stand_in_for_each_other_the_smallest_circuit_is_planted_edges_without_the_spare_ones(
    kind, letters_without_repeats
):
    found, planted = smallest_and_planted(quiet(draw(kind, 0)), letters_without_repeats)
    assert found < planted.mechanism
    kept = set().union(*map(ends, found))
    assert kept < set().union(*map(ends, planted.mechanism))
    assert {name for name in planted.mechanism if ends(name) <= kept} == found  # whole heads are spare
