"""What was found about a state, in words that its numbers bear."""

from interp.base import words
from interp.results.state import Knee, Transplant
from interp.studies.state.result import StateProfile
from interp.studies.state.verdict.limit import limit


def english(profile: StateProfile) -> str:
    """What it copies, where its bits stop growing, how many of the state's they are, and whether it is the state."""
    sentences = [_copies(profile), _stops(profile)]
    if limit(profile) != "none":
        sentences += [_bits(profile), _share_of_state(profile)]
    whole = whole_transplant(profile)
    return " ".join([*sentences, *([_carried(whole, limit(profile) != "none")] if whole else [])])


def whole_transplant(profile: StateProfile) -> Transplant | None:
    """The transplant of the whole state, if there was one."""
    return next((part for part in profile.transplant if part.kind == "whole"), None)


def _copies(profile: StateProfile) -> str:
    behaviour, at = profile.behaviour, profile.at_home
    letters = behaviour.letter_accuracy.mean(axis=1)
    found = f"It copies {_percent(profile.accuracy[at])} of strings of {_letters(profile.lengths[at])}"
    half = profile.half_length
    if half.value is None:
        return f"{found} ({_percent(float(letters[at]))} of their letters); {half.note}."
    right = _percent(float(letters[at]))
    return f"{found} ({right} of their letters); at {_with(half)} letters it has half of them right."


def _stops(profile: StateProfile) -> str:
    knee, found = profile.saturation_length, limit(profile)
    if found == "none":
        return f"Its answers use no bits of the string ({max(0.0, *profile.used.total):.2f} at most)."
    if found == "open":
        return f"The bits that it uses do not stop growing within {_letters(max(profile.lengths))}."
    if found == "early":
        return f"The bits that it uses have stopped growing at {_letters(min(profile.lengths))}, the fewest measured."
    trained = profile.behaviour.trained
    if found == "falls":
        return _falls(profile)
    stop = "The bits that it uses grow ever more slowly"
    if knee.value is not None:
        stop = f"The bits that it uses stop growing at {_with(knee)} letters, {knee.plateau:.0f} bits"
    if found in ("forgetting", "gradual"):
        at = f"({profile.used.total[-1]:.0f} at {_letters(profile.lengths[-1])})"
        slows = f"The bits that it uses grow ever more slowly {at}, with no bend"
        if found == "forgetting":
            return f"{slows}, and old letters are held less well than recent ones: it forgets, rather than being full."
        return f"{slows}, and old letters are held as well as recent ones: no mark of a full state."
    if found == "unsure":
        return f"{stop}; but {knee.note}."
    if found == "unwitnessed":
        read = f"{max(profile.held.most.total):.0f} bits at most, {profile.held.most.total[-1]:.0f} at the longest"
        return f"{stop}, and stay there; but what probes read does not ({read}): whether the state is full is open."
    if found == "training" and trained is not None:
        return (
            f"{stop}, no earlier than the trained lengths end ({trained[1]}): training alone may have set that limit."
        )
    if found == "unread":
        last = f"{profile.held.most.total[-1]:.0f} bits of {_letters(profile.lengths[-1])}"
        return f"{stop}, and stay there; but its state is not full, probes read {last}: what it holds is not fetched."
    return f"{stop}, and stay there, as does what probes read: the mark of a full state."


def _falls(profile: StateProfile) -> str:
    """A curve that falls has no plateau: what the state holds there says whether it is full or only not read."""
    trained, at, last = profile.behaviour.trained, profile.peak, profile.lengths[-1]
    within = trained is not None and last <= trained[1]
    beyond = f" (it was trained on up to {trained[1]})" if trained else ""
    why = "and that within the trained lengths" if within else "a failure to generalise in length"
    rise = f"The bits that it uses grow to {profile.used.total[at]:.0f} at {_letters(profile.lengths[at])}"
    fall = f"and fall to {profile.used.total[-1]:.0f} at {last}{beyond}: {why}"
    knee, there = profile.saturation_held, f"there probes still read {profile.bits_probe[-1]:.0f} bits"
    held = f", and what they read stops growing at {_with(knee)} letters" if knee.value is not None else ""
    return f"{rise} {fall}, not a full state alone; {there}{held}."


def _bits(profile: StateProfile) -> str:
    at = profile.peak
    held = f"its state holds {profile.bits_probe[at]:.0f} that probes can read"
    untrained = profile.held.untrained
    held += f" (untrained: {untrained.total[at]:.0f})" if untrained else ""
    used = f"it uses {profile.bits_recovered[at]:.0f} bits {words.named(profile.used.interval[at], 0)}"
    return f"At {_letters(profile.lengths[at])} {used} of the {profile.bits_needed[at]:.0f} needed; {held}."


def _share_of_state(profile: StateProfile) -> str:
    at = profile.peak
    share = profile.bits_recovered[at] / profile.state_bits[at]
    said = f"That is {_percent(share)} of the {profile.state_bits[at]:,.0f} bits of its state there"
    bits = profile.effective_size.fewest_bits[at]
    return f"{said}; {words.count(bits, 'bit')} per number would be enough." if bits else f"{said}."


def _carried(whole: Transplant, copies: bool) -> str:
    """Whether the whole state brings the other string's answer with it: it must, in any model."""
    where = f"As a check of the code, its state is swapped for that of another {whole.length}-letter string"
    exact = "its logits equal those of that string's own run"
    if whole.largest_difference:
        exact = f"its logits differ from those of that string's own run by {whole.largest_difference:.1g} at most"
    if not copies:
        return f"{where}: {exact}."
    return f"{where}: {exact} and {_percent(whole.follows_donor)} of the letters are that string's."


def _letters(n: int) -> str:
    return words.count(n, "letter")


def _with(knee: Knee) -> str:
    value = f"{knee.value:.1f}"
    return f"{value} {words.named(knee.interval, 1)}" if knee.interval else value


def _percent(share: float) -> str:
    if 0 < share < 0.0005:
        return f"{share:.2g}" if share < 1e-5 else f"{100 * share:.2g}%"
    if 0.9995 <= share < 1:
        return "over 99.9%"
    return f"{share:.1%}".replace(".0%", "%")
