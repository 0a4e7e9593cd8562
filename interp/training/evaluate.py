"""Accuracy by string length, teacher-forced and free-running, beside what ideal n-gram copiers would reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from interp.base.budget import budget
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.seeds import as_generator
from interp.models.hooks.model import HookedModel
from interp.models.stack.key_values import KeyValues
from interp.results.accuracy import LengthAccuracy
from interp.tasks.base import Batch, Task
from interp.tasks.probes.ideal import ideal_ngram_accuracy
from interp.tasks.score import score, score_generated
from interp.training.forced import predict


@dataclass(frozen=True)
class _Block:
    """What is kept of some strings of one length."""

    string_correct: Tensor
    letter_accuracy: Tensor
    first_error: Tensor
    free_letter_accuracy: Tensor


@checked_call
@torch.no_grad()
def accuracy_by_length(
    model: nn.Module,
    task: Task,
    lengths: Sequence[int],
    strings: int,
    generator: torch.Generator | int,
    free_running: bool = False,
    trained: tuple[int, int] | None = None,
    ideal: Sequence[int] = (),
    free_up_to: int | None = None,
    stop_at_error: bool = False,
) -> LengthAccuracy:
    """Measure how many strings and letters a model answers right, by length.

    It is asked `strings` strings of each length. They run on the model's device, in blocks that bound memory.

    >>> model, planting = interp.planted_copier(n=2)
    >>> result = interp.accuracy_by_length(model, interp.CopyTask(), (4, 8), strings=16, generator=0)
    >>> result.string_correct.mean(axis=1)
    array([1., 1.])

    Args:
        model: tokens to logits; with `free_running` also `generate`, as `HookedModel` has it.
        task: what is asked.
        lengths: letters per string.
        strings: per length.
        generator: draws the strings; or a seed.
        free_running: whether the model also writes every answer from its own output (slower: token by token).
        trained: shortest and longest length of training, to be noted in the result.
        ideal: the n of ideal n-gram copiers to compare with, for tasks that lay out uniform letters.
        stop_at_error: whether to leave a string at its first error (in blocks of `forced.LETTERS_AT_ONCE` letters):
            its share of right letters is then nan. For strings so long that the rest would cost minutes.
        free_up_to: the longest strings that are also written freely; nan at longer ones. None: all of them.

    Raises: UserError for ideal copiers of another task.
    """
    generator = as_generator(generator)
    curves = _ideal(task, ideal, lengths, generator)
    training = model.training
    model.eval()
    try:
        free = [free_running and (free_up_to is None or length <= free_up_to) for length in lengths]
        rows = [
            _one_length(model, task, *which, strings, generator, stop_at_error)
            for which in zip(lengths, free, strict=True)
        ]
    finally:
        model.train(training)
    return LengthAccuracy(
        lengths=tuple(lengths),
        trained=trained,
        string_correct=_stack(rows, "string_correct"),
        letter_accuracy=_stack(rows, "letter_accuracy"),
        first_error=_stack(rows, "first_error"),
        free_letter_accuracy=_stack(rows, "free_letter_accuracy") if free_running else None,
        ideal=curves,
    )


def _ideal(
    task: Task, orders: Sequence[int], lengths: Sequence[int], generator: torch.Generator
) -> dict[str, tuple[float, ...]]:
    """n -> string accuracy of the ideal n-gram copier at each length."""
    if not orders:
        return {}
    return {str(n): tuple(ideal_ngram_accuracy(task, n, lengths, generator).string.tolist()) for n in orders}


def _one_length(
    model: nn.Module,
    task: Task,
    length: int,
    free_running: bool,
    strings: int,
    generator: torch.Generator,
    stop_at_error: bool,
) -> list[_Block]:
    batch = task.sample(strings, length, generator)
    size = _at_once(model, batch.tokens.shape[1], next(model.parameters()).device)
    blocks = [batch.rows(slice(start, start + size)) for start in range(0, strings, size)]
    return [_one_block(model, block, free_running, stop_at_error) for block in blocks]


def _at_once(model: nn.Module, positions: int, device: torch.device) -> int:
    """Strings of a block."""
    recurrent = isinstance(model, HookedModel) and not any(isinstance(layer, KeyValues) for layer in model.new_past())
    at_once = budget(device)
    return max(1, at_once.plain_tokens // positions if recurrent else at_once.pairs // positions**2)


def _one_block(model: Any, batch: Batch, free_running: bool, stop_at_error: bool) -> _Block:
    device = next(model.parameters()).device
    there = batch.to(device)
    forced = score(predict(model, there, stop_at_error), there)
    left = (forced.first_error >= 0) & stop_at_error  # the share of right letters of a string that was left is unknown
    letter_accuracy = forced.letter_accuracy.masked_fill(left, torch.nan)
    free = torch.full_like(forced.letter_accuracy, torch.nan)
    if free_running:
        first, last = _one_run(batch)
        written = model.generate(there.tokens[:, : first + 1], last - first + 1)
        free = score_generated(written[:, first + 1 :], there).letter_accuracy
    return _Block(forced.string_correct, letter_accuracy, forced.first_error, free)


def _one_run(batch: Batch) -> tuple[int, int]:
    """The first and the last position that asks, the same of all strings, which have one length.

    Raises: UserError if they are asked at different places, or between letters that nobody asks for.
    """
    asked = batch.answer.any(dim=0).nonzero()[:, 0]
    first, last = int(asked[0]), int(asked[-1])
    if not bool(batch.answer[:, first : last + 1].all()):
        raise UserError(
            "the answer must be one run of letters at the same place of all strings of a length, to be written freely; "
            "got answers apart. Ask without free_running."
        )
    return first, last


def _stack(rows: list[list[_Block]], name: str) -> np.ndarray:
    """One quantity of all strings, [length string]."""
    return torch.stack([torch.cat([getattr(block, name) for block in row]) for row in rows]).cpu().numpy()
