"""What a study of heads found, as an answer and in words that its numbers bear."""

from collections.abc import Sequence

from interp.results.ablation import AblationResult
from interp.results.accuracy import LengthAccuracy
from interp.results.heads import HeadScores
from interp.results.use import HeadUse
from interp.studies.heads.result import EffectiveN
from interp.studies.heads.verdict.evidence import because, of_group
from interp.studies.heads.verdict.use import answer_of
from interp.studies.heads.verdict.words import ENOUGH_STRINGS, says
from interp.studies.study import Answer, Verdict


def head_verdict(
    scores: HeadScores,
    accuracy: LengthAccuracy,
    n: EffectiveN,
    ablations: tuple[AblationResult, ...],
    caveats: Sequence[str] = (),
    use: HeadUse | None = None,
) -> Verdict:
    """Whether the model copies by looking n-grams up, with which heads, for which n, and what is left without them.

    Args:
        scores: roles of the heads.
        accuracy: by length.
        n: of the whole model.
        ablations: of the lookup heads.
        caveats: what limits the answer, each a clause.
        use: what is left of the copy without heads; None where that was not measured.
    """
    text = " ".join([says(scores, accuracy, n, ablations, use), *(f"But {caveat}." for caveat in caveats)])
    return Verdict(
        _answer(scores, n, ablations, use), because(scores, accuracy, n, ablations, use), tuple(caveats), text
    )


def _answer(scores: HeadScores, n: EffectiveN, ablations: tuple[AblationResult, ...], use: HeadUse | None) -> Answer:
    """Answer by use, where heads attend to the match and it was measured; else by the ablation of all lookup heads.

    yes: without all of them fewer strings (where few are right, letters) are right, with the whole interval. partly:
    that is not so. no: no head goes to the source, or by position alone. unsure: some do, and not by the match; the
    model looks n-grams up and no head was found that does; or nothing was ablated.
    """
    if use is not None and use.use is not None:
        return answer_of(use)
    if not scores.of_role("lookup"):
        looks_up = n.causal is not None and n.causal == n.behavioural
        return "unsure" if looks_up or any(head.flagged and not head.by_position for head in scores.heads) else "no"
    together = of_group(ablations, "all")
    if together is None:
        return "unsure"
    enough = together.string_accuracy_before >= ENOUGH_STRINGS
    return "yes" if (together.interval if enough else together.letter_interval).low > 0 else "partly"
