"""What ablations cost on models whose mechanism is known."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from interp.base.interval import Interval
from interp.measure.ablation.ablate import ablate, ablation_study
from interp.measure.ablation.sets import Ablation, HeadSet, lookup_sets
from interp.measure.ablation.sweep import sweep
from interp.measure.values import Zero
from interp.models.planted import Planting, planted_copier
from interp.models.transformer import HookedTransformer
from interp.results.ablation import AblationResult
from interp.results.heads import HeadScore, HeadScores
from interp.tasks.copy import CopyTask

TASK = CopyTask(26)


def scores_of(planting: Planting) -> HeadScores:
    """The truth in the form in which a detector reports it; later lookup heads score lower."""
    heads = tuple(
        HeadScore(
            name=head.name,
            layer=head.layer,
            head=head.head,
            role=head.role if head.role in ("lookup", "gather") else "none",
            n=head.n,
            score=1 - i / 100,
            interval=Interval(0.0, 1.0, "Korn-Graubard"),
            chance=0.0,
            response=(),
            score_gain=None,
            p_value=0.01,
            q_value=0.01,
            flagged=head.role == "lookup",
            copying=None,
            gather_effect=None,
            gather_interval=None,
            offsets=(),
        )
        for i, head in enumerate(planting.heads)
    )
    empty = np.zeros((len(heads), 2))
    return HeadScores(heads, (0, 1), 0.05, 0.1, 0.1, (), (), (), empty, empty, empty, np.zeros(3))


@pytest.fixture(scope="module")
def study() -> tuple[HookedTransformer, Planting, tuple[AblationResult, ...]]:
    model, planting = planted_copier(2, 26, n_lookup=3, zero_heads=3)
    strings = TASK.sample(24, 8, torch.Generator().manual_seed(0))
    return model, planting, ablation_study(model, TASK.vocabulary, scores_of(planting), strings, "zero")


def by_group(results: tuple[AblationResult, ...], group: str) -> list[AblationResult]:
    return [result for result in results if result.group == group]


def test_the_zero_ablation_table_of_the_planted_copier(generator):
    """n = 5, 100 letters, one head at a time: necessity is not uniform over the construction's heads."""
    model, planting = planted_copier(5, 26)
    strings = TASK.sample(12, 100, generator())
    heads = [head for head in planting.heads if head.role in ("gather", "lookup")]
    ablations = [Ablation((head.name,), Zero()) for head in heads]
    found = sweep(model, strings, TASK.vocabulary, [Ablation((), Zero()), *ablations])
    assert [head.window for head in heads] == [1, 2, 3, 4, 5, 6, None]
    table = [1.0, 1.0, 0.53, 0.10, 0.05, 0.05, 0.999, 0.04]
    assert found.letter_correct.mean(dim=1).tolist() == pytest.approx(table, abs=0.06)
    string_accuracy = found.string_correct.float().mean(dim=1).tolist()
    assert string_accuracy[:2] == [1.0, 1.0]
    assert string_accuracy[2:6] + string_accuracy[7:] == [0.0] * 5
    assert 0.4 < string_accuracy[6] < 1.0


def test_a_study_asks_for_each_head_the_cumulative_sets_all_but_one_all_and_the_edges(study):
    results = study[2]
    names = {group: [r.heads for r in by_group(results, group)] for group in {r.group for r in results}}
    first, second, third = ("L1H3",), ("L1H4",), ("L1H5",)
    assert names["single"] == [first, second, third]
    assert names["cumulative"] == [first, first + second, first + second + third]
    assert names["all but one"] == [second + third, first + third, first + second]
    assert names["all"] == names["edges"] == [first + second + third]
    assert [len(heads) for heads in names["random order"]] == [1, 2, 3] * 3


def test_all_lookup_heads_together_are_necessary_and_as_many_others_are_not(study):
    together = by_group(study[2], "all")[0]
    assert together.string_accuracy_before == 1.0
    assert together.string_accuracy_after == 0.0
    assert together.interval.low > 0.6
    assert together.letter_accuracy_after < 0.15
    assert together.letter_interval.low > 0.5
    assert together.loss_interval.low > 1
    assert together.logit_difference_before > together.logit_difference_after
    assert together.logit_difference_interval.low > 1
    # 3 zero heads in each layer, and in the first the lookup heads' 3 idle places.
    same, anywhere, edges = together.controls
    assert (same.name, same.pool, same.draws, same.interval) == ("same layer", 3, 1, None)
    assert (anywhere.name, anywhere.pool, anywhere.draws) == ("any layer", 9, 10)
    assert same.string_accuracy == anywhere.string_accuracy == edges.string_accuracy == 1.0
    assert (together.control_mean, together.control_interval) == (1.0, anywhere.interval)


