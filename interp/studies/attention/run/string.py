"""The string that a view of attention shows: a prompt or one that is drawn, first in a batch of its like."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from interp.base.errors import UserError, shown
from interp.base.seeds import own_generator
from interp.loading import Loaded
from interp.models.surface import device, n_ctx
from interp.studies.attention.run.labels import token_labels
from interp.tasks.base import Batch, Task, need
from interp.tasks.sampling import draw_letters

REFERENCES = 32
"""Strings that are drawn beside the one that is shown: ablations take their means and donors from them."""
LONGEST_DRAWN = 40
"""Letters of a string that is drawn, at most, unless told: its copy is as long again."""


@dataclass(frozen=True)
class Shown:
    """The string that is shown, first in a batch of its like, and how its tokens are written."""

    batch: Batch
    labels: Callable[[Tensor], tuple[str, ...]]

    def label(self, token: Tensor) -> str:
        """A token by itself, given as a tensor of one."""
        return self.labels(token)[0]


def shown_string(loaded: Loaded, prompt: str | None, length: int | None, seed: int) -> Shown:
    """A prompt, or a string that is drawn, on the model's device.

    Raises: UserError for a length beside a prompt, a string that does not fit the model's context, and as
        `copied_string` and `text` do.
    """
    if prompt is not None and length is not None:
        raise UserError(f"length must be left out where a prompt is given, which has its own; got {length}.")
    if prompt is not None and loaded.pretrained:
        found = text(loaded, prompt)
    else:
        found = copied_string(loaded, prompt, length, seed)
    batch = found.batch.to(device(loaded.model))
    if (context := n_ctx(loaded.model)) is not None and batch.tokens.shape[1] > context:
        raise UserError(
            f"the string must have at most {context} tokens, the context of this model; got "
            f"{batch.tokens.shape[1]}. Use a shorter one."
        )
    return replace(found, batch=batch)


def copied_string(loaded: Loaded, prompt: str | None, length: int | None, seed: int) -> Shown:
    """A string and its copy, spelt out or drawn, and others as long.

    Raises: UserError for an empty prompt, letters that the task lacks, or a length below 1.
    """
    generator = own_generator("view", seed)
    if prompt is None:
        top = loaded.trained_lengths[1] if loaded.trained_lengths else LONGEST_DRAWN
        n_letters = min(top, LONGEST_DRAWN) if length is None else length
        if n_letters < 1:
            raise UserError(f"length must be at least 1 letter; got {n_letters}.")
        return Shown(loaded.task.sample(1 + REFERENCES, n_letters, generator), labeller(loaded))
    task = loaded.task
    need(task, "lays_out_letters")
    letters = _letters(prompt, task)
    others = draw_letters(REFERENCES, len(letters), task.n_letters, generator)
    return Shown(task.layout(torch.cat([letters[None], others])), labeller(loaded))


def _letters(prompt: str, task: Task) -> Tensor:
    known = task.vocabulary.letters
    strange = sorted(set(prompt) - set(known))
    if strange or not prompt:
        got = f"others, {shown(strange)}" if prompt else "none"
        raise UserError(
            f"prompt must be the string to copy, of the letters {known} alone (the marks are added); got {got}."
        )
    return torch.tensor([known.index(letter) for letter in prompt])


def text(loaded: Loaded, prompt: str) -> Shown:
    """Any text; nothing is known of where its tokens come from.

    Raises: UserError for a model without a tokenizer, or a text without tokens.
    """
    from interp.models.pretrained.bridge import begin_token

    if loaded.pretrained.tokenizer is None:
        raise UserError(
            f"{loaded.pretrained.name} must have a tokenizer to read a prompt; got none beside it. Leave the "
            "prompt out, and a string of its tokens is drawn."
        )
    ids = loaded.pretrained.tokenizer.encode(prompt, add_special_tokens=False)
    if not ids:
        raise UserError("prompt must have at least one token; got none. Give it some text.")
    tokens = torch.tensor([[begin_token(loaded.pretrained), *ids]])
    nothing, everything = torch.full_like(tokens, -1), torch.ones_like(tokens, dtype=torch.bool)
    targets = torch.cat([tokens[:, 1:], nothing[:, :1]], dim=1)
    return Shown(Batch(tokens, targets, targets >= 0, ~everything, nothing), labeller(loaded))


def labeller(loaded: Loaded) -> Callable[[Tensor], tuple[str, ...]]:
    """Tokens as text: letters and marks of the task; of a pretrained model what its tokenizer makes of them."""
    tokenizer = getattr(loaded.pretrained, "tokenizer", None)
    if tokenizer is None:
        return lambda tokens: tuple(loaded.task.vocabulary.decode(token[None]) for token in tokens)
    return lambda tokens: token_labels(tokenizer, tokens.tolist())
