"""What stops the bits that a model uses of a string: its state, or something else."""

from typing import Literal

import numpy as np

from interp.base.estimates import LEVEL
from interp.measure.state.knee import SLACK
from interp.results.state import Bits, HeldBits, Knee, falls
from interp.studies.state.result import StateProfile

Limit = Literal[
    "none",
    "open",
    "early",
    "falls",
    "forgetting",
    "gradual",
    "unsure",
    "training",
    "unread",
    "unwitnessed",
    "full",
]
NOTHING = 1.0
"""Bits in all, below which nothing is used: the floor of a plateau."""
WITNESSED = 0.9
"""Probes that read less than this share of the bits that are used are too weak to say what the state holds."""
GROWS = 0.1
"""Share of the plateau of the bits used, or of their bend, by which what is held must go beyond it."""
FAR = 1.25
"""How many times the bits used the bits held must be where there is no plateau, so that both still grow a little."""
OLD = 0.5
"""Letters of the first third that hold less than this share of what those of the last third hold are forgotten."""


def limit(profile: StateProfile) -> Limit:
    """What stops the bits that a profile's model uses (`what_stops`)."""
    trained = profile.behaviour.trained
    return what_stops(
        profile.used,
        profile.held,
        profile.saturation_length,
        profile.saturation_held,
        profile.state_bits[-1] > profile.state_bits[0],
        None if trained is None else trained[1],
    )


def what_stops(
    used: Bits,
    held: HeldBits,
    used_stops: Knee,
    held_stops: Knee,
    state_grows: bool = False,
    trained: int | None = None,
) -> Limit:
    """What stops the bits that are used.

    none: there are none. open: they grow to the longest strings. early: they have stopped at the shortest. falls: they
    fall, which a full state does not explain; a model that does not generalise in length loses what its state could
    hold. forgetting: they grow ever more slowly, with no bend, and the letters read long ago are held less than recent
    ones: each letter that comes costs those before it something. gradual: they do so, and old letters are held as well
    as recent ones. unsure: whether they bend is not clear. training: they stop where the trained lengths end, which
    alone could do it. unread: they stop and stay, or grow ever more slowly, but the state grows with the string, or
    probes read more and more of it where the bits used have stopped, or far more than is used: it is not full, its
    letters are not fetched. unwitnessed: they stop and stay, but what probes read does not rise and
    stay with them, so that whether the state is full is not known. full: they stop and stay, and so does what is held.

    Args:
        used, held: bits at the same lengths.
        used_stops, held_stops: where the bits used stop growing, and the larger reading of the bits held.
        state_grows: whether the state has more bits at longer strings.
        trained: the longest trained length.
    """
    if max(used.total) < NOTHING:
        return "none"
    if falls(used):
        return "falls"
    if used_stops.kind == "late":
        return "open"
    if used_stops.kind in ("early", "nothing"):
        return "early"
    grows = state_grows or held_stops.kind == "late"
    if used_stops.kind == "smooth":
        if not grows and _old_letters_are_lost(held.held):
            return "forgetting"
        return "unread" if grows or _holds_far_more(held.most, used) else "gradual"
    if used_stops.kind != "bend" or used_stops.interval is None:
        return "unsure"
    if trained is not None and used_stops.interval.high >= trained:
        return "training"
    if grows or _goes_on(held.most, held_stops, used_stops):
        return "unread"
    witnessed = held_stops.kind in ("bend", "unclear") and held.most.total[-1] >= WITNESSED * used_stops.plateau
    return "full" if witnessed else "unwitnessed"


def _goes_on(held: Bits, held_stops: Knee, used_stops: Knee) -> bool:
    """Whether what is held still grows where the bits used have stopped: from the first length behind their bend to the
    longest by a tenth of their plateau, or up to a bend of its own that lies a tenth further; with the whole interval.
    """
    assert used_stops.value is not None and used_stops.interval is not None
    behind = next(i for i, length in enumerate(held.lengths) if length >= used_stops.value * (1 - SLACK))
    rise = np.quantile(held.draws[-1] - held.draws[behind], (1 - LEVEL) / 2)
    own = held_stops.interval
    later = own is not None and own.low > (1 + GROWS) * used_stops.interval.high
    return bool(rise > GROWS * used_stops.plateau) or later


def _holds_far_more(held: Bits, used: Bits) -> bool:
    """Whether probes read more than is used of the longest strings, by a quarter, with both intervals."""
    return held.interval[-1].low > FAR * used.interval[-1].high


def _old_letters_are_lost(held: Bits) -> bool:
    """Whether probes of single letters read the first third of the longest strings less well than the last."""
    by_position = held.by_position[-1][: held.lengths[-1]]
    third = max(1, len(by_position) // 3)
    return bool(by_position[:third].mean() < OLD * by_position[-third:].mean())
