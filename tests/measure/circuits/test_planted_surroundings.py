"""Planted copiers of n = 1 to 6 in every surrounding of the detector's validation: table, circuit and variable.

The truth is the planting, head by head: what each gather head brings, and what the lookup heads compare and write.
"""

import pytest
import torch

from interp.measure.circuits.decomposition import decompose_score, hash_table
from interp.measure.circuits.interchange import interchange
from interp.measure.circuits.nodes import Graph
from interp.measure.circuits.smallest import smallest_circuit
from interp.measure.circuits.sufficiency import try_circuit
from interp.models.planted import planted_copier
from interp.tasks.copy import CopyTask
from interp.tasks.probes.planted_repeats import planted_repeats

SURROUNDINGS = {
    "alone": {},
    "idle and random heads": {"zero_heads": 2, "random_heads": 2},
    "three layers, two lookup heads": {"n_layers": 3, "lookup_layer": 2, "n_lookup": 2, "idle": "random"},
    "five decoys": {"decoys": ("position:29", "matched-token", "previous", "bos", "even"), "n_ctx": 128},
}
"""What stands around the copiers of `tests/measure/heads/test_validation.py`."""
QUICK = {(2, "alone"), (2, "idle and random heads"), (2, "three layers, two lookup heads"), (2, "five decoys")}
EVERY = [
    pytest.param(n, around, marks=[] if (n, around) in QUICK else pytest.mark.slow)
    for n in range(1, 7)
    for around in SURROUNDINGS
]
STRINGS = {1: (20, 16), 2: (5, 18), 3: (3, 20), 4: (2, 14), 5: (2, 26), 6: (2, 40)}
"""n -> letters, and length: no n letters come twice in a string of them, and fewer often do."""


def planted(n, around, alphabet):
    return planted_copier(n, alphabet, shuffle=True, seed=n, **SURROUNDINGS[around])


def planted_edges(planting, lookups):
    """The edges by which these lookup heads copy, read off the heads' roles."""
    n, edges = planting.n, set()
    gathers = {head.name: head.offsets for head in planting.with_role("gather")}
    for lookup in lookups:
        edges |= {f"embed->{lookup}.q", f"embed->{lookup}.v", f"{lookup}->unembed"}
        edges |= {f"{name}->{lookup}.q" for name, offsets in gathers.items() if min(offsets) < n}
        edges |= {f"{name}->{lookup}.k" for name, offsets in gathers.items()}
    return edges | {f"embed->{name}.v" for name in gathers}


@pytest.mark.parametrize("alphabet", [8, *(pytest.param(a, marks=pytest.mark.slow) for a in (4, 5, 13, 26))])
@pytest.mark.parametrize(("n", "around"), EVERY)
def test_the_score_is_its_parts_and_the_table_by_letters_back_is_diagonal(n, around, alphabet):
    model, planting = planted(n, around, alphabet)
    probe = planted_repeats(CopyTask(alphabet), torch.full((6,), 1), (18, 22), 0, exclusive=True, context=n, place=0)
    expected = torch.zeros(n + 3, n + 4, dtype=torch.float64)
    expected[:n, 1 : n + 1] = 30 * torch.eye(n)
    for lookup in planting.with_role("lookup"):
        asked = probe.batch.tokens, lookup.name, probe.query, probe.source
        by_writer, found = decompose_score(model, *asked), hash_table(model, *asked, offsets=n + 2)
        for table in (by_writer, found):
            torch.testing.assert_close(table.total, table.score, rtol=1e-5, atol=0)
        torch.testing.assert_close(found.table, expected.expand(6, -1, -1), rtol=1e-3, atol=3e-2)
        assert found.diagonal_share.min() > 0.999


@pytest.mark.parametrize(("n", "around"), EVERY)
def test_the_smallest_circuit_is_the_planted_one_edge_for_edge(n, around, letters_without_repeats):
    """Where two lookup heads share the answer, either is enough, and the smallest circuit has one of them."""
    alphabet, length = STRINGS[n]
    model, planting = planted(n, around, alphabet)
    task = CopyTask(alphabet)
    batch = task.layout(letters_without_repeats(n, alphabet, length, 16))
    found = {edge.name for edge in smallest_circuit(model, batch, task.vocabulary)}
    lookups = [head.name for head in planting.with_role("lookup")]
    assert found in [planted_edges(planting, [lookup]) for lookup in lookups]
    whole = planted_edges(planting, lookups)
    assert whole <= set(Graph.of(model).names)
    if n < 4:
        tried = try_circuit(model, batch, task.vocabulary, sorted(found), draws=4)
        assert tried.accuracy == tried.whole == 1 and all(tried.needed()) and tried.random.strings.mean() < 0.3


@pytest.mark.parametrize(("n", "around"), EVERY)
def test_the_answer_follows_the_planted_variable_and_no_head_beside_it(n, around):
    model, planting = planted(n, around, 20)
    task, generator = CopyTask(20), torch.Generator().manual_seed(n)
    strings, donors = (task.sample(100, 12, generator) for _ in range(2))
    at = 14 + n  # n letters of the copy are there
    lookups = [head.name for head in planting.with_role("lookup")]
    mechanism = {"lookup", "gather"}
    beside = [head.name for head in planting.heads if head.role not in mechanism and head.role != "zero"]
    found = interchange(model, strings, donors, [lookups, *beside], torch.full((100,), at))
    named = torch.stack([model(x.tokens)[:, at].argmax(dim=-1) == x.targets[:, at] for x in (strings, donors)]).all(0)
    followed = found.followed[:, named].double().mean(dim=1)
    chance = found.agreed[named].double().mean()
    assert named.sum() > 50 and chance < 0.2
    assert followed[0] == 1.0 and (followed[1:] == chance).all()
