"""What a model lost without some of its heads, as an answer and in words."""

from collections.abc import Sequence

from interp.base import words
from interp.results.ablation import AblationResult, Control
from interp.studies.study import Answer, Evidence, Verdict

NOTHING = "No head was ablated: none was named, and none was found that attends to the source."


def ablation_verdict(ablations: Sequence[AblationResult]) -> Verdict:
    """Whether the largest set of heads costs strings: yes if the whole interval of the drop lies above 0."""
    if not ablations:
        return Verdict("unsure", says=NOTHING)
    whole = largest(ablations)
    answer: Answer = "yes" if whole.interval.low > 0 else "no"
    caveats = () if _drawn(whole) else ("there is no control to draw",)
    return Verdict(answer, _evidence(whole), caveats, _says(whole))


def largest(ablations: Sequence[AblationResult]) -> AblationResult:
    """The ablation of most heads; those without a role count where no others were ablated."""
    asked = [ablation for ablation in ablations if ablation.group != "no role"]
    return max(asked or ablations, key=lambda ablation: len(ablation.heads))


def _evidence(whole: AblationResult) -> tuple[Evidence, ...]:
    n, about = len(whole.string_correct), (*whole.heads, whole.kind)
    drop = whole.string_accuracy_before - whole.string_accuracy_after
    controls = (
        Evidence("control_string_accuracy", c.string_accuracy, c.interval, n=c.draws, about=(c.name,))
        for c in _drawn(whole)
    )
    return (
        Evidence("string_accuracy_drop", drop, whole.interval, threshold=0.0, n=n, about=about),
        Evidence("string_accuracy", whole.string_accuracy_before, n=n),
        Evidence("string_accuracy_without", whole.string_accuracy_after, n=n, about=about),
        *controls,
    )


def _says(whole: AblationResult) -> str:
    """What the largest set costs, beside its controls."""
    before, after = whole.string_accuracy_before, whole.string_accuracy_after
    low, high = whole.interval
    found = f"Without {words.names(whole.heads)} ({whole.kind}) {words.percent(after)} of strings are right, of "
    drop = f"{words.percent(before)} before; drop {words.percent(low)} to {words.percent(high)} "
    drop += f"({words.methods([whole.interval])})."
    controls = words.names(f"{words.percent(c.string_accuracy)} ({c.name})" for c in _drawn(whole))
    return (
        f"{found}{drop} Under its controls: {controls}." if controls else f"{found}{drop} There is no control to draw."
    )


def _drawn(whole: AblationResult) -> list[Control]:
    return [control for control in whole.controls if control.draws]
