"""Whether the copiers copy strings a hundred times as long as those of their training, as an answer and in words."""

from interp.base import words
from interp.base.estimates import proportion_interval
from interp.experiments.record.result import RecordResult, Training
from interp.studies.study import Answer, Evidence, Verdict

TIMES = 64
"""How many times as long as the longest strings of training: 4,096 letters for 64."""
WHOLE = 0.99
"""The share of strings that must be copied whole."""


def record_verdict(found: RecordResult) -> Verdict:
    """Whether the first arm does it in every seed."""
    first = [training for training in found.trainings if training.arm == next(iter(found.arms))]
    because = [_evidence(training, length) for training in first for length in training.lengths]
    far = [length for length in first[0].lengths if length >= TIMES * found.trained[1]]
    caveats = () if far else (f"no strings of {TIMES} times the longest of training were copied",)
    return Verdict(_answer(first, far[:1]), tuple(because), caveats, _says(found, first))


def _evidence(training: Training, length: int) -> Evidence:
    at = training.lengths.index(length)
    about = (training.arm, f"seed {training.seed}", f"{length} letters")
    n = training.strings[at]
    return Evidence("string_accuracy", training.right[at] / n, training.interval[at], WHOLE, n, about)


def _answer(trainings: list[Training], lengths: list[int]) -> Answer:
    """yes: every seed copies its share of strings so long; no: none does."""
    if not lengths:
        return "unsure"
    at = trainings[0].lengths.index(lengths[0])
    reached = [training.right[at] >= WHOLE * training.strings[at] for training in trainings]
    return "yes" if all(reached) else "partly" if any(reached) else "no"


def _says(found: RecordResult, trainings: list[Training]) -> str:
    counts = []
    for at, length in enumerate(trainings[0].lengths):
        right, strings = (sum(getattr(t, name)[at] for t in trainings) for name in ("right", "strings"))
        counts.append(
            f"{right} of {strings} of {length:,} letters {words.named(proportion_interval(right, strings), 3)}"
        )
    arm, low, high = trainings[0].arm, *found.trained
    seeds = f"{len(trainings)} training{'s' if len(trainings) > 1 else ''}"
    return f"{arm}, trained on strings of {low} to {high} letters, copies whole, over {seeds}: {'; '.join(counts)}."
