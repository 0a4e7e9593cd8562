"""How far a language model copies and looks up, as an answer and in words."""

from collections.abc import Sequence

from interp.base import words
from interp.results.language import TextAccuracy
from interp.studies.study import Answer, Evidence, Verdict

HALF = 0.5
"""Share of right answers from which on a model does a task at a length."""


def language_verdict(tasks: Sequence[TextAccuracy]) -> Verdict:
    """Whether every task is done at its greatest length (yes), none is (no), some are (partly), or it is not sure."""
    held: set[Answer] = {held_to(task, len(task.lengths) - 1) for task in tasks}
    answer: Answer = "unsure" if "unsure" in held or not held else "partly" if len(held) == 2 else _only(held)
    found = tuple(
        Evidence(
            "string_accuracy",
            task.accuracy[place],
            task.interval(place),
            HALF,
            task.right.shape[1],
            (task.task, f"{length} {task.unit}"),
        )
        for task in tasks
        for place, length in enumerate(task.lengths)
    )
    return Verdict(answer, found, says=_says(tasks))


def held_to(task: TextAccuracy, place: int) -> Answer:
    """Whether more than half of the answers at a length are right, by the whole interval."""
    low, high = task.interval(place)
    return "yes" if low > HALF else "no" if high < HALF else "unsure"


def _only(held: set[Answer]) -> Answer:
    (answer,) = held
    return answer


def _says(tasks: Sequence[TextAccuracy]) -> str:
    said = []
    for task in tasks:
        shares = [
            f"{words.percent(task.accuracy[place], 0)} at {task.lengths[place]}"
            for place in sorted({0, len(task.lengths) - 1})
        ]
        said.append(f"{task.task} {' and '.join(shares)} {task.unit}")
    intervals = [task.interval(place) for task in tasks for place in range(len(task.lengths))]
    return f"Right answers: {'; '.join(said)} ({words.methods(intervals)} intervals in the table)."
