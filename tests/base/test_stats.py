"""Intervals against closed forms and by their coverage; p-values against published examples and under the null."""

import math

import numpy as np
import pytest
from scipy.stats import kstest

from interp.base.errors import UserError
from interp.base.stats import (
    benjamini_hochberg,
    bootstrap_interval,
    empirical_p,
    paired_difference_interval,
    paired_proportions_interval,
    proportion_interval,
)


def drawn(seed=0):
    return np.random.default_rng(seed)


def test_the_bootstrap_interval_of_a_large_sample_is_that_of_the_normal_mean():
    values = drawn().normal(3.0, 2.0, 1000)
    low, high = bootstrap_interval(values)
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_the_bootstrap_interval_covers_the_true_mean_as_often_as_it_says():
    samples = drawn(1).exponential(1.0, (1500, 60))
    low, high = bootstrap_interval(samples)
    covered = ((low <= 1) & (high >= 1)).mean()
    assert 0.90 < covered < 0.965, "a skewed sample of 60 is covered a little less than 95 %"


def test_each_row_gets_the_interval_that_it_has_alone_and_the_same_seed_gives_it_again():
    values = drawn(2).random((2, 3, 40))
    low, high = bootstrap_interval(values, seed=5)
    assert low.shape == high.shape == (2, 3)
    for seed in (5, np.random.default_rng(5)):  # sums are taken in another order: equal up to rounding
        assert bootstrap_interval(values[1, 2], seed) == pytest.approx((low[1, 2], high[1, 2]), rel=1e-12)
    assert bootstrap_interval(values[1, 2], seed=6) != pytest.approx((low[1, 2], high[1, 2]), rel=1e-12)


def test_equal_values_have_an_interval_of_no_width_exactly_there():
    assert bootstrap_interval(np.full(30, 0.1)) == (0.1, 0.1)
    low, high = bootstrap_interval(np.array([[0.1] * 7, [0.0, 1.0] * 3 + [1.0]]))
    assert low[0] == high[0] == 0.1
    assert low[1] < high[1]


def test_right_or_wrong_can_be_resampled():
    low, high = bootstrap_interval(np.array([True] * 30 + [False] * 10))
    assert 0.55 < low < 0.75 < high < 0.9
    assert isinstance(low, float)


@pytest.mark.parametrize("values", [np.ones(1), np.array([1.0, np.nan]), np.ones((3, 0))])
def test_too_few_or_unknown_values_have_no_interval(values):
    with pytest.raises(UserError, match="at least two finite numbers"):
        bootstrap_interval(values)


def test_wilsons_interval_is_the_published_one_and_has_width_at_the_ends():
    assert proportion_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4), "Newcombe 1998, table I"
    assert proportion_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4), "Newcombe 1998, table I"
    low, high = proportion_interval(100, 100)
    assert 0.95 < low < high == 1.0


def test_a_paired_difference_is_known_better_than_an_unpaired_one():
    before = drawn(3).normal(0, 5, 200)
    after = before - 1 + drawn(4).normal(0, 0.1, 200)
    low, high = paired_difference_interval(before, after)
    assert -1.05 < low < high < -0.95
    assert (low, high) == bootstrap_interval(after - before)


def test_paired_proportions_cover_the_true_difference_as_often_as_they_say():
    generator, n, truth = drawn(5), 60, 0.65 * 0.95 + 0.35 * 0.4 - 0.65
    covered = 0
    for _ in range(600):
        before = generator.random(n) < 0.65
        after = generator.random(n) < np.where(before, 0.95, 0.4)
        low, high = paired_proportions_interval(before, after)
        covered += low <= truth <= high
    assert 0.92 <= covered / 600 <= 0.985


def test_a_drop_from_all_to_nothing_keeps_an_interval_of_some_width():
    right = np.ones(50, dtype=bool)
    low, high = paired_proportions_interval(right, ~right)
    assert low == -1.0
    assert -1.0 < high < -0.85
    low, high = paired_proportions_interval(right, right)
    assert low < 0 < high
    assert high == pytest.approx(-low)


def test_paired_proportions_change_sign_with_the_order():
    before, after = drawn(6).random(40) < 0.7, drawn(7).random(40) < 0.4
    low, high = paired_proportions_interval(before, after)
    assert paired_proportions_interval(after, before) == pytest.approx((-high, -low))


def test_an_empirical_p_counts_the_null_that_is_as_great_and_the_observation_itself():
    null = np.array([0.1, 0.2, 0.3, 0.3])
    assert empirical_p(np.array([0.0, 0.2, 0.3, 0.4]), null).tolist() == [1.0, 4 / 5, 3 / 5, 1 / 5]
    assert empirical_p(0.3, null) == 3 / 5


def test_empirical_p_values_are_uniform_under_the_null():
    values = drawn(8).normal(size=(400, 1000))
    p = np.array([empirical_p(row[0], row[1:]) for row in values])
    assert kstest(p, "uniform").pvalue > 1e-3


def test_the_example_of_benjamini_and_hochberg_rejects_the_four_that_they_reject():
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344]
    p += [0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    shuffled = drawn(9).permutation(15)
    q = benjamini_hochberg(np.array(p)[shuffled])
    assert sorted(shuffled[q <= 0.05]) == [0, 1, 2, 3]
    assert q[list(shuffled).index(3)] == pytest.approx(0.0095 * 15 / 4)
