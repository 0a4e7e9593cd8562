"""Intervals against scipy, closed forms and published values, and at the edges: one string, equal strings, no numbers.

How often they cover is in `test_coverage`.
"""

import math

import numpy as np
import pytest
from scipy import stats

from interp.base.errors import UserError
from interp.base.estimates import (
    crossed_interval,
    difference_interval,
    difference_intervals,
    mean_interval,
    mean_intervals,
    percentile_interval,
    proportion_interval,
    resampled,
    share_interval,
    share_intervals,
    student_interval,
    student_intervals,
)

T, Z = stats.t.ppf(0.975, 47), stats.norm.ppf(0.975)


def drawn(seed=0):
    return np.random.default_rng(seed)


def ends(interval):
    return pytest.approx(tuple(interval), abs=1e-9)


@pytest.mark.parametrize("successes", [0, 1, 17, 47, 48])
def test_a_count_has_the_exact_interval_the_test_of_which_it_inverts(successes):
    low, high = proportion_interval(successes, 48)
    if successes:
        assert stats.binom.sf(successes - 1, 48, low) == pytest.approx(0.025)
    else:
        assert low == 0
    if successes < 48:
        assert stats.binom.cdf(successes, 48, high) == pytest.approx(0.025)
    else:
        assert high == 1


def test_a_count_has_the_published_interval():
    assert tuple(proportion_interval(81, 263)) == pytest.approx((0.2527, 0.3676), abs=1e-4), "Newcombe 1998, table I"
    assert tuple(proportion_interval(0, 20)) == pytest.approx((0.0, 0.1684), abs=1e-4), "Newcombe 1998, table I"


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (-1, 5), (6, 5)])
def test_a_count_that_is_none_is_refused(successes, trials):
    with pytest.raises(UserError, match="successes must be"):
        proportion_interval(successes, trials)


@pytest.mark.parametrize("right", [0, 1, 24, 40, 47, 48])
def test_shares_of_0_and_1_have_the_limits_of_a_count_at_the_number_of_strings_that_the_variance_leaves(right):
    n = 48 * 49 / 50 * (Z / T) ** 2  # a sample of 50 with both ends, whose variance is 50/49 p (1 - p)
    x = right / 48 * n
    low, high = share_interval(np.arange(48) < right)
    assert low == pytest.approx(stats.beta.ppf(0.025, x, n - x + 1) if right else 0, abs=1e-12)
    assert high == pytest.approx(stats.beta.ppf(0.975, x + 1, n - x) if right < 48 else 1, abs=1e-12)
    exact = proportion_interval(right, 48)
    assert low <= exact.low + 1e-12
    assert high >= exact.high - 1e-12
    assert high - low < 1.1 * (exact.high - exact.low)


def test_shares_that_vary_little_are_known_better_than_right_or_wrong_but_not_as_if_none_could_fail():
    values = drawn().normal(0.95, 0.01, 400).clip(0, 1)
    low, high = share_interval(values)
    right_or_wrong = proportion_interval(380, 400)
    assert low < values.mean() < high
    assert high - low < 0.5 * (right_or_wrong.high - right_or_wrong.low)
    assert high - low > 4 * 1.96 * 0.01 / math.sqrt(400)


def test_many_shares_in_the_middle_have_the_interval_of_the_normal_mean():
    values = drawn(1).random(20_000)
    low, high = share_interval(values)
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02 * half)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_strings_that_are_all_right_or_all_wrong_leave_room_on_the_other_side(value):
    low, high = share_interval(np.full(64, value))
    assert value in (low, high)
    assert high - low == pytest.approx(1 - 0.025 ** (1 / 64), rel=0.1)


def test_one_string_says_nothing_and_two_hardly_anything():
    assert tuple(share_interval(np.ones(1))) == (0.0, 1.0)
    assert tuple(difference_interval(np.ones(1), np.zeros(1))) == (-1.0, 1.0)
    low, high = share_interval(np.ones(2))
    assert low < 0.1
    assert high == 1.0


def test_each_row_has_the_interval_that_it_has_alone():
    values = drawn(2).random((2, 3, 40))
    for several, one in ((share_intervals, share_interval), (mean_intervals, mean_interval)):
        found = several(values)
        assert found.low.shape == found.high.shape == (2, 3)
        assert found[1, 2] == one(values[1, 2])
    assert student_intervals(values)[0, 1] == student_interval(values[0, 1])
    found = difference_intervals(values, values[::-1])
    assert found[0, 1] == difference_interval(values[0, 1], values[1, 1])


def test_shares_turned_round_have_the_interval_turned_round():
    values = drawn(3).random(30) ** 0.1
    low, high = share_interval(values)
    assert tuple(share_interval(1 - values)) == pytest.approx((1 - high, 1 - low))


def test_differences_change_sign_with_the_order_and_know_pairs_better():
    before = drawn(4).beta(0.5, 0.5, 200)
    after = (before - 0.02).clip(0, 1)
    found = difference_interval(before, after)
    assert tuple(difference_interval(after, before)) == ends((-found.high, -found.low))
    assert -0.04 < found.low < -0.01 < 0 < found.high + 0.02
    assert found.high - found.low < 0.3 * sum(b - a for a, b in (share_interval(before), share_interval(after)))


