"""What a study of heads found, as an answer and in words that its numbers bear."""

from collections.abc import Sequence

from interp.base import words
from interp.base.stats import proportion_interval
from interp.results.ablation import AblationResult
from interp.results.accuracy import LengthAccuracy
from interp.results.heads import HeadScores
from interp.studies.heads.result import EffectiveN
from interp.studies.study import Answer, Evidence, Verdict

ENOUGH_STRINGS = 0.5
"""Below this string accuracy there are too few right strings to lose: an ablation is told by its letters."""
ENOUGH_ATTENTION = 0.1
"""Less than this share of what was cut is no control: a sharp head has nothing else to take."""


def head_verdict(
    scores: HeadScores,
    accuracy: LengthAccuracy,
    n: EffectiveN,
    ablations: tuple[AblationResult, ...],
    caveats: Sequence[str] = (),
) -> Verdict:
    """Whether the model copies by looking n-grams up, with which heads, for which n, and what is left without them.

    Args:
        scores: roles of the heads.
        accuracy: by length.
        n: of the whole model.
        ablations: of the lookup heads.
        caveats: what limits the answer, each a clause.
    """
    says = " ".join([_says(scores, accuracy, n, ablations), *(f"But {caveat}." for caveat in caveats)])
    return Verdict(_answer(scores, ablations), _because(scores, accuracy, n, ablations), tuple(caveats), says)


def _answer(scores: HeadScores, ablations: tuple[AblationResult, ...]) -> Answer:
    """yes: there are lookup heads, and without all of them fewer strings (where few are right, letters) are right, with
    the whole interval. partly: there are, and that is not so. no: no head goes to the source. unsure: some do, and not
    by the match alone; or nothing was ablated."""
    if not scores.of_role("lookup"):
        return "unsure" if any(head.flagged for head in scores.heads) else "no"
    together = _of_group(ablations, "all")
    if together is None:
        return "unsure"
    enough = together.string_accuracy_before >= ENOUGH_STRINGS
    return "yes" if (together.interval if enough else together.letter_interval)[0] > 0 else "partly"


def _because(
    scores: HeadScores, accuracy: LengthAccuracy, n: EffectiveN, ablations: tuple[AblationResult, ...]
) -> tuple[Evidence, ...]:
    at = accuracy.at_home
    correct = accuracy.string_correct[at]
    right = proportion_interval(int(correct.sum()), len(correct))
    copied = Evidence(
        "string_accuracy", float(correct.mean()), right, n=len(correct), about=(f"{accuracy.lengths[at]} letters",)
    )
    by_name, strings = {head.name: head for head in scores.heads}, scores.attention.shape[1]
    heads = [
        Evidence("attention_to_source", head.score, head.interval, scores.floor + head.chance, strings, (head.name,))
        for head in (by_name[name] for name in scores.of_role("lookup"))
    ]
    whole = {"behavioural_n": n.behavioural, "causal_n": n.causal, "n_of_most_lookup_heads": n.heads}
    measured = [Evidence(name, None if value is None else float(value)) for name, value in whole.items()]
    found = (_of_group(ablations, group) for group in ("all", "edges"))
    return (copied, *heads, *measured, *(_cost(ablation) for ablation in found if ablation is not None))


def _cost(ablation: AblationResult) -> Evidence:
    drop = ablation.string_accuracy_before - ablation.string_accuracy_after
    about = (*ablation.heads, ablation.kind)
    return Evidence("string_accuracy_drop", drop, ablation.interval, 0.0, len(ablation.string_correct), about)


def _of_group(ablations: tuple[AblationResult, ...], group: str) -> AblationResult | None:
    return next((ablation for ablation in ablations if ablation.group == group), None)


def _says(scores: HeadScores, accuracy: LengthAccuracy, n: EffectiveN, ablations: tuple[AblationResult, ...]) -> str:
    at = accuracy.at_home
    copied = (
        f"It copies {words.percent(accuracy.string_correct[at].mean())} of strings of {accuracy.lengths[at]} letters."
    )
    lookups, gathers = scores.of_role("lookup"), scores.of_role("gather")
    if not lookups:
        return f"No lookup head. {copied} {_why_none(scores)}"
    sentences = [copied, f"{words.names(lookups)} {words.verb(len(lookups), 'look')} up {_keys(scores)}."]
    if gathers:
        sentences.append(f"{words.names(gathers)} {words.verb(len(gathers), 'gather')} them.")
    if (together := _of_group(ablations, "all")) is not None:
        sentences.append(_without(together, _of_group(ablations, "edges")))
    measured = f"behaviour {_or_none(n.behavioural)}, intervention {_or_none(n.causal)}"
    return " ".join([*sentences, f"Effective n of the whole model: {measured}."])


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


def _why_none(scores: HeadScores) -> str:
    flagged = tuple(head.name for head in scores.heads if head.flagged)
    if not flagged:
        return (
            f"None of its {_heads(scores)} attends to the place that the answer is copied from more than "
            f"untrained models do (corrected level {scores.level:g}, effect above {scores.floor:g})."
        )
    attending = tuple(head.name for head in scores.heads if head.attends)
    if attending:
        what = "it writes" if len(attending) == 1 else "they write"
        return (
            f"{words.names(attending)} {words.verb(len(attending), 'attend')} to the match, but what {what} does not "
            f"raise the letter there: that is not how it copies."
        )
    longest = len(scores.match_lengths) - 2
    same = "letter" if longest == 1 else words.count(longest, "letter")
    uses = "it uses" if len(flagged) == 1 else "they use"
    return (
        f"{words.names(flagged)} {words.verb(len(flagged), 'attend')} to the place that the answer is copied from, but "
        f"not to a rival with the same last {same}, so {uses} something else, or more than "
        f"{words.count(longest, 'letter')}."
    )


def _heads(scores: HeadScores) -> str:
    hidden = sum(head.kind == "hidden attention" for head in scores.heads)
    n, which = words.count(len(scores.heads), "head"), "" if scores.plain else ", by attention or hidden attention,"
    return f"{n} of hidden attention" if len(scores.heads) == hidden else f"{n}{which}"


def _without(together: AblationResult, edges: AblationResult | None) -> str:
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
    if edges is not None:
        parts.append(f"with only their attention to the match cut it is {words.percent(edges.string_accuracy_after)}")
        if edges.control_mean is not None and _took_enough(edges):
            parts.append(f"with attention elsewhere cut instead {words.percent(edges.control_mean)}")
    return "; ".join(parts) + "."


def _took_enough(edges: AblationResult) -> bool:
    amounts = next((control.attention for control in edges.controls if control.attention is not None), None)
    return amounts is not None and amounts[1] >= ENOUGH_ATTENTION * amounts[0]


def _or_none(value: int | None) -> str:
    return "none" if value is None else str(value)
