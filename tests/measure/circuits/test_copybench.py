"""The truth of a puzzle is enough and needed by its own behaviour; a method that knows it gets full marks."""

from importlib import import_module

import numpy as np
import pytest

from interp.base.errors import UserError
from interp.measure.circuits.copybench import KINDS, auroc, copybench, planted_puzzle, standard_methods
from interp.measure.circuits.detect import detected_edges
from interp.measure.circuits.sufficiency import try_circuit
from interp.measure.heads.settings import HeadSettings
from interp.results.copybench import BenchResult

FEW = len(KINDS)
"""One model of each kind."""


def truth_of(puzzle):
    edges = planted_puzzle(puzzle.seed)[2]
    return np.array([float(name in edges.mechanism) for name in puzzle.graph.names])


def worst(puzzle):
    return -truth_of(puzzle)


def gradients(puzzle):
    return standard_methods()["EAP"](puzzle)


@pytest.mark.slow
def test_the_truth_is_enough_on_every_kind():
    for number in range(FEW):
        name, puzzle, truth = planted_puzzle(number)
        tried = try_circuit(puzzle.model, puzzle.batch, puzzle.task.vocabulary, sorted(truth.mechanism), draws=2)
        alone, whole = tried.alone.letters.mean(), tried.none_and_all.letters[1].mean()
        assert alone > 0.93 * whole > tried.random.letters.mean() + 0.3, name


@pytest.mark.parametrize("models", [4, pytest.param(FEW, marks=pytest.mark.slow)])
def test_the_truth_gets_full_marks_its_contrary_none_and_results_can_be_kept(models, tmp_path):
    found = copybench({"truth": truth_of, "worst": worst}, models=models)
    assert found.auroc[0].tolist() == [1.0] * models and found.recovered[0].all()
    assert found.auroc[1].max() < 1e-9 and not found.recovered[1].any()
    assert found.cmd[0].mean() < 0.1 < 0.4 < found.cmd[1].mean()
    assert (
        found.kinds == KINDS[:models]
        and found.table().count("\n") == 3
        and found.kinds_table().count("\n") == models + 1
    )
    assert BenchResult.load(found.save(tmp_path)).models == found.models


def test_our_detector_finds_every_edge_of_one_model_and_gradients_grade_it_too():
    ours = standard_methods()["ours"]
    found = copybench({"ours": ours, "EAP": gradients}, models=2)
    assert found.auroc[0].tolist() == [1.0, 1.0] and found.recovered[0].all()
    assert (found.auroc[1] > 0.7).all()


def test_an_mlp_that_disturbs_scores_is_told_from_a_head_that_brings_a_third_of_a_letter():
    puzzle, truth = planted_puzzle(KINDS.index("shared-gather") + len(KINDS))[1:]
    scores = detected_edges(puzzle.model, puzzle.task, puzzle.batch, HeadSettings(longest=3, strings=8), puzzle.seed)
    found = dict(zip(puzzle.graph.names, scores, strict=True))
    outside = {name: score for name, score in found.items() if name not in truth.mechanism}
    assert min(found[name] for name in truth.mechanism) > 2 * max(outside.values())
    assert max(outside, key=lambda name: outside[name]).startswith("L1.mlp->")


def test_ties_count_half():
    assert auroc(np.zeros(4), np.array([True, False, True, False])) == 0.5


@pytest.mark.parametrize("scores", [np.zeros(3), None])
def test_scores_that_do_not_fit_are_refused(scores):
    with pytest.raises(UserError, match="scores must be a finite number for each"):
        copybench({"bad": lambda p: np.full(len(p.graph.edges), np.nan) if scores is None else scores}, models=2)


def test_a_benchmark_of_nothing_is_refused():
    with pytest.raises(UserError, match="copybench must have at least 2 models and a method"):
        copybench({}, models=2)


def test_the_module_says_how_a_method_is_submitted_in_words_that_run():
    text = import_module("interp.measure.circuits.copybench").__doc__ or ""
    code = "\n".join(line.removeprefix("    ") for line in text.splitlines() if line.startswith("    "))
    assert len(code.strip().splitlines()) < 20
    exec(code.replace("models=12", "models=2"), {})
