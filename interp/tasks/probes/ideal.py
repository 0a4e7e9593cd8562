"""What the ideal n-gram copier would score: the ceiling of a model whose keys are n tokens long.

It looks up the last n tokens of the copy, guesses evenly among the places of the string where they stand, and writes
the letter that follows there. The separator matches the beginning, so that the first n letters are always right. The
place at the end of the string, which the separator follows, is never guessed: a ceiling does not write a separator.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.seeds import as_generator
from interp.tasks.base import Batch, Task, need
from interp.tasks.sampling import draw_letters


@dataclass(frozen=True)
class IdealAccuracy:
    """Expected accuracy of the ideal copier, averaged over strings, teacher-forced.

    >>> ideal = interp.tasks.ideal_ngram_accuracy(interp.CopyTask(4), 2, (4, 16), generator=0, samples=200)
    >>> [round(float(share), 2) for share in ideal.string]
    [0.98, 0.02]
    """

    string: Float[np.ndarray, " length"]
    letter: Float[np.ndarray, " length"]


@checked_call
def ideal_ngram_accuracy(
    task: Task, n: int, lengths: Sequence[int], generator: torch.Generator | int, samples: int = 1000
) -> IdealAccuracy:
    """Compute the accuracy of the ideal n-gram copier, expected over its guesses (exactly) and over uniform strings
    (`samples` draws of each length).

    >>> interp.tasks.ideal_ngram_accuracy(interp.CopyTask(), 4, (8,), generator=0, samples=50).letter
    array([1.])

    Args:
        task: whose strings are copied.
        n: letters that must match, at least 1.
        lengths: letters of the strings.
        generator: draws them; a seed will do.
        samples: strings of each length.

    Raises: UserError for a task whose letters are not uniform, or that asks for something other than a copy, and for
        no samples.
    """
    need(task, "lays_out_letters", "uniform_letters")
    if samples < 1:
        raise UserError(f"samples must be at least 1 string of each length; got {samples}.")
    string, letter, generator = [], [], as_generator(generator)
    for length in lengths:
        letters = draw_letters(samples, length, task.n_letters, generator)
        right = guess_probability(letters, n)
        string.append(float(right.prod(dim=1).mean()))
        letter.append(float(right.mean()))
    return IdealAccuracy(np.array(string), np.array(letter))


@checked_call
def guess_probability(letters: Int[Tensor, "batch letter"], n: int) -> Float[Tensor, "batch letter"]:
    """Compute the probability with which the ideal n-gram copier writes each letter, having copied those before.

    It is the share of the places where the n letters before it stand (and a letter follows) that this letter follows.

    >>> interp.tasks.guess_probability(torch.tensor([[0, 1, 0, 2]]), n=1)
    tensor([[1.0000, 0.5000, 1.0000, 0.5000]], dtype=torch.float64)
    """
    if n < 1:
        raise UserError(f"n must be at least 1 token; got {n}.")
    right = torch.ones(letters.shape, dtype=torch.float64, device=letters.device)
    if n < letters.shape[1]:
        same, followed = _continuations(letters, n, torch.ones_like(letters))
        right[:, n:] = same / followed
    return right


@checked_call
def ambiguous(batch: Batch, n: int) -> Bool[Tensor, " batch"]:
    """Find the strings in which an n-gram copier must guess: an n-gram stands twice in the answer, before two different
    letters.

    >>> task = interp.CopyTask()
    >>> batch = task.layout(torch.tensor([[0, 1, 2, 0, 1, 3], [0, 1, 2, 3, 4, 5]]))  # abcabd, abcdef
    >>> interp.tasks.ambiguous(batch, 2)
    tensor([ True, False])
    """
    if n >= batch.targets.shape[1]:
        return torch.zeros_like(batch.answer[:, 0])
    # Outside the answer stand numbers that occur once, so that no n-gram there has a double.
    once = -1 - torch.arange(batch.targets.shape[1], device=batch.targets.device)
    same, followed = _continuations(torch.where(batch.answer, batch.targets, once), n, batch.answer.long())
    return (batch.answer[:, n:] & (same < followed)).any(dim=1)


def _continuations(
    letters: Int[Tensor, "batch letter"], n: int, asked: Int[Tensor, "batch letter"]
) -> tuple[Int[Tensor, "batch place"], Int[Tensor, "batch place"]]:
    """For each letter after the first n: how often the n letters before it stand in its row with this letter after
    them, and how often with any that is asked for (`asked` is 1)."""
    same = _name_grams(letters, n + 1)
    return _count(same, torch.ones_like(same)), _count(_name_grams(letters, n)[:, :-1], asked[:, n:])


def _name_grams(letters: Int[Tensor, "batch letter"], n: int) -> Int[Tensor, "batch place"]:
    """A number below the string's length for the n-gram that begins at each place, the same for equal n-grams of a row.

    Names are ranks, taken again after each letter, so that they stay small whatever n and the alphabet.
    """
    width = letters.shape[1]
    first = grams = _rank(letters)
    for more in range(1, n):
        grams = _rank(grams[:, :-1] * width + first[:, more:])
    return grams


def _rank(values: Int[Tensor, "batch place"]) -> Int[Tensor, "batch place"]:
    """0 for a row's smallest value, 1 for the next larger one, and so on."""
    ordered, order = values.sort(dim=1)
    rank = F.pad((ordered[:, 1:] != ordered[:, :-1]).long().cumsum(dim=1), (1, 0))
    return torch.empty_like(rank).scatter(1, order, rank)


def _count(names: Int[Tensor, "batch place"], weights: Int[Tensor, "batch place"]) -> Int[Tensor, "batch place"]:
    """The sum of the weights of all places of a row that have this place's name."""
    # There is at most one name more than places: that of the n-gram at the end, which nothing follows.
    totals = names.new_zeros(names.shape[0], names.shape[1] + 1)
    return totals.scatter_add(1, names, weights).gather(1, names)
