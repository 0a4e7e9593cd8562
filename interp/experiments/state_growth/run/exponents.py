"""How the saturation length grows with the state: the exponent of a power law over a family, and its interval."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from scipy.stats import linregress
from scipy.stats import t as student

from interp.base.estimates import TAIL
from interp.base.interval import Interval
from interp.experiments.state_growth.result import Member
from interp.experiments.state_growth.verdict import bending

Exponent = tuple[float | None, Interval | None]
"""The exponent and its interval; None where there are too few members."""


def exponents(members: Sequence[Member]) -> tuple[Exponent, Exponent, Exponent]:
    """Fit the saturation length, and the most bits used, as powers of the numbers of state.

    Only members that bend count: the most bits of one that does not are those of the longest strings.

    Returns: exponents of the saturation length with the windows and without them, and of the most bits used. None for
        fewer than three members; without windows, also where there are none to leave out.
    """
    bent = bending(members)
    sizes = [member.state_floats for member in bent]
    bare = [member.state_floats - member.window_floats for member in bent]
    lengths = [cast(float, member.saturation_length.value) for member in bent]
    without = _exponent(bare, lengths) if bare != sizes else (None, None)
    return _exponent(sizes, lengths), without, _exponent(sizes, [member.most_bits for member in bent])


def _exponent(sizes: Sequence[int], values: Sequence[float]) -> Exponent:
    """The slope of log values over log sizes by least squares, and its interval from how far members lie off the line.

    Members are few, and other trainings or a law that is not a power law move them further than other strings do: an
    interval over strings would be much too narrow.
    """
    if len(sizes) < 3 or len(set(sizes)) < 2:
        return None, None
    line: Any = linregress(np.log(sizes), np.log(values))
    half, slope = float(student.ppf(1 - TAIL, len(sizes) - 2) * line.stderr), float(line.slope)
    return slope, Interval(slope - half, slope + half, "Student t")
