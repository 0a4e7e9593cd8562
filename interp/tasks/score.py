"""How well an answer was given: letter by letter, string by string, teacher-forced or free-running.

Teacher-forced, the model reads the right letters before the one that it predicts; free-running, its own. Whether the
whole string is right is the same under greedy decoding (by induction), the share of right letters is not.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.base.axes import Logits, PosMask, Tokens
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.tasks.base import Batch
from interp.tasks.vocabulary import Vocabulary

Over = Literal["mean", "median", "next"]
"""What of the other letters' logits is taken from the right one's: their mean, their median, or that of the letter
after it in the alphabet (after the last, of the first)."""


@dataclass(frozen=True)
class Scores:
    """One number per string; the end token is trained, but not scored.

    >>> batch = interp.CopyTask().sample(2, 4, generator=0)
    >>> interp.tasks.score(batch.targets, batch).string_correct
    tensor([True, True])
    """

    string_correct: Bool[Tensor, " batch"]
    """Every letter of the answer is right."""
    letter_accuracy: Float[Tensor, " batch"]
    """Share of right letters; nan for a string that is asked nothing."""
    first_error: Int[Tensor, " batch"]
    """Index within the answer of its first wrong letter, -1 where none is."""


@checked_call
def letter_correct(predicted: Tokens, batch: Batch) -> PosMask:
    """Find where the answer's letter is predicted; False outside the answer.

    >>> batch = interp.CopyTask().sample(1, 2, generator=0)
    >>> interp.tasks.letter_correct(batch.targets, batch)
    tensor([[False, False, False,  True,  True, False]])
    """
    _require_same(predicted, batch, "predicted")
    return batch.answer & (predicted == batch.targets)


@checked_call
def score(predicted: Tokens | Logits, batch: Batch) -> Scores:
    """Score predictions under teacher forcing: the predicted token (or the logits) at each position of `batch.tokens`.

    >>> batch = interp.CopyTask().sample(2, 4, generator=0)
    >>> interp.tasks.score(batch.targets, batch).letter_accuracy
    tensor([1., 1.])
    """
    tokens = predicted.argmax(dim=-1) if predicted.is_floating_point() else predicted
    return _summarise(letter_correct(tokens, batch), batch)


@checked_call
def score_generated(generated: Int[Tensor, "batch letter"], batch: Batch) -> Scores:
    """Score a free-running answer: the tokens that the model wrote after the prompt, the first of them in column 0.

    Letters that were not written count as wrong; what was written after the answer does not count.

    >>> batch = interp.CopyTask().sample(2, 4, generator=0)
    >>> interp.tasks.score_generated(batch.answer_tokens, batch).string_correct
    tensor([True, True])
    """
    if len(generated) != len(batch.tokens):
        raise UserError(f"generated must have {len(batch.tokens)} strings, as the batch; got {len(generated)}.")
    missing = max(0, batch.tokens.shape[1] - generated.shape[1])
    written = F.pad(generated, (0, missing), value=-1)
    return _summarise(letter_correct(written.gather(1, _rank(batch)), batch), batch)


@checked_call
def answer_loss(logits: Logits, batch: Batch) -> Float[Tensor, "batch pos"]:
    """Compute the cross-entropy in nats at each letter of the answer, 0 elsewhere.

    >>> task = interp.CopyTask()
    >>> batch = task.sample(1, 3, generator=0)
    >>> interp.tasks.answer_loss(torch.zeros(1, 8, 30), batch)  # ln 30 at each letter of the answer
    tensor([[0.0000, 0.0000, 0.0000, 0.0000, 3.4012, 3.4012, 3.4012, 0.0000]])
    """
    _require_same(logits, batch, "logits")
    targets = batch.targets.masked_fill(~batch.answer, 0)
    loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
    return loss.view_as(targets).masked_fill(~batch.answer, 0.0)


@checked_call
def logit_difference(
    logits: Logits, batch: Batch, vocabulary: Vocabulary, over: Over = "mean"
) -> Float[Tensor, "batch pos"]:
    """Compute the right letter's logit less the mean of the other letters', at each letter of the answer, 0 elsewhere.

    Less their median, it is blind to what one other letter alone gains or loses.

    Args:
        logits: what the model said.
        batch: what it was asked.
        vocabulary: which tokens are letters.
        over: what of the other letters' logits is subtracted.

    Raises: UserError for a vocabulary with letters that the model lacks, or of one letter.

    >>> task = interp.CopyTask()
    >>> batch = task.sample(1, 2, generator=0)
    >>> interp.tasks.logit_difference(torch.zeros(1, 6, 30), batch, task.vocabulary)
    tensor([[0., 0., 0., 0., 0., 0.]])
    """
    _require_same(logits, batch, "logits")
    if vocabulary.n_letters < 2:
        raise UserError("vocabulary must have at least 2 letters, for one to be held against others; got 1.")
    if (most := int(vocabulary.ids(torch.arange(vocabulary.n_letters)).max())) >= logits.shape[-1]:
        raise UserError(
            f"vocabulary must use the model's tokens, ids below {logits.shape[-1]}; got a letter with id {most}. Pass "
            "that of the task that the strings are of."
        )
    letters = vocabulary.ids(torch.arange(vocabulary.n_letters, device=logits.device))
    targets = batch.targets.masked_fill(~batch.answer, 0)
    right = logits.gather(2, targets[..., None])[..., 0].float()
    every = logits[..., letters].float()
    if over == "median":
        others = every.masked_fill(letters == targets[..., None], torch.nan).nanmedian(dim=-1).values
    elif over == "next":
        others = every.masked_fill(letters.roll(1) != targets[..., None], 0.0).sum(dim=-1)
    else:
        others = (every.sum(dim=-1) - right) / (vocabulary.n_letters - 1)
    return (right - others).masked_fill(~batch.answer, 0.0)


@checked_call
def per_string(values: Float[Tensor, "batch pos"], batch: Batch) -> Float[Tensor, " batch"]:
    """Average a quantity over each string's answer; nan for a string that is asked nothing.

    >>> batch = interp.CopyTask().sample(1, 2, generator=0)
    >>> interp.tasks.per_string(torch.ones(1, 6), batch)
    tensor([1.])
    """
    _require_same(values, batch, "values")
    return (values * batch.answer).sum(dim=1) / batch.answer.sum(dim=1)


def _require_same(values: Tensor, batch: Batch, name: str) -> None:
    """Refuse what is not of the batch's strings and positions: one row would be taken for all of them."""
    if (got := tuple(values.shape[:2])) != (wanted := tuple(batch.targets.shape)):
        raise UserError(f"{name} must be of {wanted[0]} strings and {wanted[1]} positions, as the batch; got {got}.")


def _rank(batch: Batch) -> Int[Tensor, "batch pos"]:
    """How many letters of the answer come before the one asked for."""
    return (batch.answer.cumsum(dim=1) - 1).clamp(min=0)


def _summarise(correct: PosMask, batch: Batch) -> Scores:
    wrong = batch.answer & ~correct
    first = _rank(batch).gather(1, wrong.byte().argmax(dim=1, keepdim=True))[:, 0]
    any_wrong = wrong.any(dim=1)
    return Scores(~any_wrong, per_string(correct.float(), batch), first.masked_fill(~any_wrong, -1))
