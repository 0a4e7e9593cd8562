"""What a study of heads found, in words that its numbers bear."""

from math import log

from interp.base import words
from interp.results.ablation import AblationResult
from interp.results.accuracy import LengthAccuracy
from interp.results.heads import HeadScore, HeadScores
from interp.results.use import HeadUse
from interp.studies.heads.result import EffectiveN
from interp.studies.heads.verdict.evidence import of_group
from interp.studies.heads.verdict.use import cuts_lookups, use_says

ENOUGH_STRINGS = 0.5
"""String accuracy below which there are too few right strings to lose: an ablation is then judged by letters."""
ENOUGH_ATTENTION = 0.1
"""Less than this share of what was cut is not a control: a sharp head has nothing else to take."""
PREFERS = -log(0.75)
"""Nats from which on a preference between equal matches is spoken of, if its whole interval says which is preferred:
one draws a quarter less than the other."""


def says(
    scores: HeadScores,
    accuracy: LengthAccuracy,
    n: EffectiveN,
    ablations: tuple[AblationResult, ...],
    use: HeadUse | None,
) -> str:
    """Return the sentences, without what limits them."""
    at = accuracy.at_home
    copied = (
        f"It copies {words.percent(accuracy.string_correct[at].mean())} of strings of {accuracy.lengths[at]} letters."
    )
    lookups, gathers = scores.of_role("lookup"), scores.of_role("gather")
    if not lookups:
        return " ".join(["No lookup head.", copied, _why_none(scores, n), *([use_says(use)] if use else [])]).strip()
    sentences = [copied, f"{words.names(lookups)} {words.verb(len(lookups), 'look')} up {_keys(scores)}."]
    sentences += _besides(scores)
    if gathers:
        sentences.append(f"{words.names(gathers)} {words.verb(len(gathers), 'gather')} them.")
    if use is not None:
        sentences.append(use_says(use))
    if (together := of_group(ablations, "all")) is not None:
        sentences.append(_without(together, of_group(ablations, "edges"), cuts_lookups(use)))
    return " ".join([*sentences, _whole(n)])


def _whole(n: EffectiveN) -> str:
    """The n of the whole model or, where the letters that count are not the last ones in a row, which they are."""
    measured = f"behaviour {_or_none(n.behavioural)}, intervention {_or_none(n.causal)}"
    found = [f"Effective n of the whole model: {measured}."]
    if n.causal is None and n.offsets:
        found.append(f"The letters {words.names([str(t) for t in n.offsets])} back move its answer.")
    if n.ordered is False:
        found.append("Their order does not count.")
    return " ".join(found)


def _keys(scores: HeadScores) -> str:
    """Which letters the lookup heads look up: they need not agree."""
    lookups = [head for head in scores.heads if head.role == "lookup"]
    found = sorted({head.n for head in lookups if head.n is not None})
    skipping = sorted({head.matched for head in lookups if head.n is None})
    parts = [f"the letters {words.names([str(t) for t in offsets])} back" for offsets in skipping]
    if found:
        last = "letter" if found == [1] else f"{words.names(found, last='or')} letters"
        parts.insert(0, f"the last {last}")
    return words.names(parts, last="or")


def _besides(scores: HeadScores) -> list[str]:
    """Order, preference, heads that take over, and heads that take away."""
    lookups = [head for head in scores.heads if head.role == "lookup"]
    found = []
    if bags := [head.name for head in lookups if head.ordered is False]:
        found.append(f"To {words.names(bags)} it does not count in which order these letters stand.")
    for which in ("earlier", "later"):
        if chosen := [head for head in lookups if speaks_of_preference(head) and head.prefers == which]:
            found.append(f"Of two equal matches {_by_nats(chosen)} {_verb(chosen, 'prefer')} the {which}.")
    if backups := [head.name for head in lookups if head.backup]:
        verb = words.verb(len(backups), "do") if len(backups) > 1 else "does"
        found.append(f"{words.names(backups)} {verb} so only while the other lookup heads are gone.")
    if against := [head.name for head in scores.heads if head.attends and head.suppresses]:
        one = len(against) == 1
        what = "takes the letter away" if one else "take its letter away"
        found.append(f"{words.names(against)} {words.verb(len(against), 'attend')} there, too, and {what}.")
    return found


def speaks_of_preference(head: HeadScore) -> bool:
    """Whether a head's preference between equal matches is large enough, and sure enough, to be spoken of."""
    return head.prefers is not None and abs(head.preference or 0.0) >= PREFERS


def _by_nats(heads: list[HeadScore]) -> str:
    return words.names(f"{head.name} (by {words.number(abs(head.preference or 0.0), 1)} nats)" for head in heads)


def _verb(heads: list[HeadScore], stem: str) -> str:
    return words.verb(len(heads), stem)


