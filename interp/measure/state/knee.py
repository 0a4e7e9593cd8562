"""Where a curve over lengths bends: min(a L, c) fitted to bits, and a falling curve fitted to letter accuracy."""

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares

from interp.base.errors import UserError
from interp.base.stats import LEVEL
from interp.results.accuracy import LengthAccuracy
from interp.results.state import Bits, Knee, falls

FLOOR = 1.0
"""Bits below which a plateau counts as none: noise of a few tenths of a bit bends, too."""
SLACK = 0.01
"""Share by which a bend may miss a length and still count as being there."""
LATE = "the bits still grow at the longest lengths: measure longer strings"
EARLY = "the bits have stopped growing at the shortest length: measure shorter strings"
RISING = 0.1
"""Share of the slope: bits that still grow by more, from the last length but one to the last, have no plateau yet."""
Curve = Float[np.ndarray, " length"]


def knee(bits: Bits) -> Knee:
    """The saturation length: c / a of the least-squares fit of min(a L, c) to the bits over lengths.

    The interval comes from fitting every bootstrap resample. A plateau takes two lengths to see: a curve that bends
    only behind the last but one has no saturation length within what was measured, since a single lower point is as
    well noise, or a slope that begins to flag; and bits that still grow at the last length, with their whole interval
    and by a tenth of the slope, have not reached one. A curve that has already bent at the shortest length has none
    either, for its slope was not seen; nor has one that falls (`interp.results.state.falls`).

    Raises: UserError for fewer than three lengths.
    """
    lengths = np.array(bits.lengths, dtype=float)
    if len(lengths) < 3:
        raise UserError(f"a bend takes three lengths or more to see; got {len(lengths)}.")
    slope, plateau, unseen = _fit(lengths, np.array(bits.total))
    if max(bits.total) < FLOOR:
        return Knee(None, None, slope, plateau, f"fewer than {FLOOR:g} bit at any length")
    if falls(bits):
        most, at = max(bits.total), bits.lengths[int(np.argmax(bits.total))]
        return Knee(
            None, None, slope, plateau, f"the bits fall to {bits.total[-1]:.1f}, from {most:.1f} at {at} letters"
        )
    if not unseen and _still_rises(lengths, bits.draws, slope):
        unseen = LATE
    if unseen:
        return Knee(None, None, slope, plateau, unseen)
    fits = [_fit(lengths, draw) for draw in bits.draws.T]
    values = np.array([{"": c / a, EARLY: -np.inf, LATE: np.inf}[why] for a, c, why in fits])
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="nearest")
    if not np.isfinite([low, high]).all():
        return Knee(plateau / slope, None, slope, plateau, "in some resamples there is no bend")
    return Knee(plateau / slope, (float(low), float(high)), slope, plateau)


def half_length(accuracy: LengthAccuracy, alphabet: int, seed: int = 0, resamples: int = 400) -> Knee:
    """The length at which letter accuracy crosses a half, from 1/D + (1 - 1/D) / (1 + (L / m)^s) fitted to it.

    `slope` is s, `plateau` the fitted m. The interval is from resampled strings.
    """
    if alphabet <= 2:
        return Knee(None, None, 0.0, 0.0, "half of the letters of two are right by chance")
    lengths = np.array(accuracy.lengths, dtype=float)
    letters = np.asarray(accuracy.letter_accuracy, dtype=float)
    means = letters.mean(axis=1)
    middle, steep = _fit_fall(lengths, means, 1 / alphabet)
    value = _half(middle, steep, 1 / alphabet)
    if means.min() > 0.5 or means.max() < 0.5:
        side = "above" if means.min() > 0.5 else "below"
        return Knee(None, None, steep, middle, f"letter accuracy stays {side} a half at all measured lengths")
    rng, n = np.random.default_rng(seed), letters.shape[1]
    weights = rng.multinomial(n, np.full(n, 1 / n), (resamples, len(lengths))) / n
    draws = np.einsum("rls,ls->rl", weights, letters)
    halves = [_half(*_fit_fall(lengths, draw, 1 / alphabet), 1 / alphabet) for draw in draws]
    low, high = np.quantile(halves, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Knee(value, (float(low), float(high)), steep, middle)


def _fit(lengths: Curve, bits: Curve) -> tuple[float, float, str]:
    """(a, c, why the bend is not seen, if so): the best of all ways to give the first lengths to the slope, the rest to
    the plateau."""
    slope = float(lengths @ bits / (lengths @ lengths))
    best = (float(((bits - slope * lengths) ** 2).sum()), slope, slope * float(lengths[-1]), LATE)
    for n in range(1, len(lengths)):
        a = float(lengths[:n] @ bits[:n] / (lengths[:n] @ lengths[:n]))
        c = float(bits[n:].mean())
        if a <= 0:
            continue
        error = float(((bits - np.minimum(a * lengths, c)) ** 2).sum())
        late = c / a > lengths[-2] * (1 + SLACK)
        unseen = LATE if late else EARLY if c / a < lengths[0] * (1 + SLACK) else ""
        if error < best[0] * (1 - 1e-9) - 1e-18:
            best = (error, a, c, unseen)
    return best[1:]


def _still_rises(lengths: Curve, draws: Float[np.ndarray, "length resample"], slope: float) -> bool:
    rise = np.quantile(draws[-1] - draws[-2], (1 - LEVEL) / 2)
    return bool(rise > RISING * slope * (lengths[-1] - lengths[-2]))


def _fit_fall(lengths: Curve, accuracy: Curve, chance: float) -> tuple[float, float]:
    """(m, s) of the falling curve; s at least 0.1."""

    def residual(x: Float[np.ndarray, "2"]) -> Curve:
        return _falling(lengths, np.exp(x[0]), np.exp(x[1]), chance) - accuracy

    start = np.interp(-(1 + chance) / 2, -accuracy, lengths) if (np.diff(accuracy) <= 0).all() else np.median(lengths)
    bounds = ([np.log(0.1), np.log(0.1)], [np.log(100 * lengths[-1]), np.log(100.0)])
    middle, steep = least_squares(residual, [np.log(start), np.log(4.0)], bounds=bounds).x
    return float(np.exp(middle)), float(np.exp(steep))


def _falling(lengths: Curve, middle: float, steep: float, chance: float) -> Curve:
    return chance + (1 - chance) / (1 + (lengths / middle) ** steep)


def _half(middle: float, steep: float, chance: float) -> float:
    """Where the falling curve is a half."""
    return float(middle * ((1 - chance) / (0.5 - chance) - 1) ** (1 / steep))
