"""Whether a curve over lengths bends or merely slows down: a bent line held against smooth saturations.

Every shape is c g(L / m): a scale in length, a scale in bits, and no other parameter, so the shapes can be compared by
how well they fit. `bent` is min(x, 1): what a state that is full looks like. The smooth ones grow ever more slowly: a
memory that forgets at a constant rate gives 1 - exp(-x) exactly.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from jaxtyping import Float

from interp.base.estimates import LEVEL

Curve = Float[np.ndarray, " length"]
Shape = Literal["bent", "smooth", "unclear"]


def _rounded(power: float) -> Callable[[np.ndarray], np.ndarray]:
    """A bend that is rounded off: the more, the lower the power; the bent line is its limit."""
    return lambda x: x / (1 + x**power) ** (1 / power)


BENT: Callable[[np.ndarray], np.ndarray] = lambda x: np.minimum(x, 1.0)  # noqa: E731
SMOOTH: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "exponential": lambda x: -np.expm1(-x),
    "hyperbolic tangent": np.tanh,
    "hyperbola": _rounded(1.0),
    "rounded twice": _rounded(2.0),
}
SCALES = 400
"""Values of m that are tried, evenly on a log scale; c follows by linear least squares."""
BEYOND = 30.0
"""The largest m that is tried, in longest measured lengths; the smallest is the shortest over as much."""


def shape_of(lengths: Curve, bits: Curve, draws: Float[np.ndarray, "length resample"]) -> Shape:
    """Whether the bent line or a smooth curve fits better: in the bits, and in 95 % of the resamples of the strings.

    Args:
        lengths: letters.
        bits: at each length.
        draws: the same over bootstrap resamples.
    """
    curves = np.concatenate([bits[None], draws.T])
    bent = least_error(lengths, curves, BENT)
    smooth = np.min([least_error(lengths, curves, shape) for shape in SMOOTH.values()], axis=0)
    share = float((bent[1:] < smooth[1:]).mean())
    if bent[0] < smooth[0] and share >= LEVEL:
        return "bent"
    return "smooth" if bent[0] > smooth[0] and share <= 1 - LEVEL else "unclear"


def least_error(
    lengths: Curve, curves: Float[np.ndarray, "curve length"], shape: Callable[[np.ndarray], np.ndarray]
) -> Float[np.ndarray, " curve"]:
    """Sum of squared residuals of each curve about its best c g(L / m)."""
    scales = np.geomspace(lengths[0] / BEYOND, lengths[-1] * BEYOND, SCALES)
    values = shape(lengths / scales[:, None])
    gains = curves @ values.T / (values**2).sum(axis=1)
    errors = (curves**2).sum(axis=1, keepdims=True) - gains**2 * (values**2).sum(axis=1)
    return errors.min(axis=1).clip(min=0)
