"""The numbers that the answer of a study of heads rests on."""

from interp.base.estimates import proportion_interval
from interp.base.interval import Interval
from interp.results.ablation import AblationResult
from interp.results.accuracy import LengthAccuracy
from interp.results.heads import HeadScore, HeadScores
from interp.results.use import HeadUse, Left
from interp.studies.heads.result import EffectiveN
from interp.studies.study import Evidence


def because(
    scores: HeadScores,
    accuracy: LengthAccuracy,
    n: EffectiveN,
    ablations: tuple[AblationResult, ...],
    use: HeadUse | None,
) -> tuple[Evidence, ...]:
    """Return accuracy, what each lookup head does, the n of the whole, and what is left without heads."""
    at = accuracy.at_home
    correct = accuracy.string_correct[at]
    right = proportion_interval(int(correct.sum()), len(correct))
    copied = Evidence(
        "string_accuracy", float(correct.mean()), right, n=len(correct), about=(f"{accuracy.lengths[at]} letters",)
    )
    by_name, strings = {head.name: head for head in scores.heads}, scores.attention.shape[1]
    heads = [_of_head(by_name[name], scores.floor, strings) for name in scores.of_role("lookup")]
    whole = {"behavioural_n": n.behavioural, "causal_n": n.causal, "n_of_most_lookup_heads": n.heads}
    measured = [Evidence(name, None if value is None else float(value)) for name, value in whole.items()]
    found = (of_group(ablations, group) for group in ("all", "edges"))
    costs = (_cost(ablation) for ablation in found if ablation is not None)
    return (copied, *(each for of_head in heads for each in of_head), *measured, *costs, *_left(use))


def of_group(ablations: tuple[AblationResult, ...], group: str) -> AblationResult | None:
    """Return the first ablation of a group."""
    return next((ablation for ablation in ablations if ablation.group == group), None)


def _of_head(head: HeadScore, floor: float, strings: int) -> tuple[Evidence, ...]:
    """What a lookup head's role rests on: attention, n, and what cutting its edge costs."""
    about = (head.name,)
    attention = Evidence("attention_to_source", head.score, head.interval, floor + head.chance, strings, about)
    n = None if head.n is None else float(head.n)
    least, most = head.n_interval or (0, 0)
    ends = Interval(float(least), float(most), "percentile bootstrap") if head.n_interval else None
    effect = Evidence("effect_on_right_logit", head.effect, head.effect_interval, 0.0, strings, about)
    return attention, Evidence("n_of_head", n, ends, n=strings, about=about), *([effect] * (head.effect is not None))


def _cost(ablation: AblationResult) -> Evidence:
    drop = ablation.string_accuracy_before - ablation.string_accuracy_after
    about = (*ablation.heads, ablation.kind)
    return Evidence("string_accuracy_drop", drop, ablation.interval, 0.0, len(ablation.string_correct), about)


def _left(use: HeadUse | None) -> tuple[Evidence, ...]:
    """What is left of the copy without sets of heads."""
    if use is None:
        return ()
    sets = {"lookup_heads": use.lookups, "other_heads": use.others, "both": use.both}

    def letters(name: str, left: Left) -> Evidence:
        about = (*left.heads, use.edit)
        return Evidence(f"letters_without_{name}", left.letters, left.letters_interval, use.chance, about=about)

    whole = Evidence("letters_right", use.whole.letters, use.whole.letters_interval, use.chance)
    return (whole, *(letters(name, left) for name, left in sets.items() if left is not None))
