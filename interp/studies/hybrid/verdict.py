"""What attention adds to a hybrid's recurrence, as an answer and in words."""

from collections.abc import Sequence

from interp.base import words
from interp.base.interval import Interval
from interp.results.hybrid import OutputAblation, RecurrentSize
from interp.results.state import StateAblation
from interp.studies.hybrid.result import HybridStudy
from interp.studies.study import Answer, Evidence, Verdict

FLOOR = 0.05
"""Letter accuracy that must be lost, with the whole interval, for something to count as doing anything."""
Cut = StateAblation | OutputAblation


def of(cuts: Sequence[Cut], name: str) -> Cut:
    """Return what was taken away under a name."""
    return next(cut for cut in cuts if cut.name == name)


def costs(cut: Cut) -> Answer:
    """Whether letters are lost without it: more than the floor (yes), less (no), with the whole interval, or unsure."""
    return "yes" if cut.interval.low > FLOOR else "no" if cut.interval.high < FLOOR else "unsure"


def hybrid_verdict(study: HybridStudy) -> Verdict:
    """Whether attention adds letters to what the recurrence remembers: all of them (yes), some (partly), none (no)."""
    return Verdict(answer(study), _evidence(study), _caveats(study), _says(study))


def answer(study: HybridStudy) -> Answer:
    """Judge by the memories: without either nothing may be left, or there was nothing to add to."""
    attention, recurrence = costs(of(study.memories, "attention")), costs(of(study.memories, "recurrence"))
    both = costs(of(study.memories, "both"))
    if both != "yes":
        return both
    if attention != "yes":
        return attention
    return "partly" if recurrence == "yes" else "yes"


def _evidence(study: HybridStudy) -> tuple[Evidence, ...]:
    both = of(study.memories, "both")
    about = (f"{both.length} letters",)
    n = None if both.letter_correct is None else len(both.letter_correct)
    found = [Evidence("letter_accuracy", both.letter_accuracy_before, n=n, about=about)]
    for what, cuts in (("memory", study.memories), ("output", study.outputs), ("memory_untrained", study.untrained)):
        for cut in cuts:
            drop = cut.letter_accuracy_before - cut.letter_accuracy_after
            found.append(Evidence(f"drop_without_{what}", drop, cut.interval, FLOOR, n, (cut.name, *about)))
            if what != "memory_untrained" and cut.control_mean is not None:
                at_random = f"control_letter_accuracy_{what}"
                found.append(Evidence(at_random, cut.control_mean, cut.control_interval, n=n, about=(cut.name, *about)))
    by_name = {head.name: head for head in study.heads.heads}
    for name in study.lookup:
        head = by_name[name]
        found.append(Evidence("lookup_score", head.score, head.interval, study.heads.floor, about=(name,)))
    for name in study.heads.of_role("gather"):
        head = by_name[name]
        floor = study.heads.gather_floor
        found.append(Evidence("gather_effect", head.gather_effect, head.gather_interval, floor, about=(name,)))
    size = study.size
    for quantity, fewest in (("bits_per_number", size.fewest_bits), ("directions", size.fewest_directions)):
        found.append(Evidence(f"fewest_{quantity}", None if fewest is None else float(fewest), about=about))
    return tuple(found)


def _caveats(study: HybridStudy) -> tuple[str, ...]:
    both, caveats = of(study.memories, "both"), []
    if costs(both) != "yes":
        caveats.append("it answers no letter from memory, so that there is nothing for attention to add to")
    if study.untrained and costs(of(study.untrained, "both")) == "yes":
        caveats.append("an untrained model of the same shape loses letters, too")
    if not any(head.kind != "attention" for head in study.heads.heads):
        caveats.append("its recurrent layers have no hidden attention, so that whether they gather was not measured")
    return tuple(caveats)


def _says(study: HybridStudy) -> str:
    attention, recurrence, both = (of(study.memories, name) for name in ("attention", "recurrence", "both"))
    right, where = words.percent(both.letter_accuracy_before), f"strings of {words.count(both.length, 'letter')}"
    if answer(study) == "no" and costs(both) == "no":
        return (
            f"It copies nothing: {right} of letters are right in {where}, with its memories or without. {_null(study)}"
        )
    found = [
        f"It gets {right} of letters right in {where}; {_left(attention)} when what attention remembers of them is "
        f"taken away, {_left(recurrence)} without what the recurrence remembers, {_left(both)} without both "
        f"(drops: {words.methods([attention.interval, recurrence.interval, both.interval])}).",
        _adds(study),
        _heads(study),
        _size(study.size),
        _null(study),
    ]
    return " ".join(filter(None, found))


def left(cut: Cut) -> Interval:
    """Return the interval of the letter accuracy that is left, within its bounds."""
    low, high, method = *cut.interval.below(cut.letter_accuracy_before), cut.interval.method
    return Interval(max(low, 0.0), min(high, 1.0), method)


def _left(cut: Cut) -> str:
    low, high = left(cut)
    return f"{words.percent(cut.letter_accuracy_after)} [{words.percent(low)}, {words.percent(high)}]"


def _adds(study: HybridStudy) -> str:
    """Who remembers, and what the recurrence does that remembers nothing."""
    found, recurrence = answer(study), costs(of(study.memories, "recurrence"))
    output = of(study.outputs, "recurrence")
    if found == "unsure":
        return "Whether attention adds anything is not clear."
    if found == "no":
        either = "So attention adds nothing that the recurrence does not remember, too: either memory is enough."
        return either if recurrence == "no" else "So attention adds nothing: the recurrence alone remembers the string."
    if found == "partly":
        return "So both remember letters, and each adds to the other."
    if recurrence == "unsure":
        return "So attention remembers the string; whether the recurrence remembers any of it is not clear."
    alone = "So attention alone remembers the string"
    match costs(output):
        case "yes":
            return f"{alone}; but it needs what the recurrence writes ({_left(output)} with that at its mean)."
        case "no":
            return f"{alone}, and what the recurrence writes is not needed."
        case _:
            return f"{alone}; whether it needs what the recurrence writes is not clear."


def _heads(study: HybridStudy) -> str:
    if not study.lookup:
        return "None of its attention heads looks up by the match."
    what = words.plural(len(study.lookup), "is a lookup head", "are lookup heads")
    said = f"{words.names(study.lookup)} {what}"
    if study.gathering:
        layers = words.names(f"layer {layer}" for layer in study.gathering)
        offsets = f" the letters {words.names(study.heads.set_offsets)} back" if study.heads.set_offsets else ""
        return f"{said}, for which the recurrence of {layers} gathers{offsets}."
    return f"{said}, and no recurrent layer was found to gather for {words.plural(len(study.lookup), 'it', 'them')}."


def _size(size: RecurrentSize) -> str:
    bits = (
        "more bits per number than were tried"
        if size.fewest_bits is None
        else f"{words.count(size.fewest_bits, 'bit')} per number"
    )
    kept = "more directions than were tried"
    if size.fewest_directions is not None:
        kept = words.count(size.fewest_directions, "direction")
    return (
        f"While attention stays, {bits}, or {kept}, of its {size.numbers:,} recurrent numbers would do at every step."
    )


def _null(study: HybridStudy) -> str:
    if not study.untrained:
        return ""
    cut = of(study.untrained, "both")
    drop = cut.letter_accuracy_before - cut.letter_accuracy_after
    return f"An untrained model of its shape loses {words.percent(drop)} without both."
