"""What a study found, in words that its numbers bear."""

from interp.results.ablation import AblationResult
from interp.results.accuracy import LengthAccuracy
from interp.results.heads import HeadScores
from interp.studies.heads.result import EffectiveN

ENOUGH_STRINGS = 0.5
"""Below this string accuracy there are too few right strings to lose: an ablation is told by its letters."""
ENOUGH_ATTENTION = 0.1
"""Less than this share of what was cut is no control: a sharp head has nothing else to take."""


def verdict(scores: HeadScores, accuracy: LengthAccuracy, n: EffectiveN, ablations: tuple[AblationResult, ...]) -> str:
    """Whether the model copies, by which heads and for which n, and what is left without them."""
    at = accuracy.at_home
    copied = f"It copies {_share(accuracy.string_correct[at].mean())} of strings of {accuracy.lengths[at]} letters."
    lookups, gathers = scores.of_role("lookup"), scores.of_role("gather")
    if not lookups:
        return f"No lookup head. {copied} {_why_none(scores)}"
    sentences = [copied, f"{_list(lookups)} look{'s' if len(lookups) == 1 else ''} up the last {_keys(scores)}."]
    if gathers:
        sentences.append(f"{_list(gathers)} gather{'s' if len(gathers) == 1 else ''} them.")
    groups = {ablation.group: ablation for ablation in ablations}
    if "all" in groups:
        sentences.append(_without(groups["all"], groups.get("edges")))
    measured = f"behaviour {_or_none(n.behavioural)}, intervention {_or_none(n.causal)}"
    return " ".join([*sentences, f"Effective n of the whole model: {measured}."])


def _keys(scores: HeadScores) -> str:
    """How many letters the lookup heads look up: they need not agree."""
    found = sorted({head.n for head in scores.heads if head.role == "lookup" and head.n is not None})
    return "letter" if found == [1] else f"{' or '.join(map(str, found))} letters"


def _why_none(scores: HeadScores) -> str:
    flagged = tuple(head.name for head in scores.heads if head.flagged)
    if not flagged:
        return (
            f"None of its {_heads(scores)} attends to the place that the answer is copied from more than "
            f"untrained models do (corrected level {scores.level:g}, effect above {scores.floor:g})."
        )
    return (
        f"{_list(flagged)} attend{'s' if len(flagged) == 1 else ''} to the place that the answer is copied from, but "
        f"not to a rival whose last {_letters(len(scores.match_lengths) - 2)} the same: by something else, or by more."
    )


def _heads(scores: HeadScores) -> str:
    hidden = sum(head.kind == "hidden attention" for head in scores.heads)
    n, which = len(scores.heads), "" if scores.plain else ", by attention or hidden attention,"
    return f"{n} heads{which}" if n != hidden else f"{n} head{'s' * (n > 1)} of hidden attention"


def _letters(n: int) -> str:
    return "letter is" if n == 1 else f"{n} letters are"


def _without(together: AblationResult, edges: AblationResult | None) -> str:
    """What all lookup heads together cost, beside the controls that could be drawn."""
    if together.string_accuracy_before < ENOUGH_STRINGS:
        fall = f"from {_share(together.letter_accuracy_before)} to {_share(together.letter_accuracy_after)}"
        return f"Without the lookup heads, the share of right letters goes {fall}."
    fall = f"from {_share(together.string_accuracy_before)} to {_share(together.string_accuracy_after)}"
    parts = [f"Without the lookup heads, string accuracy goes {fall}"]
    if together.control_mean is not None:
        parts.append(f"without as many other heads it is {_share(together.control_mean)}")
    if edges is not None:
        parts.append(f"with only their attention to the match cut it is {_share(edges.string_accuracy_after)}")
        if edges.control_mean is not None and _took_enough(edges):
            parts.append(f"with attention elsewhere cut instead {_share(edges.control_mean)}")
    return "; ".join(parts) + "."


def _took_enough(edges: AblationResult) -> bool:
    amounts = next((control.attention for control in edges.controls if control.attention is not None), None)
    return amounts is not None and amounts[1] >= ENOUGH_ATTENTION * amounts[0]


def _share(value: float) -> str:
    return f"{value:.1%}".replace(".0%", "%")


def _list(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _or_none(value: int | None) -> str:
    return "none" if value is None else str(value)