def test_a_drop_from_all_to_nothing_keeps_an_interval_of_some_width():
    right = np.ones(50, dtype=bool)
    low, high = difference_interval(right, ~right)
    assert low == -1.0
    assert -1.0 < high < -0.8
    low, high = difference_interval(right, right)
    assert low < 0 < high
    assert high == pytest.approx(-low)


def test_a_single_set_after_another_adds_nothing_where_all_sets_are_the_same():
    strings = drawn(5).random(60)
    alike = crossed_interval(np.stack([strings] * 6))
    assert tuple(alike) == ends(share_interval(strings))
    assert alike.method == "Korn-Graubard over sets and strings"


def test_sets_that_differ_widen_the_interval_to_student_t_of_the_sets():
    sets = np.linspace(0.3, 0.7, 5)
    low, high = crossed_interval(np.stack([np.full(5000, s) for s in sets]))
    assert (low, high) == pytest.approx(tuple(student_interval(sets)), abs=0.02)


def test_sets_and_strings_that_are_all_right_leave_what_their_strings_leave():
    assert tuple(crossed_interval(np.ones((4, 48)))) == ends(share_interval(np.ones(48)))


def test_student_t_is_that_of_scipy():
    values = drawn(6).normal(3, 2, 7)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert tuple(student_interval(values)) == pytest.approx((expected.low, expected.high))


def test_numbers_without_skew_have_students_interval_and_others_reach_further_to_the_side_of_the_tail():
    even = np.concatenate([np.arange(1.0, 30), -np.arange(1.0, 30)])
    assert tuple(mean_interval(even)) == pytest.approx(tuple(student_interval(even)), rel=1e-3)
    skewed = drawn(7).lognormal(0, 1, 100)
    found, plain = mean_interval(skewed), student_interval(skewed)
    assert found.low == plain.low
    assert found.high > plain.high
    assert tuple(mean_interval(-skewed)) == ends((-found.high, -found.low))


def test_halls_interval_is_where_his_transformation_reaches_students_quantile():
    values = drawn(8).exponential(1.0, 40)
    n, skewness = len(values), float(stats.skew(values))
    x = (values.mean() - mean_interval(values).high) / values.std(ddof=1)
    transformed = x + skewness * x**2 / 3 + skewness**2 * x**3 / 27 + skewness / (6 * n)
    assert transformed * math.sqrt(n) == pytest.approx(-stats.t.ppf(0.975, n - 1))


def test_equal_numbers_have_an_interval_of_no_width_exactly_there():
    assert tuple(mean_interval(np.full(30, 0.1))) == tuple(student_interval(np.full(30, 0.1))) == (0.1, 0.1)
    found = mean_intervals(np.array([[0.1] * 7, [0.0, 1.0] * 3 + [1.0]]))
    assert found.low[0] == found.high[0] == 0.1
    assert found.low[1] < found.high[1]


@pytest.mark.parametrize("values", [np.ones(1), np.array([1.0, np.nan]), np.array([1.0, np.inf]), np.ones((3, 0))])
def test_too_few_or_unknown_numbers_have_no_interval(values):
    for interval in (mean_intervals, student_intervals):
        with pytest.raises(UserError, match="at least two finite numbers"):
            interval(values)


@pytest.mark.parametrize("values", [np.array([0.5, 1.1]), np.array([-0.01, 0.5]), np.array([0.5, np.nan]), np.ones(0)])
def test_what_is_no_share_has_no_interval(values):
    with pytest.raises(UserError, match="share"):
        share_intervals(values)
    with pytest.raises(UserError, match="share"):
        difference_intervals(np.zeros(len(values)), values)


def test_shares_of_single_precision_may_round_above_one():
    assert share_interval(np.full(8, 1 + 1e-6)) == share_interval(np.ones(8))


@pytest.mark.parametrize("shape", [(1, 5), (5, 1)])
def test_one_set_or_one_string_is_not_two(shape):
    with pytest.raises(UserError, match="two sets and two strings"):
        crossed_interval(np.ones(shape))


def test_resamples_draw_each_string_once_on_average_and_the_same_seed_draws_them_again():
    weights = resampled(40, seed=3)
    assert weights.shape == (2000, 40)
    assert weights.sum(axis=1) == pytest.approx(1)
    assert weights.mean(axis=0) == pytest.approx(1 / 40, abs=0.005)
    assert (weights == resampled(40, np.random.default_rng(3))).all()
    assert (weights != resampled(40, seed=4)).any()


def test_the_percentile_interval_ends_on_resamples_and_names_its_method():
    found = percentile_interval(np.array([3] * 10 + [4] * 980 + [7] * 10))
    assert (found.low, found.high, found.method) == (4.0, 4.0, "percentile bootstrap")


def test_every_interval_has_the_name_of_its_method():
    named = {
        "Clopper-Pearson": proportion_interval(3, 4),
        "Korn-Graubard": share_interval(np.ones(4)),
        "Student t": student_interval(np.arange(4.0)),
        "Student t and Hall": mean_interval(np.arange(4.0)),
    }
    assert all(interval.method == name for name, interval in named.items())
    assert difference_interval(np.ones(4), np.ones(4)).method == "Korn-Graubard"


def test_what_is_left_after_a_drop_has_the_ends_exchanged():
    left = proportion_interval(3, 4).below(1.0)
    assert tuple(left) == ends(proportion_interval(1, 4))
    assert left.method == "Clopper-Pearson"
