"""Whether a model writes backwards by looking behind the letter due, as an answer and in words."""

from interp.base import words
from interp.base.estimates import difference_interval, proportion_interval, share_interval
from interp.base.interval import Interval
from interp.results.ablation import AblationResult
from interp.results.backwards import BackwardHead
from interp.studies.backwards.result import BackwardsStudy
from interp.studies.study import Answer, Evidence, Verdict

FLOOR = 0.05
"""Letter accuracy that must be lost, with the whole interval, for the heads to count as doing anything."""
LEFT = 0.2
"""Share of what a model gets right above guessing that may be left without its heads, for these to be how it writes."""
SERVES = 0.5
"""Mean attention to a head's own place from which on it serves a letter."""


def backwards_verdict(study: BackwardsStudy, caveats: tuple[str, ...] = ()) -> Verdict:
    """Whether heads do induction backwards, and little is right without them: all that it writes (yes), some (partly),
    nothing (no).

    Args:
        study: what was found.
        caveats: what else limits the answer, each a clause.
    """
    caveats = (*caveats, *_caveats(study))
    text = " ".join([*_says(study), *(f"But {caveat}." for caveat in caveats)])
    return Verdict(answer(study), _evidence(study), caveats, text)


def answer(study: BackwardsStudy) -> Answer:
    """Judge by the letters that all flagged heads together cost, and by how near to guessing the rest is."""
    together = study.together
    if together is None or together.letter_interval.high < FLOOR:
        return "no"
    if together.letter_interval.low <= FLOOR:
        return "unsure"
    guess, left = 1 / study.letters, share_interval(together.letter_correct)
    return "yes" if left.high < guess + LEFT * (together.letter_accuracy_before - guess) else "partly"


def serves_from(study: BackwardsStudy, head: BackwardHead) -> int | None:
    """The first written letter, from 1, for which a head gives its own place at least half of its attention; None: none
    of the first ones."""
    there = study.written.attention[study.written.heads.index(head.name), head.offset] >= SERVES
    return int(there.argmax()) + 1 if there.any() else None


def lost(study: BackwardsStudy, found: AblationResult) -> list[int]:
    """The first letters, from 1, that are right less often without some heads, with the whole interval."""
    before, after = study.written.right[0], study.written.of(found.name)
    early = study.written.attention.shape[2]
    return [k + 1 for k in range(early) if difference_interval(after[:, k], before[:, k]).low > 0]


def looked_at(study: BackwardsStudy, cut: AblationResult) -> tuple[int, float]:
    """The place behind at which a head looks most, of those that it is needed for of the first letters (of all these,
    where it is needed for none); and the mean attention there."""
    at = [k - 1 for k in lost(study, cut)] or slice(None)
    mean = study.written.attention[study.written.heads.index(cut.heads[0])][:, at].mean(axis=1)
    return int(mean.argmax()), float(mean.max())


def needed_for(study: BackwardsStudy, cut: AblationResult) -> str:
    """Write which of the first letters a head is needed for that is not flagged, and where it looks for them."""
    if not (early := lost(study, cut)):
        return f"none of the first {study.written.attention.shape[2]} letters alone"
    place, attention = looked_at(study, cut)
    behind = f"{words.number(attention)} of its attention there {words.count(place, 'place')} behind"
    return f"{words.plural(len(early), 'letter')} {spans(early)} ({behind})"


def spans(letters: list[int]) -> str:
    """Write numbers as runs: `1, 3 to 5`."""
    runs: list[list[int]] = []
    for letter in letters:
        if runs and letter == runs[-1][-1] + 1:
            runs[-1].append(letter)
        else:
            runs.append([letter])
    return words.names(part for run in runs for part in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run)))


def accuracy(study: BackwardsStudy) -> tuple[tuple[float, Interval], tuple[float, Interval]]:
    """Strings and letters that the model writes right as it is."""
    right = study.written.right[0]
    strings, letters = right.all(axis=1), right.mean(axis=1)
    return (
        (float(strings.mean()), proportion_interval(int(strings.sum()), len(strings))),
        (float(letters.mean()), share_interval(letters)),
    )


