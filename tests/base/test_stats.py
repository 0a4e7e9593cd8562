"""p-values against published examples and under the null."""

import numpy as np
import pytest
from scipy.stats import kstest

from interp.base.stats import benjamini_hochberg, empirical_p


def drawn(seed=0):
    return np.random.default_rng(seed)


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
