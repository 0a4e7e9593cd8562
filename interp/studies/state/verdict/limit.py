"""What stops the bits that a model uses of a string: its state, or something else."""

from typing import Literal

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
OLD = 0.5
"""Letters of the first third that hold less than this share of what those of the last third hold are forgotten."""


def limit(profile: StateProfile) -> Limit:
    """What stops the bits that are used.

    none: there are none. open: they grow to the longest strings. early: they have stopped at the shortest. falls: they
    fall, which a full state does not explain; a model that does not generalise in length loses what its state could
    hold. forgetting: they grow ever more slowly, with no bend, and the letters read long ago are held less than recent
    ones: each letter that comes costs those before it something. gradual: they do so, and old letters are held as well
    as recent ones. unsure: whether they bend is not clear. training: they stop where the trained lengths end, which
    alone could do it. unread: they stop and stay, but the state grows with the string, or probes read ever more of it:
    it is not full, its letters are not fetched. unwitnessed: they stop and stay, but what probes read does not rise and
    stay with them, so that whether the state is full is not known. full: they stop and stay, and so does what is held.
    """
    knee, trained = profile.saturation_length, profile.behaviour.trained
    if max(profile.used.total) < NOTHING:
        return "none"
    if profile.used_falls:
        return "falls"
    if knee.kind == "late":
        return "open"
    if knee.kind in ("early", "nothing"):
        return "early"
    grows = profile.state_bits[-1] > profile.state_bits[0] or profile.saturation_held.kind == "late"
    if knee.kind == "smooth":
        return "unread" if grows else "forgetting" if _old_letters_are_lost(profile) else "gradual"
    if knee.kind != "bend" or knee.interval is None:
        return "unsure"
    if trained is not None and knee.interval[1] >= trained[1]:
        return "training"
    if grows:
        return "unread"
    held = profile.held.most
    witnessed = profile.saturation_held.kind in ("bend", "unclear") and held.total[-1] >= WITNESSED * knee.plateau
    return "full" if witnessed else "unwitnessed"


def _old_letters_are_lost(profile: StateProfile) -> bool:
    """Whether probes of single letters read the first third of the longest strings less well than the last."""
    by_position = profile.held.held.by_position[-1][: profile.lengths[-1]]
    third = max(1, len(by_position) // 3)
    return bool(by_position[:third].mean() < OLD * by_position[-third:].mean())
