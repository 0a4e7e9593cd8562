"""How often the intervals cover: by method, share, number of strings, distribution and number of control sets.

By default a few cells of each table; `--runslow` runs all, and `-s` prints them: the table of docs/validation.md.
"""

import numpy as np
import pytest
from scipy import stats

from interp.base.estimates import (
    crossed_intervals,
    difference_intervals,
    mean_intervals,
    proportion_interval,
    share_intervals,
)

SAMPLES, LEAST = 1500, 0.93
"""Samples of each cell, and the least share of them that must be covered; less the error of the simulation itself."""
ERROR = 2.5 * np.sqrt(0.95 * 0.05 / SAMPLES)
SHARES = (0.5, 0.7, 0.9, 0.95, 0.97, 0.99, 0.995, 0.999)
SIZES = (48, 128, 512)


def right_or_wrong(rng, mean, shape):
    return (rng.random(shape) < mean).astype(float)


def broken_off(rng, mean, shape):
    """Letters right of strings that are right to the end, or break off anywhere and go on by chance."""
    breaks = rng.random(shape) < min(1.0, (1 - mean) / (0.5 * (1 - 1 / 26)))
    until = rng.random(shape)
    return np.where(breaks, until + (1 - until) / 26, 1.0)


def sharp(rng, mean, shape):
    """Attention that is all but 1 or all but 0."""
    return np.where(rng.random(shape) < (0.9999 - mean) / (0.9999 - 0.02), 0.02, 0.9999)


def each_letter(rng, mean, shape):
    return rng.binomial(20, mean, shape) / 20


def flat(rng, mean, shape):
    return rng.beta(2 * mean, 2 * (1 - mean), shape)


def two_humps(rng, mean, shape):
    return rng.beta(0.3 * mean, 0.3 * (1 - mean), shape)


def narrow(rng, mean, shape):
    return rng.beta(20 * mean, 20 * (1 - mean), shape)


def mostly_there(rng, mean, shape):
    """Four in five exactly at the mean, the others right or wrong."""
    return np.where(rng.random(shape) < 0.8, mean, rng.random(shape) < mean)


KINDS = (right_or_wrong, broken_off, sharp, each_letter, flat, two_humps, narrow, mostly_there)

UNBOUNDED = {
    "normal": (lambda rng, shape: rng.normal(size=shape), 0.0),
    "exponential": (lambda rng, shape: rng.exponential(size=shape), 1.0),
    "lognormal": (lambda rng, shape: rng.lognormal(0, 1, shape), np.exp(0.5)),
    "gamma of shape .3": (lambda rng, shape: rng.gamma(0.3, 1, shape), 0.3),
    "Student's t with 3 degrees": (lambda rng, shape: rng.standard_t(3, shape), 0.0),
    "one in five large": (
        lambda rng, shape: rng.normal(0, 0.1, shape) + (rng.random(shape) < 0.2) * rng.exponential(3, shape),
        0.6,
    ),
}


def percentile_bootstrap(rng, values, resamples=400):
    """What the intervals of means were before."""
    n = values.shape[-1]
    weights = rng.multinomial(n, np.full(n, 1 / n), resamples) / n
    return np.quantile(values @ weights.T, [0.025, 0.975], axis=-1)


def covered(low, high, truth):
    return float(((low <= truth + 1e-12) & (truth <= high + 1e-12)).mean())


def shares(sizes=SIZES, means=SHARES, kinds=KINDS):
    rng = np.random.default_rng(0)
    for kind in kinds:
        for mean in means:
            for n in sizes:
                if kind is broken_off and mean < 0.52:
                    continue
                values = kind(rng, mean, (SAMPLES, n))
                found = share_intervals(values)
                yield (kind.__name__, mean, n), covered(found.low, found.high, mean), values, mean


def show(title, rows):
    print(f"\n{title}")
    for name, new, old in rows:
        print("  ", name, f"{new:.3f} (before {old:.3f})")


@pytest.mark.slow
def test_means_of_shares_are_covered_whatever_their_distribution():
    rng, rows = np.random.default_rng(1), []
    for name, new, values, mean in shares():
        rows.append((name, new, covered(*percentile_bootstrap(rng, values[:400]), mean)))
    show("means of shares: Korn-Graubard, before percentile bootstrap", rows)
    assert min(new for _, new, _ in rows) > LEAST - ERROR


