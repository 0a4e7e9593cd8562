"""Learning curves over seeds: groups, their means and bands, and examples that some runs never needed."""

import math

import numpy as np
import pytest
from scipy import stats

from interp.base.errors import UserError
from interp.figures import learning_curves as draw
from interp.results.curves import LearningCurves, curves_of
from interp.results.training import TrainLog


def log(accuracy: list[float], every: int = 100, lengths=(5, 9)) -> TrainLog:
    at = every * np.arange(1, len(accuracy) + 1)
    share = np.stack([np.zeros(len(accuracy)), np.array(accuracy)], axis=1)
    return TrainLog(at, np.ones(len(at)), np.ones(len(at)), at, lengths, share, share)


def recipe(rate: float, seed: int) -> dict:
    return {"model": {"kind": "x"}, "task": {"kind": "copy"}, "training": {"learning_rate": rate, "seed": seed}}


@pytest.fixture
def curves() -> LearningCurves:
    shares = [[0.1, 0.5, 1.0], [0.3, 0.7, 0.9], [0.0, 0.2, 0.4], [0.0, 0.1, 0.95]]
    recipes = [recipe(0.1, 0), recipe(0.1, 1), recipe(0.2, 0), recipe(0.2, 1)]
    return curves_of("abcd", recipes, [log(share) for share in shares])


def test_runs_that_differ_in_the_seed_alone_are_a_group_with_a_mean_and_a_band(curves):
    assert curves.group == ("learning_rate=0.1",) * 2 + ("learning_rate=0.2",) * 2
    assert curves.length == 9 and curves.seed == (0, 1, 0, 1)
    band = curves.band("learning_rate=0.1")
    np.testing.assert_allclose(band.mean, [0.2, 0.6, 0.95])
    half = stats.t.ppf(0.975, 1) * np.std([0.5, 0.7], ddof=1) / math.sqrt(2)
    assert band.low[1] == max(0, 0.6 - half) and band.high[1] == min(1, 0.6 + half)


def test_examples_needed_lie_between_two_evaluations_or_after_the_last(curves):
    needed = curves.needed(0.9)
    assert [(each.least, each.most) for each in needed["learning_rate=0.1"]] == [(200, 300), (200, 300)]
    assert [each.censored for each in needed["learning_rate=0.2"]] == [True, False]
    assert needed["learning_rate=0.2"][0].least == 300
    slower = curves.ratio("learning_rate=0.2", "learning_rate=0.1", 0.9)
    assert slower.value > 1 and slower.low < slower.value < slower.high


def test_the_mean_is_taken_where_all_runs_of_a_group_were_evaluated():
    found = curves_of("ab", [recipe(0.1, 0), recipe(0.1, 1)], [log([0.5, 0.9, 1.0]), log([0.7], every=200)])
    assert found.groups == ("a",) and list(found.evaluated_at) == [100, 200, 300]
    band = found.band("a")
    assert list(band.examples) == [200] and band.mean[0] == pytest.approx(0.8)
    assert found.needed(0.9)["a"][1].least == 200


def test_one_run_has_a_curve_without_a_band():
    alone = curves_of(["x"], [recipe(0.1, 3)], [log([0.2, 0.4])])
    assert alone.groups == ("x",) and np.isnan(alone.band("x").low).all() and list(alone.band("x").mean) == [0.2, 0.4]


def test_what_cannot_stand_side_by_side_is_refused():
    two = [recipe(0.1, 0), recipe(0.1, 1)]
    with pytest.raises(UserError, match="runs must hold at least one run, and none twice; got a, a"):
        curves_of("aa", two, [log([0.1]), log([0.1])])
    with pytest.raises(UserError, match=r"length must be one at which all runs were evaluated \(none\); got None"):
        curves_of("ab", two, [log([0.1]), log([0.1], lengths=(6, 7))])


def test_the_figure_says_who_got_there_and_draws_runs_and_bands(curves):
    figure = draw(curves)
    assert "2 of 2 runs of learning_rate=0.1, after 300 examples" in figure.layout.meta["says"]
    assert "1 of 2 runs of learning_rate=0.2, after 300 examples" in figure.layout.meta["says"]
    assert len(figure.data) == 2 * (1 + 2 + 1)
    assert len(curves.frame("run", "evaluation")) == 12
