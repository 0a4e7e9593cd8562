"""A bend is told from a curve that merely slows down, on curves whose shape is known, whatever the lengths."""

import numpy as np
import pytest

from interp.measure.state.shapes import least_error, shape_of

GRIDS = [(2, 4, 8, 12, 16, 24, 32), (2, 3, 5, 8, 10, 13, 20, 30, 40), tuple(range(2, 25, 2)), (3, 6, 9, 13, 17, 26)]
SLOWING = {
    "a memory that forgets at a constant rate": lambda x: 60 * (1 - np.exp(-x / 8)),
    "a hyperbola": lambda x: 60 * x / (x + 8),
    "a hyperbolic tangent": lambda x: 60 * np.tanh(x / 13),
    "an arcus tangens, which is none of those tried": lambda x: 40 * np.arctan(x / 9),
}


def _measured(curve, lengths, noise, seed=0):
    rng, lengths = np.random.default_rng(seed), np.array(lengths, dtype=float)
    bits = curve(lengths) + rng.normal(0, noise, len(lengths))
    return lengths, bits, bits[:, None] + rng.normal(0, noise, (len(lengths), 300))


@pytest.mark.parametrize("lengths", GRIDS)
@pytest.mark.parametrize("noise", [0.01, 0.3])
def test_a_line_that_bends_is_bent(lengths, noise):
    assert shape_of(*_measured(lambda x: np.minimum(4.7 * x, 60), lengths, noise)) == "bent"


@pytest.mark.parametrize("lengths", GRIDS)
@pytest.mark.parametrize("curve", SLOWING.values(), ids=SLOWING)
def test_a_curve_that_slows_down_is_smooth(lengths, curve):
    assert shape_of(*_measured(curve, lengths, 0.1)) == "smooth"


def test_what_noise_hides_is_unclear():
    found = [shape_of(*_measured(lambda x: 60 * np.tanh(x / 13), (4, 12, 20), 4.0, seed)) for seed in range(8)]
    assert found.count("unclear") >= 6


def test_the_least_error_is_that_of_a_search_over_both_scales():
    lengths = np.array([2.0, 5, 9, 20])
    bits = np.array([7.0, 20, 31, 33])
    gains, scales = np.meshgrid(np.linspace(20, 50, 301), np.geomspace(2, 40, 301))
    errors = ((bits - gains[..., None] * np.tanh(lengths / scales[..., None])) ** 2).sum(axis=-1)
    assert least_error(lengths, bits[None], np.tanh)[0] == pytest.approx(errors.min(), rel=0.02)
