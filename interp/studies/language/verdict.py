"""How far a language model copies and looks up, as an answer and in words."""

from collections.abc import Sequence

import numpy as np

from interp.base import words
from interp.base.estimates import mean_interval
from interp.results.language import TextAccuracy
from interp.results.text_state import TextState
from interp.studies.study import Answer, Evidence, Verdict

HALF = 0.5
"""Share of right answers from which on a model does a task at a length."""


def language_verdict(tasks: Sequence[TextAccuracy], state: TextState | None = None) -> Verdict:
    """Whether every task is done at its greatest length (yes), none is (no), some are (partly), or it is not sure.

    What the state keeps of texts is said beside it, and does not change the answer.
    """
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
    says = [_says(tasks)] if tasks else []
    if state is not None:
        found += _kept(state)
        says.append(_state_says(state))
    return Verdict(answer, found, says=" ".join(says))


def held_to(task: TextAccuracy, place: int) -> Answer:
    """Whether more than half of the answers at a length are right, by the whole interval."""
    low, high = task.interval(place)
    return "yes" if low > HALF else "no" if high < HALF else "unsure"


def _only(held: set[Answer]) -> Answer:
    (answer,) = held
    return answer


def _kept(state: TextState) -> tuple[Evidence, ...]:
    """Bits that reading a text saves, beside those that another saves, at each length."""
    bits = state.bits
    return tuple(
        Evidence(
            "text_bits",
            float(bits.used[place].mean()),
            bits.interval[place],
            float(bits.other[place].mean()),
            bits.used.shape[1],
            (f"{length} tokens",),
        )
        for place, length in enumerate(bits.lengths)
    )


def _state_says(state: TextState) -> str:
    bits = state.bits
    most = int(np.argmax(bits.used.mean(axis=1)))
    found = (
        f"{words.number(bits.used[most].mean(), 1)} {words.interval(bits.interval[most], 1)} of the "
        f"{words.number(bits.prior[most].mean(), 1)} bits that it costs the model alone"
    )
    null = f"{words.number(bits.other[most].mean(), 1)} {words.interval(bits.other_interval[most], 1)}"
    if mean_interval(bits.used[most] - bits.other[most]).low <= 0:
        return (
            f"Having read a text saves no more than having read another: at {bits.lengths[most]} tokens {found}, and "
            f"{null} after another."
        )
    said = f"Having read a text of {bits.lengths[most]} tokens saves {found}; another text saves {null}."
    if state.share_of_state is not None:
        said += f" That is {words.percent(state.share_of_state[most], 3)} of the bits that its state has room for."
    if state.saturation is not None and state.saturation.value is not None:
        said += f" The bits stop growing at about {words.number(state.saturation.value, 0)} tokens."
    return said


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
