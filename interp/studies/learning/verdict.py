"""What a training led to, as an answer and in words."""

import math

from interp.base import words
from interp.base.estimates import proportion_interval
from interp.results.accuracy import LengthAccuracy
from interp.results.training import TrainLog
from interp.studies.learning.result import KeptStep
from interp.studies.study import Answer, Evidence, Verdict

LEARNT = 0.5
"""Share of right strings above which a model has learnt its task, with the whole interval."""


def learning_verdict(
    log: TrainLog, accuracy: LengthAccuracy, kept: tuple[KeptStep, ...], share: float, caveats: tuple[str, ...] = ()
) -> Verdict:
    """Whether it learnt: yes if the interval of the share of right strings, at the longest trained length, lies above
    `LEARNT`; no if below; else partly."""
    right = accuracy.string_correct[accuracy.at_home]
    interval = proportion_interval(int(right.sum()), len(right))
    answer: Answer = "yes" if interval.low > LEARNT else "no" if interval.high < LEARNT else "partly"
    least, most = log.examples_to(share)
    length = str(accuracy.lengths[accuracy.at_home])
    because = (
        Evidence("string_accuracy", float(right.mean()), interval, LEARNT, len(right), (length,)),
        Evidence(
            "examples_to_share", None if math.isinf(most) else most, threshold=share, about=(str(max(log.lengths)),)
        ),
    )
    first = next((each for each in kept if each.scores.of_role("lookup")), None)
    if first is not None:
        because += (Evidence("first_lookup_step", float(first.step), about=first.scores.of_role("lookup")),)
    seen = int(log.examples[-1]) if len(log.examples) else 0
    says = (
        f"After {words.count(seen, 'string')} {words.percent(right.mean())} of strings of {length} letters are right "
        f"({words.percent(interval.low)} to {words.percent(interval.high)}; {words.methods([interval])})."
        f"{_when(log, least, most, share)}{_heads(kept, first)}"
    )
    return Verdict(answer, because, caveats, says)


def _when(log: TrainLog, least: float, most: float, share: float) -> str:
    if not len(log.evaluated_at):
        return ""
    which = f"{words.percent(share)} of strings of {max(log.lengths)} letters"
    if math.isinf(most):
        return f" No evaluation up to {least:,.0f} strings found {which} right."
    return (
        f" Evaluations first found {which} right after {most:,.0f}{f', not yet after {least:,.0f}' if least else ''}."
    )


def _heads(kept: tuple[KeptStep, ...], first: KeptStep | None) -> str:
    if not kept:
        return ""
    steps = words.names(f"{each.step:,}" for each in kept)
    if first is None:
        return f" No head looks up after any of the steps {steps}."
    some = [f"{head.name} (n = {head.n})" for head in first.scores.heads if head.role == "lookup"]
    return f" Of the steps {steps}, {first.step:,} is the first after which a head looks up: {words.names(some)}."
