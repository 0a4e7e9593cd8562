"""Whether a state is full, with the numbers that say so."""

from interp.studies.state.result import StateProfile
from interp.studies.state.verdict.limit import Limit, limit
from interp.studies.state.verdict.sentences import english, whole_transplant
from interp.studies.study import Answer, Evidence, Verdict

__all__ = ["Limit", "limit", "state_verdict"]

ANSWERS: dict[Limit, Answer] = {
    "none": "no",
    "open": "no",
    "early": "unsure",
    "falls": "unsure",
    "forgetting": "no",
    "gradual": "unsure",
    "unsure": "unsure",
    "training": "unsure",
    "unread": "no",
    "unwitnessed": "unsure",
    "full": "yes",
}
"""Whether the state is full, by what stops the bits that are used."""
CAVEATS: dict[Limit, str] = {
    "early": "the bits have stopped growing at the fewest letters that were measured",
    "falls": "bits that fall show no plateau: a failure to generalise in length looks alike",
    "gradual": "the bits grow ever more slowly without a bend",
    "unsure": "whether the bits bend is not clear",
    "training": "training alone may have set the limit",
    "unwitnessed": "what probes read does not rise and stay with the bits used",
}
"""What leaves the answer open, by what stops the bits that are used."""


def state_verdict(profile: StateProfile) -> Verdict:
    """Whether the state is full, and the numbers behind the answer."""
    found = limit(profile)
    caveats = (CAVEATS[found],) if found in CAVEATS else ()
    return Verdict(ANSWERS[found], _because(profile), caveats, english(profile))


def _because(profile: StateProfile) -> tuple[Evidence, ...]:
    home, at, knee = profile.at_home, profile.peak, profile.saturation_length
    strings, trained = profile.behaviour.string_correct.shape[1], profile.behaviour.trained
    here, there = (f"{profile.lengths[home]} letters",), (f"{profile.lengths[at]} letters",)
    letters = float(profile.behaviour.letter_accuracy[home].mean())
    half, held = profile.half_length, profile.held.held
    because = [
        Evidence("string_accuracy", profile.accuracy[home], n=strings, about=here),
        Evidence("letter_accuracy", letters, n=strings, about=here),
        Evidence("half_length", half.value, half.interval, threshold=0.5),
        Evidence("saturation_length", knee.value, knee.interval, threshold=float(trained[1]) if trained else None),
        Evidence("saturation_length_held", profile.saturation_held.value, profile.saturation_held.interval),
        Evidence("bits_used", profile.used.total[at], profile.used.interval[at], profile.bits_needed[at], about=there),
        Evidence("bits_held", held.total[at], held.interval[at], n=profile.held.strings[-1], about=there),
        Evidence("state_bits", profile.state_bits[at], about=there),
    ]
    whole = whole_transplant(profile)
    if whole is not None:
        about = (f"{whole.length} letters",)
        because.append(Evidence("follows_donor", whole.follows_donor, whole.donor_interval, about=about))
        because.append(Evidence("largest_logit_difference", whole.largest_difference, about=about))
    return tuple(because)
