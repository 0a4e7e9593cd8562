"""Where a curve over lengths bends: min(a L, c) fitted to bits, and a falling curve fitted to letter accuracy."""

from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares

from interp.base.errors import UserError
from interp.base.estimates import TAIL, percentile_interval, resampled
from interp.measure.state.shapes import shape_of
from interp.results.accuracy import LengthAccuracy
from interp.results.state import Bits, Knee, KneeKind, falls

FLOOR = 1.0
"""Bits below which a plateau counts as none: noise of a few tenths of a bit bends, too."""
SLACK = 0.01
"""Share by which a bend may miss a length and still count as being there."""
NOTES = {
    "late": "the bits still grow at the longest lengths: measure longer strings",
    "early": "the bits have stopped growing at the shortest length: measure shorter strings",
    "smooth": "the bits grow ever more slowly, as a smooth curve does; they have no bend",
    "unclear": "a smooth curve fits the bits as well as one with a bend: measure more lengths, or more strings",
    "unsure": "in some resamples there is no bend",
    "nothing": f"fewer than {FLOOR:g} bit at any length",
}
RISING = 0.1
"""Share of the slope: bits that still grow by more, from the last length but one to the last, have no plateau yet."""
Curve = Float[np.ndarray, " length"]
Unseen = Literal["late", "early"] | None


def knee(bits: Bits, seed: int = 0) -> Knee:
    """The saturation length: c / a of the least-squares fit of min(a L, c) to the bits over lengths.

    A plateau needs two lengths to be seen: a curve that bends only behind the last but one has no saturation length
    within what was measured, since a single lower point is as well noise, or a slope that begins to flag; and bits that
    still grow at the last length, with their whole interval and by a tenth of the slope, have not reached one. A curve
    that has already bent at the shortest length has none either, for its slope was not seen; nor has one that falls
    (`interp.results.state.falls`), nor one that a smooth saturation fits better than a bent line (`shapes.shape_of`).

    The interval comes from fitting every bootstrap resample, with as much noise added at each length as the line misses
    the bits by, beyond what the strings explain: so it is wide where the line is wrong.

    Args:
        bits: at three lengths or more.
        seed: draws the noise of the misfit.

    Raises: UserError for fewer than three lengths.
    """
    lengths = np.array(bits.lengths, dtype=float)
    if len(lengths) < 3:
        raise UserError(f"bits must be known at three lengths at least; got {len(lengths)}.")
    total = np.array(bits.total)
    slope, plateau, unseen = _fit(lengths, total)
    if max(bits.total) < FLOOR:
        return _without(slope, plateau, "nothing")
    if falls(bits):
        most, at = max(bits.total), bits.lengths[int(np.argmax(bits.total))]
        note = f"the bits fall to {bits.total[-1]:.1f}, from {most:.1f} at {at} letters"
        return Knee(None, None, slope, plateau, "falls", note)
    if unseen is None and _still_rises(lengths, bits.draws, slope):
        unseen = "late"
    if unseen is not None:
        return _without(slope, plateau, unseen)
    shape = shape_of(lengths, total, bits.draws)
    if shape == "smooth":
        return _without(slope, plateau, "smooth")
    misfit = _misfit(lengths, bits, slope, plateau, np.random.default_rng(seed))
    fits = [_fit(lengths, draw) for draw in (bits.draws + misfit).T]
    values = np.array([{None: c / a, "early": -np.inf, "late": np.inf}[why] for a, c, why in fits])
    interval = percentile_interval(values)
    if not np.isfinite([*interval]).all():
        return Knee(plateau / slope, None, slope, plateau, "unsure", NOTES["unsure"])
    kind = "bend" if shape == "bent" else "unclear"
    return Knee(plateau / slope, interval, slope, plateau, kind, NOTES.get(kind, ""))


def _without(slope: float, plateau: float, kind: KneeKind) -> Knee:
    return Knee(None, None, slope, plateau, kind, NOTES[kind])


def _misfit(
    lengths: Curve, bits: Bits, slope: float, plateau: float, rng: np.random.Generator
) -> Float[np.ndarray, "length resample"]:
    """Noise of the size by which the bits miss the line, less what resampling the strings moves them by anyway."""
    residual = np.array(bits.total) - np.minimum(slope * lengths, plateau)
    free = len(lengths) - 2
    excess = max(0.0, float((residual**2).sum()) / free - float(bits.draws.var(axis=1).mean()))
    return np.sqrt(excess) * rng.standard_t(free, bits.draws.shape)


def half_length(accuracy: LengthAccuracy, alphabet: int, seed: int = 0, resamples: int = 400) -> Knee:
    """The length at which letter accuracy crosses a half, from 1/D + (1 - 1/D) / (1 + (L / m)^s) fitted to it.

    `slope` is s, `plateau` the fitted m. The interval is from resampled strings.
    """
    if alphabet <= 2:
        return Knee(None, None, 0.0, 0.0, "nothing", "half of the letters of two are right by chance")
    lengths = np.array(accuracy.lengths, dtype=float)
    letters = np.asarray(accuracy.letter_accuracy, dtype=float)
    means = letters.mean(axis=1)
    middle, steep = _fit_fall(lengths, means, 1 / alphabet)
    value = _half(middle, steep, 1 / alphabet)
    if means.min() > 0.5 or means.max() < 0.5:
        side, kind = ("above", "late") if means.min() > 0.5 else ("below", "early")
        return Knee(None, None, steep, middle, kind, f"letter accuracy stays {side} a half at all measured lengths")
    rng = np.random.default_rng(seed)
    draws = np.stack([resampled(len(row), rng, resamples) @ row for row in letters], axis=1)
    halves = [_half(*_fit_fall(lengths, draw, 1 / alphabet), 1 / alphabet) for draw in draws]
    return Knee(value, percentile_interval(np.array(halves)), steep, middle)


def _fit(lengths: Curve, bits: Curve) -> tuple[float, float, Unseen]:
    """(a, c, why the bend is not seen, or None), the best of all ways to give the first lengths to the slope and the
    rest to the plateau."""
    slope = float(lengths @ bits / (lengths @ lengths))
    best = (float(((bits - slope * lengths) ** 2).sum()), slope, slope * float(lengths[-1]), "late")
    for n in range(1, len(lengths)):
        a = float(lengths[:n] @ bits[:n] / (lengths[:n] @ lengths[:n]))
        c = float(bits[n:].mean())
        if a <= 0:
            continue
        error = float(((bits - np.minimum(a * lengths, c)) ** 2).sum())
        late = c / a > lengths[-2] * (1 + SLACK)
        unseen = "late" if late else "early" if c / a < lengths[0] * (1 + SLACK) else None
        if error < best[0] * (1 - 1e-9) - 1e-18:
            best = (error, a, c, unseen)
    return best[1:]


def _still_rises(lengths: Curve, draws: Float[np.ndarray, "length resample"], slope: float) -> bool:
    rise = np.quantile(draws[-1] - draws[-2], TAIL)
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