def _evidence(study: BackwardsStudy) -> tuple[Evidence, ...]:
    strings, letters = accuracy(study)
    n, about = study.written.right.shape[1], (f"{study.length} letters",)
    found = [
        Evidence("string_accuracy", *strings, n=n, about=about),
        Evidence("letter_accuracy", *letters, 1 / study.letters, n, about),
    ]
    for head in study.flagged:
        found.append(Evidence("offset", float(head.offset), about=(head.name,)))
        found.append(Evidence("attention", head.attention, threshold=head.chance, about=(head.name,)))
        first = serves_from(study, head)
        found.append(Evidence("first_letter", first and float(first), threshold=float(head.first), about=(head.name,)))
    if (all_of := study.together) is not None:
        drop = all_of.letter_accuracy_before - all_of.letter_accuracy_after
        left = share_interval(all_of.letter_correct)
        right = proportion_interval(int(all_of.string_correct.sum()), n)
        found += [
            Evidence("letter_accuracy_drop", drop, all_of.letter_interval, FLOOR, n, all_of.heads),
            Evidence("letter_accuracy_without", all_of.letter_accuracy_after, left, 1 / study.letters, n, all_of.heads),
            Evidence("string_accuracy_without", all_of.string_accuracy_after, right, n=n, about=all_of.heads),
        ]
        for c in all_of.controls:
            found.append(Evidence("control_string_accuracy", c.string_accuracy, c.interval, n=c.draws, about=(c.name,)))
    for other in study.others_needed:
        drop = other.string_accuracy_before - other.string_accuracy_after
        found.append(Evidence("string_accuracy_drop_of_another", drop, other.interval, 0.0, n, other.heads))
    return tuple(found)


def _caveats(study: BackwardsStudy) -> tuple[str, ...]:
    caveats = []
    if study.together is not None and not any(control.draws for control in study.together.controls):
        caveats.append("there is no control: fewer other heads than these see the whole string")
    _, (_, letters) = accuracy(study)
    if not study.flagged and letters.low > 1 / study.letters + FLOOR:
        caveats.append("it gets letters right all the same, by something else")
    return tuple(caveats)


def _says(study: BackwardsStudy) -> list[str]:
    (strings, _), (letters, _) = accuracy(study)
    found = [
        f"It writes {words.percent(strings)} of strings of {words.count(study.length, 'letter')} backwards, and "
        f"{words.percent(letters)} of letters (guessing gets {words.percent(1 / study.letters)})."
    ]
    if not study.flagged:
        return [*found, "No head does induction backwards: none looks behind the letter due and writes it."]
    return [*found, _heads(study), _without(study), _first(study), *_others(study)]


def _heads(study: BackwardsStudy) -> str:
    if len(study.flagged) == 1:
        (head,) = study.flagged
        behind = words.count(head.offset, "place")
        return f"{head.name} writes the letter due by looking {behind} behind it{_by(head)}."
    told = [f"{head.name} {words.count(head.offset, 'place')}{_by(head)}" for head in study.flagged]
    them = words.names([head.name for head in study.flagged])
    return f"{them} write the letter due by looking behind it: {words.names(told)}."


def _by(head: BackwardHead) -> str:
    """Write by which letters a head looks, where that is known."""
    if head.n is not None:
        return f" (by the last {words.count(head.n, 'letter')})" if head.n > 1 else " (by the last letter)"
    return f" (by the letters {words.names(head.matches)} back)" if head.matches else ""


def _without(study: BackwardsStudy) -> str:
    cut = study.together
    assert cut is not None
    them = words.names([head.name for head in study.flagged])
    low, high = cut.letter_interval
    says = (
        f"Without {them} ({cut.kind}) {words.percent(cut.string_accuracy_after)} of strings and "
        f"{words.percent(cut.letter_accuracy_after)} of letters are right; drop in letters {words.percent(low)} to "
        f"{words.percent(high)} ({words.methods([cut.letter_interval])})"
    )
    drawn = [control for control in cut.controls if control.draws]
    beside = words.names(f"{words.percent(c.string_accuracy)} ({c.name})" for c in drawn)
    return f"{says}; strings without as many other heads: {beside}." if drawn else f"{says}."


def _first(study: BackwardsStudy) -> str:
    """The first letter for which each flagged head looks there, beside the first that it can serve."""
    heads = study.flagged[::-1]
    firsts = [serves_from(study, head) for head in heads]
    exact = firsts == [head.first for head in heads]
    told = []
    for head, first in zip(heads, firsts, strict=True):
        looks = head.name if told else f"{head.name} first looks there"
        looks += " for none of the first letters" if first is None else f" for letter {first}"
        told.append(looks if exact else f"{looks} (it can serve from letter {head.first} on)")
    each = "each" if len(told) > 1 else "it"
    end = f", the first that {each} can serve" if exact else ""
    return f"With half of its attention or more, {words.names(told)}{end}."


def _others(study: BackwardsStudy) -> list[str]:
    """Heads that are not flagged, and the first letters that they are needed for."""
    told = [f"{cut.heads[0]} for {needed_for(study, cut)}" for cut in study.others_needed]
    return [f"Heads that are not flagged are needed, too: {words.names(told)}."] if told else []
