"""What can be measured of the model of a run, in plain numbers: a few hundred bytes each, the same wherever it runs."""

from collections.abc import Callable
from itertools import islice, product
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from interp.base.errors import UserError, unknown
from interp.base.seeds import spawn
from interp.experiments.plan import Measurement
from interp.loading import Loaded
from interp.measure.heads.effective_n import behavioural_n
from interp.measure.state.size import state_size
from interp.models.recurrent.model import RecurrentModel
from interp.studies.scoring import find_heads
from interp.tasks import PlantedCopy, ambiguous, score, task_from_spec
from interp.tasks.base import Task
from interp.training.evaluate import accuracy_by_length

Numbers = dict[str, Any]
MOST_STRINGS = 2**22
"""Strings that are asked one after the other, at most."""
AT_ONCE = 4096


def measure(loaded: Loaded, what: Measurement) -> Numbers:
    """Measure one thing of a model.

    Raises: UserError for an unknown kind, or what the model or its task cannot be asked.
    """
    if what.kind not in MEASURES:
        raise unknown("measurement", what.kind, MEASURES)
    return MEASURES[what.kind](loaded, what)


def accuracy(loaded: Loaded, what: Measurement) -> Numbers:
    """Strings and letters that are right at each length, teacher-forced."""
    found = accuracy_by_length(
        cast(nn.Module, loaded.model), _task(loaded, what), what.lengths, what.strings, what.seed
    )
    return {
        "lengths": list(what.lengths),
        "strings": what.strings,
        "right": found.string_correct.sum(axis=1).tolist(),
        "letters": np.asarray(found.letter_accuracy, np.float64).mean(axis=1).round(6).tolist(),
    }


def repeats(loaded: Loaded, what: Measurement) -> Numbers:
    """Strings that are right with a repeat of k = 0, 1, ... letters planted; the n of the curve at the repeat alone.

    `lengths` holds the letters of the strings and the longest repeat.
    """
    length, longest = what.lengths
    model, vocabulary = cast(nn.Module, loaded.model), loaded.task.vocabulary
    right = []
    for k in range(longest + 1):
        task = PlantedCopy(k=k, vocab=vocabulary)
        right.append(int(accuracy_by_length(model, task, [length], what.strings, what.seed).string_correct.sum()))
    curve = behavioural_n(loaded.model, loaded.task, length, longest, what.strings, what.seed)
    return {
        "length": length,
        "k": list(range(longest + 1)),
        "strings": what.strings,
        "right": right,
        "at_repeat": [round(value, 6) for value in curve.value],
        "n": curve.n,
    }


def heads(loaded: Loaded, what: Measurement) -> Numbers:
    """The lookup heads that the detector finds, and their n."""
    found = find_heads(loaded, what.seed)
    lookup = [head for head in found.heads if head.role == "lookup"]
    counted = [head.n for head in lookup if head.n is not None]
    common = max(set(counted), key=lambda n: (counted.count(n), -n)) if counted else None
    return {"lookup": [head.name for head in lookup], "n_of_each": [head.n for head in lookup], "n": common}


def state(loaded: Loaded, what: Measurement) -> Numbers:
    """Numbers and bits that the model carries behind a string of each length, and the windows among them."""
    size = state_size(cast(Any, loaded.model), what.lengths)
    recurrent = isinstance(loaded.model, RecurrentModel)
    windows = sum(numbers for name, numbers in size.parts.items() if name.endswith(".window")) if recurrent else 0
    return {"lengths": list(what.lengths), "numbers": list(size.floats), "bits": list(size.bits), "windows": windows}


@torch.no_grad()
def every_string(loaded: Loaded, what: Measurement) -> Numbers:
    """How many of *all* strings of each length are copied: no sample, the whole alphabet.

    Raises: UserError for more strings than can be asked.
    """
    task, model = loaded.task, cast(Any, loaded.model)
    right = []
    for length in what.lengths:
        if task.n_letters**length > MOST_STRINGS:
            raise UserError(
                f"lengths must be such that all strings can be asked, {MOST_STRINGS:,} at most; got {length} letters "
                f"of {task.n_letters}."
            )
        count = 0
        strings = product(range(task.n_letters), repeat=length)
        while some := list(islice(strings, AT_ONCE)):
            batch = task.layout(torch.tensor(some)).to(model.device)
            count += int(score(model(batch.tokens), batch).string_correct.sum())
        right.append(count)
    return {"lengths": list(what.lengths), "alphabet": task.n_letters, "right": right}


@torch.no_grad()
def against_repeats(loaded: Loaded, what: Measurement) -> Numbers:
    """Strings that fail, and strings in which an n-gram recurs, of the same strings: theorem 2.3 bounds one by other.

    `wrong_without` counts the strings that fail although none of their n-grams, n as planted, has two continuations.
    """
    task, model = loaded.task, cast(Any, loaded.model)
    n = cast(Any, loaded.planting).n
    rows: list[tuple[int, int, int]] = []
    for length in what.lengths:
        wrong, recurs, without = 0, 0, 0
        for number, strings in _in_parts(what.strings, max(1, AT_ONCE**2 // (64 * length**2))):
            batch = task.sample(strings, length, spawn(what.seed, length, number)).to(model.device)
            fails = ~score(model(batch.tokens), batch).string_correct
            two_ways = ambiguous(batch, n)
            recurs += int(_some_gram_twice(batch.answer_tokens, n).sum())
            wrong, without = wrong + int(fails.sum()), without + int((fails & ~two_ways).sum())
        rows.append((wrong, recurs, without))
    wrongs, recurring, withouts = zip(*rows, strict=True)
    return {
        "lengths": list(what.lengths),
        "strings": what.strings,
        "alphabet": task.n_letters,
        "n": n,
        "wrong": list(wrongs),
        "recurring": list(recurring),
        "wrong_without": list(withouts),
    }


def _in_parts(strings: int, most: int) -> list[tuple[int, int]]:
    """(number, size) of the parts in which so many strings are asked."""
    starts = range(0, strings, most)
    return [(number, min(most, strings - start)) for number, start in enumerate(starts)]


def _some_gram_twice(letters: torch.Tensor, n: int) -> torch.Tensor:
    """Whether some n letters in a row stand twice in a string."""
    grams = letters.unfold(1, n, 1)
    same = (grams[:, :, None] == grams[:, None]).all(dim=3)
    return (same.sum(dim=(1, 2)) > grams.shape[1]).to(torch.bool)


def _task(loaded: Loaded, what: Measurement) -> Task:
    """The task of a measurement: the run's own, or another one in the same token ids."""
    own = loaded.task
    if what.task == "own":
        return own
    return task_from_spec(what.task, own.vocabulary)


MEASURES: dict[str, Callable[[Loaded, Measurement], Numbers]] = {
    "accuracy": accuracy,
    "repeats": repeats,
    "heads": heads,
    "state": state,
    "every_string": every_string,
    "against_repeats": against_repeats,
}