def _why_none(scores: HeadScores, n: EffectiveN) -> str:
    flagged = tuple(head.name for head in scores.heads if head.flagged)
    attending = tuple(head.name for head in scores.heads if head.attends)
    if attending:
        return _attends_only(scores, attending)
    if flagged:
        return _other_match(scores, flagged)
    known = {n.behavioural, n.causal}
    if len(known) == 1 and None not in known:
        return (
            f"The model looks up the last {words.count(n.causal or 0, 'letter')}, by behaviour and by intervention, "
            f"and no single head was found that does: one head may find the match and write where it is, and another "
            f"one go there."
        )
    return _nowhere(scores)


def _nowhere(scores: HeadScores) -> str:
    """No head is flagged: which of the conditions failed."""
    more = [head for head in scores.heads if head.q_value < scores.level]
    if not more:
        return (
            f"None of its {_heads(scores)} attends to the place that the answer is copied from more than "
            f"untrained models do (corrected level {scores.level:g})."
        )
    most = max(head.score - head.chance for head in more)
    names = tuple(head.name for head in more)
    return (
        f"{words.names(names)} {words.verb(len(names), 'attend')} to the place that the answer is copied from more "
        f"than untrained models do (corrected level {scores.level:g}), but little: at most {words.number(most, 3)} "
        f"above chance, and no more than {scores.floor:g} with the whole interval, of attention or of what is written."
    )


def _attends_only(scores: HeadScores, attending: tuple[str, ...]) -> str:
    against = tuple(head.name for head in scores.heads if head.attends and head.suppresses)
    what = "it writes" if len(attending) == 1 else "they write"
    away = f" {words.names(against)} {words.verb(len(against), 'take')} it away." if against else ""
    return (
        f"{words.names(attending)} {words.verb(len(attending), 'attend')} to the match, but what {what} does not "
        f"raise the letter there: that is not how it copies.{away}"
    )


def _other_match(scores: HeadScores, flagged: tuple[str, ...]) -> str:
    if all(head.by_position for head in scores.heads if head.name in flagged):
        return (
            f"{words.names(flagged)} {words.verb(len(flagged), 'attend')} to the place that the answer is copied from "
            f"whatever letters have been copied: by position, not by the match."
        )
    longest = len(scores.match_lengths) - 2
    same = "letter" if longest == 1 else words.count(longest, "letter")
    there = (
        f"{words.names(flagged)} {words.verb(len(flagged), 'attend')} to the place that the answer is copied from, but "
        f"not to a rival with the same last {same}"
    )
    asked = [head for head in scores.heads if head.name in flagged and not head.by_position]
    letters = sorted({t for head in asked for t in head.matched})
    apart = [head.apart for head in asked if head.apart is not None]
    if not letters or len(apart) < len(asked):
        uses = "it uses" if len(flagged) == 1 else "they use"
        return f"{there}, so {uses} something else, or more than {words.count(longest, 'letter')}."
    which = f"the letter{'s' * (len(letters) > 1)} {words.names([str(t) for t in letters])} back"
    them = "it" if len(asked) == 1 else "them"
    return (
        f"{there}: {which} {words.verb(len(letters), 'move')} {them}, and something else, such as the position, tells "
        f"places apart that agree in these, by {_span(apart)} nats."
    )


def _span(values: list[float]) -> str:
    low, high = (words.number(value, 1) for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _heads(scores: HeadScores) -> str:
    hidden = sum(head.kind == "hidden attention" for head in scores.heads)
    n, which = words.count(len(scores.heads), "head"), "" if scores.plain else ", by attention or hidden attention,"
    return f"{n} of hidden attention" if len(scores.heads) == hidden else f"{n}{which}"


def _without(together: AblationResult, edges: AblationResult | None, cut_is_told: bool) -> str:
    """What all lookup heads together cost, beside the controls that could be drawn."""
    if together.string_accuracy_before < ENOUGH_STRINGS:
        fall = (
            f"from {words.percent(together.letter_accuracy_before)} to {words.percent(together.letter_accuracy_after)}"
        )
        return f"Without the lookup heads, the share of right letters goes {fall}."
    fall = f"from {words.percent(together.string_accuracy_before)} to {words.percent(together.string_accuracy_after)}"
    parts = [f"Without the lookup heads, string accuracy goes {fall}"]
    if together.control_mean is not None:
        parts.append(f"without as many other heads it is {words.percent(together.control_mean)}")
    if edges is not None and not cut_is_told:
        parts.append(f"with only their attention to the match cut it is {words.percent(edges.string_accuracy_after)}")
    if edges is not None and edges.control_mean is not None and _took_enough(edges):
        parts.append(f"with as much of their attention elsewhere cut it is {words.percent(edges.control_mean)}")
    return "; ".join(parts) + "."


def _took_enough(edges: AblationResult) -> bool:
    amounts = next((control.attention for control in edges.controls if control.attention is not None), None)
    return amounts is not None and amounts[1] >= ENOUGH_ATTENTION * amounts[0]


def _or_none(value: int | None) -> str:
    return "none" if value is None else str(value)
