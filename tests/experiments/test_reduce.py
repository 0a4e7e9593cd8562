"""Means over trainings, the best of rates, and ratios of examples of which some are censored."""

import math

import numpy as np
import pytest
from scipy.stats import ttest_ind

from interp.base.censored import Needed, ratio
from interp.base.errors import UserError
from interp.experiments.kept import Found
from interp.experiments.plan import RunPlan
from interp.experiments.reduce import best_rate, difference_interval, mean_interval
from interp.training.recipe import TrainConfig


def run(arm, rate, seed, value):
    plan = RunPlan("x", arm, {"kind": "lstm"}, "copy", TrainConfig(learning_rate=rate, seed=seed))
    return Found(f"{arm}{rate}{seed}", plan, {"value": value})


def test_the_rate_with_the_best_median_is_kept_and_said():
    runs = [run("a", 0.1, s, v) for s, v in enumerate((0.0, 0.9, 0.1))]
    runs += [run("a", 0.2, s, v) for s, v in enumerate((0.3, 0.2, 0.2))]
    runs += [run("a", 0.4, s, v) for s, v in enumerate((0.0, 0.0, 0.0))] + [run("b", 0.1, 0, 1.0)]
    kept = best_rate(runs, lambda one: one.values["value"])
    assert kept["a"].rate == 0.2 and [one.plan.seed for one in kept["a"].found] == [0, 1, 2]
    assert kept["a"].inside and str(kept["a"]) == "a: rate 0.2 of 0.1, 0.2, 0.4"
    assert kept["b"].inside is None and str(kept["b"]) == "b: rate 0.1, the only one that it has here"


def test_a_mean_over_trainings_has_students_interval():
    low, high = mean_interval([1.0, 2.0, 3.0])
    assert (low, high) == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5))
    assert mean_interval([1.0]) is None


def test_a_difference_has_welchs_interval():
    one, other = [0.9, 0.8, 0.95, 0.7], [0.2, 0.3, 0.1]
    value, (low, high) = difference_interval(one, other)
    wanted = ttest_ind(one, other, equal_var=False).confidence_interval()
    assert value == pytest.approx(np.mean(one) - np.mean(other))
    assert (low, high) == pytest.approx((wanted.low, wanted.high))


def exact(*examples):
    """Trainings that were evaluated so often that it is known when they got there."""
    return [Needed(x / 1.001, x * 1.001) for x in examples]


def test_without_censoring_the_ratio_is_that_of_a_t_test_of_logarithms():
    slow, fast = [30e3, 52e3, 38e3, 41e3], [3e3, 5e3, 3.6e3]
    found = ratio(exact(*slow), exact(*fast))
    wanted = ttest_ind(np.log(slow), np.log(fast)).confidence_interval()
    assert math.log(found.value) == pytest.approx(np.log(slow).mean() - np.log(fast).mean(), abs=0.01)
    assert math.log(found.low) == pytest.approx(wanted.low, abs=0.02)
    assert math.log(found.high) == pytest.approx(wanted.high, abs=0.02)


def test_a_group_that_never_got_there_has_a_lower_bound_alone():
    never = [Needed(50e3, math.inf)] * 3
    found = ratio(never, exact(3e3, 5e3, 3.6e3))
    assert found.value is None and 5 < found.low < 17 and math.isinf(found.high)
    other = ratio(exact(3e3, 5e3, 3.6e3), never)
    assert other.value is None and other.low == 0 and 1 / 17 < other.high < 1 / 5


def test_a_censored_training_counts_for_more_than_where_it_stopped():
    fast = exact(3e3, 5e3, 3.6e3)
    some = [*exact(30e3, 40e3), Needed(50e3, math.inf)]
    assert ratio(some, fast).value > ratio(exact(30e3, 40e3, 50e3), fast).value
    with pytest.raises(UserError, match="two trainings or more on either side; got 1 and 3"):
        ratio(exact(1e3), fast)


@pytest.mark.slow
def test_the_interval_holds_the_true_ratio_as_often_as_it_says():
    rng, inside, rounds = np.random.default_rng(0), 0, 30
    for _ in range(rounds):
        fast, slow = np.exp(rng.normal(8, 0.3, 5)), np.exp(rng.normal(10, 0.3, 5))
        groups = [
            [Needed(x // 2000 * 2000 + 1, x // 2000 * 2000 + 2001 if x < 26_000 else math.inf) for x in each]
            for each in (slow, fast)
        ]
        found = ratio(*groups)
        inside += found.low <= math.exp(2) <= found.high
    assert inside >= 25
