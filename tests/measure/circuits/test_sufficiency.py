"""The smallest circuit of a planted copier is the planted one; what a circuit alone leaves is what its numbers say."""

import numpy as np
import pytest

from interp.base.errors import UserError
from interp.measure.circuits.edge_sweep import edge_sweep, keeping
from interp.measure.circuits.nodes import Graph
from interp.measure.circuits.smallest import smallest_circuit
from interp.measure.circuits.sufficiency import circuit_curve, random_circuits, try_circuit
from interp.models.planted import Circuit, HeadSpec, Write, draw, plant, planted_copier
from interp.models.planted.edges import planted_edges
from interp.models.planted.gathering import by_windows
from interp.models.planted.looks import Match
from interp.results.sufficiency import CircuitCurve, CircuitTest
from interp.tasks.copy import CopyTask


def copier(n, alphabet):
    """A copier with a head beside it that looks up one letter and writes where nothing reads, heads in random order."""
    lookup = HeadSpec(1, n + 1, Match(tuple(range(n))), (Write(),))
    decoy = HeadSpec(1, 0, Match((0,)), (Write(to="scratch"),))
    windows = (*range(1, n + 2), None, None)
    return Circuit((*by_windows(n), lookup, decoy), 2, n + 3, alphabet=alphabet, windows=windows, shuffle=True, seed=n)


@pytest.mark.parametrize(
    ("n", "alphabet", "length"), [(1, 20, 16), (2, 5, 18), (3, 3, 20), (4, 2, 14), (5, 2, 26), (6, 2, 40)]
)
def test_the_smallest_circuit_is_the_planted_one_edge_for_edge(n, alphabet, length, letters_without_repeats):
    circuit, task = copier(n, alphabet), CopyTask(alphabet)
    model, batch = plant(circuit)[0], task.layout(letters_without_repeats(n, alphabet, length, 16))
    found = smallest_circuit(model, batch, task.vocabulary)
    assert {edge.name for edge in found} == planted_edges(circuit).mechanism
    if n < 4:
        tried = try_circuit(model, batch, task.vocabulary, found)
        assert tried.accuracy == tried.whole == 1 and all(tried.needed()) and tried.random.strings.mean() < 0.2
        assert str(tried).startswith(f"{len(found)} of {len(Graph.of(model).edges)} edges copy: with them alone 100.0%")


def test_planted_edges_of_two_steps_and_of_a_backup_are_told_apart():
    two = planted_edges(draw("two-steps", seed=0)).mechanism
    assert any(name.startswith("L0") and name.split("->")[1][:2] == "L1" and name.endswith(".v") for name in two)
    backup = planted_edges(draw("backup", seed=0))
    assert {name.partition("->")[2] for name in backup.mechanism if "unembed" in name} == {"unembed"}
    assert (
        any(".mlp->" in name and name.endswith(".q") for name in backup.either) and not backup.either & backup.mechanism
    )


@pytest.fixture
def scored(letters_without_repeats):
    circuit, task = copier(1, 20), CopyTask(20)
    model, batch = plant(circuit)[0], task.layout(letters_without_repeats(1, 20, 16, 8))
    truth = planted_edges(circuit).mechanism
    scores = np.array([float(name in truth) for name in Graph.of(model).names])
    return model, batch, task.vocabulary, truth, scores


def test_the_curve_of_the_true_order_is_1_from_the_circuits_size_on_and_random_circuits_stay_at_0(scored, tmp_path):
    model, batch, vocabulary, truth, scores = scored
    n = len(scores)
    curve = circuit_curve(model, batch, vocabulary, scores, shares=[1 / n, len(truth) / n, 0.5], draws=3)
    assert curve.kept == (1, len(truth), round(n / 2)) and set(curve.edges[: len(truth)]) == truth
    for measure in ("logit_difference", "strings"):
        np.testing.assert_allclose(curve.faithfulness(measure), [0, 1, 1], atol=2e-2)
    # faithfulness 0 at 1 / n, 1 at |truth| / n and after: a triangle is missing
    x = (len(truth) - 1) / n / 2 / (1 - 1 / n)
    assert curve.cpr("strings") == pytest.approx(1 - x) and curve.cmd("strings") == pytest.approx(x)
    assert curve.random_cmd("strings") > 0.5 > curve.random_cpr("strings")
    low, high = curve.intervals("logit_difference")["cmd"]
    assert low <= curve.cmd() <= high
    back = CircuitCurve.load(curve.save(tmp_path))
    assert back.cmd() == curve.cmd()


def test_a_circuit_is_tried_with_exactly_its_edges(scored, tmp_path):
    model, batch, vocabulary, truth, _ = scored
    graph = Graph.of(model)
    tried = try_circuit(model, batch, vocabulary, sorted(truth), draws=2)
    sets = [[name for name in truth if name != tried.edges[0]], truth]
    slow = edge_sweep(model, batch, vocabulary, keeping(graph, sets), slow=True)
    np.testing.assert_allclose(tried.without.loss[0], slow.loss[0], rtol=1e-4)
    np.testing.assert_allclose(tried.alone.loss[0], slow.loss[1], rtol=1e-4)
    assert CircuitTest.load(tried.save(tmp_path)).edges == tried.edges


def test_random_circuits_have_as_many_edges_between_each_pair_of_layers():
    graph = Graph.of(planted_copier(2, 4)[0])
    edges = graph.edges[::5]
    profile = sorted((e.writer.layer, e.reader.layer) for e in edges)
    drawn = random_circuits(graph, edges, 4, seed=0)
    assert all(sorted((e.writer.layer, e.reader.layer) for e in each) == profile for each in drawn)
    assert len({frozenset(e.name for e in each) for each in drawn}) == 4


def test_misuse_is_refused_in_a_sentence(scored):
    model, batch, vocabulary, _, scores = scored
    with pytest.raises(UserError, match="a circuit must be connected from embed to unembed"):
        try_circuit(model, batch, vocabulary, ["embed->L0H0.v"])
    with pytest.raises(UserError, match="scores must be a finite number for each"):
        circuit_curve(model, batch, vocabulary, scores[1:])
    with pytest.raises(UserError, match="shares must rise"):
        circuit_curve(model, batch, vocabulary, scores, shares=[0.5, 0.1])
    with pytest.raises(UserError, match="share must be above 0"):
        smallest_circuit(model, batch, vocabulary, share=0.0)
    with pytest.raises(UserError, match="must get some string right"):
        smallest_circuit(planted_copier(1, 4)[0], CopyTask(4).sample(4, 60, 0), CopyTask(4).vocabulary)
