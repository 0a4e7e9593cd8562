"""A circuit's verdict goes by what the circuit alone keeps; its figures and tables say the same numbers."""

import json
from dataclasses import replace

import numpy as np
import pytest

from interp.results.circuits import HeadTables, SelfRepair
from interp.results.sufficiency import CircuitTest, EdgeScores
from interp.studies.circuit.figures import circuit_graph, hash_figure
from interp.studies.circuit.report import edge_rows, repair_rows
from interp.studies.circuit.verdict import circuit_verdict

EDGES = ("embed->L0H1.v", "L0H1->L1H2.k", "embed->L1H2.v", "L1H2->unembed")
N = 20


def scores(*right):
    """So many of 20 strings right, in each set."""
    strings = np.array([[i < n for i in range(N)] for n in right])
    values = strings.astype(float)
    return EdgeScores(strings, values, 1 - values, 2 * values)


def circuit(alone, without=(0, 3, 0, 0)):
    return CircuitTest(EDGES, 40, "mean-per-position", scores(0, N), scores(alone), scores(*without), scores(0, 1))


def head(by_letter):
    by_letter = np.array([by_letter] * 3, dtype=float)
    total = by_letter.sum(axis=(1, 2))
    return HeadTables(
        head="L1H2",
        writers=("embed", "biases"),
        by_writer=np.stack([np.stack([total, 0 * total], 1), np.zeros((3, 2))], 1),
        query_letters=("0 back", "rest"),
        key_letters=("its own", "0 back", "rest"),
        by_letter=by_letter,
        position=np.zeros(3),
        score=total,
        logit_writers=("L1H2", "biases"),
        logit_parts=np.array([[5.0, 1.0]] * 3),
        from_source=np.array([[4.0, 0.0]] * 3),
        from_elsewhere=np.ones(3),
    )


@pytest.mark.parametrize(("alone", "answer"), [(20, "yes"), (18, "unsure"), (14, "partly"), (9, "no")])
def test_the_answer_goes_by_what_the_circuit_alone_keeps_of_what_the_model_does(alone, answer):
    verdict = circuit_verdict(circuit(alone), (), None, 0.95)
    assert verdict.answer == answer
    assert verdict.evidence("string_accuracy_alone").value == alone / N
    assert verdict.evidence("string_accuracy_without_one").value == 3 / N
    assert str(verdict).startswith(f"4 edges of 40 copy: with them alone {5 * alone}% of strings are right")
    assert "without any one of them at most 15%." in str(verdict)


def test_an_edge_that_could_go_is_a_caveat_and_a_heads_hash_is_evidence():
    verdict = circuit_verdict(circuit(20, (0, 20, 0, 0)), (head([[0, 9, 0], [0, 0, 1]]),), None, 0.95)
    assert verdict.answer == "yes"
    assert verdict.caveats[0] == "1 edge of it could go on these strings, each alone"
    assert verdict.evidence("hash_share").value == pytest.approx(0.9)
    assert "make 90% of L1H2's preference for the source" in str(verdict)


def test_what_a_recurrent_layer_wrote_is_told_as_that_and_not_as_no_hash():
    plain = head([[0, 9, 0], [0, 0, 1]])
    assert plain.recurrent_share == 0
    by_writer = np.array([[[1.0, 2.0], [3.0, 4.0]]] * 3)  # of 10 all but the 1 in which the embedding meets itself
    mixed = replace(plain, writers=("embed", "L0.mixer"), by_writer=by_writer, by_letter=0 * plain.by_letter)
    assert mixed.recurrent_share == pytest.approx(0.9)
    verdict = circuit_verdict(circuit(20), (mixed, plain), None, 0.95)
    assert verdict.evidence("recurrent_share").value == pytest.approx(0.9)
    assert "make 90% of L1H2's preference" in str(verdict)
    assert "What recurrent layers wrote makes 90% of L1H2's preference for the source" in str(verdict)
    assert "90% has a recurrent layer for its writer" in str(hash_figure(mixed).to_json())


def test_random_circuits_that_are_the_circuit_itself_are_no_control():
    same = replace(circuit(20), random=scores(20, 20))
    assert any(
        "random circuits are this one over again" in told for told in circuit_verdict(same, (), None, 0.95).caveats
    )
    assert not any("over again" in told for told in circuit_verdict(circuit(20), (), None, 0.95).caveats)


def test_the_graph_has_every_edge_as_wide_as_what_is_lost_without_it(studies):
    scored = studies.hard_alibi().scores
    figure = circuit_graph(circuit(20), scored)
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    widths = [trace.line.width for trace in lines]
    assert len(lines) == 4 and widths[1] < widths[0] == widths[2]
    labels = next(trace for trace in figure.data if trace.mode == "markers+text")
    assert set(labels.text) == {"embed", "L0H1", "L1H2", "unembed"}
    heights = dict(zip(labels.text, labels.y, strict=True))
    assert heights["embed"] < heights["L0H1"] < heights["L1H2"] < heights["unembed"]
    told = json.dumps(figure.to_dict(), default=str)
    assert all(name.replace(">", "&gt;") in told for name in EDGES)


def test_in_a_crowded_row_names_stand_alternately_above_and_below(studies):
    names = [f"L0H{i}" for i in range(8)]
    edges = (*(f"{name}->L1H2.k" for name in names), "L1H2->unembed")
    crowded = replace(circuit(20, [0] * len(edges)), edges=edges)
    labels = next(t for t in circuit_graph(crowded, studies.hard_alibi().scores).data if t.mode == "markers+text")
    placed = dict(zip(labels.text, zip(labels.x, labels.y, labels.textposition, strict=True), strict=True))
    row = [placed[name] for name in names]
    assert [where for _, _, where in row] == ["top center", "bottom center"] * 4
    assert len({y for _, y, _ in row}) == 2 and max(y for _, y, _ in row) < placed["L1H2"][1]
    assert placed["L1H2"][2] == "middle right"


def test_a_heads_figure_says_what_meets_at_the_same_distance():
    figure = hash_figure(head([[0, 9, 0], [0, 0, 1]]))
    assert figure.data[0].z[0][1] == 9
    assert "by 10.00" in figure.layout.meta["says"] and "make 9.0: 90% in all" in figure.layout.meta["says"]


def test_tables_hold_the_numbers_of_the_result():
    rows = edge_rows(circuit(20))
    assert [row["string_accuracy_without"] for row in rows] == [0, 0.15, 0, 0]
    assert rows[1]["loss_rise"] == pytest.approx(0.85)
    ones = np.ones((2, 3))
    repair = SelfRepair(
        ("L1H2", "L1H3"),
        ("L1.mlp",),
        np.full(3, 5.0),
        3 * ones,
        2 * ones,
        np.array([[[1.0] * 3], [[0.0] * 3]]),
        np.full(3, 4.0),
    )
    found = repair_rows(repair)
    assert [(row["made_up_for"], row["most_by"]) for row in found] == [(1.0, "L1.mlp"), (1.0, None)]
    assert repair.redundancy == 0
    assert replace(repair, together=np.full(3, 8.0)).redundancy == 0.5