def test_the_edges_to_the_match_are_what_the_lookup_heads_are_needed_for(study):
    edges = by_group(study[2], "edges")[0]
    assert edges.kind == "edges"
    assert edges.string_accuracy_after == 0.0
    control = next(control for control in edges.controls if control.name == "edges")
    assert control.attention[0] == pytest.approx(1.0)
    assert control.attention[1] < 0.01
    assert (edges.control_mean, edges.control_interval) == (control.string_accuracy, control.interval)
    assert control.string_accuracy == 1.0


def test_what_is_kept_for_each_string_bears_the_means(study):
    for result in study[2]:
        assert result.string_correct.mean() == pytest.approx(result.string_accuracy_after)
        assert result.clean_string_correct.mean() == pytest.approx(result.string_accuracy_before)
        assert result.loss.mean() == pytest.approx(result.loss_after, rel=1e-5)
        drop = (result.clean_logit_difference - result.logit_difference).mean()
        low, high = result.logit_difference_interval
        assert low - 1e-6 <= drop <= high + 1e-6
        assert len(result.letter_correct) == 24


def test_a_result_survives_saving(study, tmp_path):
    result = by_group(study[2], "all")[0]
    again = AblationResult.load(result.save(tmp_path))
    assert again.controls[1].interval == result.controls[1].interval
    assert np.array_equal(again.controls[1].string_correct, result.controls[1].string_correct)
    assert np.array_equal(again.clean_loss, result.clean_loss)


def test_without_a_head_that_attends_to_the_source_there_is_nothing_to_take_away(generator):
    model, planting = planted_copier(2, 26)
    scores = scores_of(planting)
    scores = replace(scores, heads=tuple(replace(head, role="none", flagged=False) for head in scores.heads))
    assert ablation_study(model, TASK.vocabulary, scores, TASK.sample(3, 6, generator())) == ()


def test_flagged_heads_without_a_role_are_ablated_too_and_never_serve_as_controls(generator):
    model, planting = planted_copier(2, 26, n_lookup=2, zero_heads=3)
    scores, strings = scores_of(planting), TASK.sample(8, 6, generator())
    idle = [head.name for head in planting.heads if head.role == "zero"][-2:]
    rows = tuple(replace(head, flagged=head.flagged or head.name in idle) for head in scores.heads)
    plain, flagged = (
        ablation_study(model, TASK.vocabulary, replace(scores, heads=heads), strings, "zero")
        for heads in (scores.heads, rows)
    )
    assert by_group(plain, "no role") == []
    taken = [(result.name, result.heads) for result in by_group(flagged, "no role")]
    assert taken == [(idle[0], (idle[0],)), (idle[1], (idle[1],)), ("all without a role", tuple(idle))]
    pools = [by_group(results, "all")[0].controls[1].pool for results in (plain, flagged)]
    assert pools[0] - pools[1] == 2


def test_a_single_lookup_head_has_no_orders_and_no_rest(generator):
    groups = [head_set.group for head_set in lookup_sets(["L1H0"], generator())]
    assert groups == ["single", "cumulative", "all", "edges"]


def test_with_many_heads_some_sizes_are_left_out(generator):
    sets = lookup_sets([f"L1H{head}" for head in range(20)], generator(), orders=1, steps=5)
    assert [len(q.heads) for q in sets if q.group == "cumulative"] == [1, 6, 10, 15, 20]
    order = [set(q.heads) for q in sets if q.group == "random order"]
    assert all(smaller < larger for smaller, larger in pairwise(order))


def test_an_empty_pool_says_so_and_gives_no_interval(generator):
    model, planting = planted_copier(2, 26)
    every = [head.name for head in planting.heads]
    result = ablate(
        model, TASK.vocabulary, TASK.sample(6, 6, generator()), [HeadSet("x", "single", ("L1H3",))], "mean", every
    )[0]
    same, anywhere, _ = result.controls
    assert (same.pool, same.draws, same.string_accuracy, same.interval) == (0, 0, None, None)
    assert (anywhere.pool, anywhere.draws) == (0, 0)
    assert result.control_mean is None
    assert result.control_interval is None


def test_the_same_seed_gives_the_same_study(study, generator):
    model, planting, results = study
    strings = TASK.sample(24, 8, generator())
    again = ablation_study(model, TASK.vocabulary, scores_of(planting), strings, "zero")
    assert [(r.heads, r.interval, r.control_interval) for r in again] == [
        (r.heads, r.interval, r.control_interval) for r in results
    ]