def test_means_of_shares_near_one_are_covered_and_the_bootstrap_does_not_cover_them():
    rng, before = np.random.default_rng(1), []
    for name, new, values, mean in shares((48, 128), (0.9, 0.99, 0.999), (right_or_wrong, broken_off, sharp)):
        assert new > LEAST - ERROR, name
        before.append(covered(*percentile_bootstrap(rng, values[:200]), mean))
    assert min(before) < 0.5


def exact(n, interval, means):
    """Coverage of a proportion's interval at each mean, added up over all counts."""
    ends = np.array([[*interval(k, n)] for k in range(n + 1)])
    chance = stats.binom.pmf(np.arange(n + 1), n, np.array(means)[:, None])
    inside = (ends[:, 0] <= np.array(means)[:, None]) & (np.array(means)[:, None] <= ends[:, 1])
    return (chance * inside).sum(axis=1)


def wilson(successes, trials):
    found = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return found.low, found.high


@pytest.mark.parametrize("n", [48, 128, pytest.param(512, marks=pytest.mark.slow)])
def test_a_count_is_covered_at_every_share_and_wilsons_interval_does_not_do_so(n):
    means = np.concatenate([np.linspace(0.5, 0.99, 50), 1 - np.geomspace(0.01, 0.001, 25)])
    new, old = (exact(n, interval, means).min() for interval in (proportion_interval, wilson))
    print(f"\ncounts of {n}: Clopper-Pearson {new:.3f}, Wilson {old:.3f}")
    assert new >= 0.95
    assert old < 0.91


@pytest.mark.parametrize(
    "n", [16, 48, pytest.param(128, marks=pytest.mark.slow), pytest.param(512, marks=pytest.mark.slow)]
)
def test_differences_of_right_and_wrong_are_covered(n):
    rng, found = np.random.default_rng(2), {}
    for before in (0.5, 0.9, 0.99, 0.999):
        for keep in (1.0, 0.999, 0.99, 0.95, 0.5, 0.01, 0.0):
            for gain in (0.0, 0.01, 0.3):
                one = rng.random((SAMPLES, n)) < before
                other = rng.random((SAMPLES, n)) < np.where(one, keep, gain)
                truth = before * keep + (1 - before) * gain - before
                interval = difference_intervals(one, other)
                found[before, keep, gain] = covered(interval.low, interval.high, truth)
    least = min(found, key=lambda case: found[case])
    print(f"\ndifferences of {n} pairs: Korn-Graubard {found[least]:.3f} at {least}")
    assert found[least] > LEAST - ERROR


@pytest.mark.parametrize("sets", [4, 6, 10])
@pytest.mark.parametrize("n", [48, pytest.param(192, marks=pytest.mark.slow)])
def test_means_over_control_sets_are_covered(sets, n):
    rng, samples = np.random.default_rng(3), 600
    for accuracy in (0.5, 0.9, 0.97):
        for of_sets, of_strings in ((0.0, 0.0), (0.0, 2.0), (0.5, 1.0), (0.5, 0.0)):
            logit = np.log(accuracy / (1 - accuracy))
            nodes, weights = np.polynomial.hermite_e.hermegauss(60)
            truth = (weights / (1 + np.exp(-logit - np.hypot(of_sets, of_strings) * nodes))).sum() / weights.sum()
            tilt = of_sets * rng.normal(size=(samples, sets, 1)) + of_strings * rng.normal(size=(samples, 1, n))
            right = rng.random((samples, sets, n)) < 1 / (1 + np.exp(-logit - tilt))
            interval = crossed_intervals(right)
            share = covered(interval.low, interval.high, truth)
            print(f"\n{sets} sets, {n} strings, mean {truth:.2f}, spread {of_sets}, {of_strings}: {share:.3f}")
            assert share > LEAST - 2.5 * np.sqrt(0.95 * 0.05 / samples)


@pytest.mark.parametrize("name", UNBOUNDED)
@pytest.mark.parametrize(
    "n", [48, pytest.param(128, marks=pytest.mark.slow), pytest.param(512, marks=pytest.mark.slow)]
)
def test_means_of_numbers_without_bounds_are_covered_also_where_they_are_skewed(name, n):
    draw, truth = UNBOUNDED[name]
    rng = np.random.default_rng(4)
    values = draw(rng, (SAMPLES, n))
    found = mean_intervals(values)
    new, old = covered(found.low, found.high, truth), covered(*percentile_bootstrap(rng, values[:400]), truth)
    show("numbers without bounds: Student t and Hall, before percentile bootstrap", [((name, n), new, old)])
    assert new > LEAST - ERROR
