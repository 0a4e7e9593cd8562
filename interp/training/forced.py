"""What a model predicts under teacher forcing, with memory linear in the length of the strings.

Only positions from the first asked one on are looked from in the last layer, attention runs in blocks of queries
(`models.stack.attention`), and, if asked, a string is left at its first error.
"""

from inspect import signature
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.budget import check_fits
from interp.base.errors import UserError
from interp.models.stack.model import StackModel
from interp.models.transformer import HookedTransformer
from interp.tasks.base import Batch
from interp.tasks.score import letter_correct

UNREAD = -1
"""The prediction at a position that is not asked, or that comes after a string's first error."""
LETTERS_AT_ONCE = 4096
"""Letters whose queries run together where a string is left at its first error: each time keys are made anew."""


@torch.no_grad()
def predict(model: Any, batch: Batch, stop_at_error: bool = False) -> Int[Tensor, "batch pos"]:
    """The most likely token at every position from the first asked one on, `UNREAD` before.

    Args:
        model: tokens to logits.
        batch: strings, on the model's device.
        stop_at_error: leave a batch when each of its strings has had an error; what follows is `UNREAD`.

    Raises: UserError for a string whose activations do not fit into memory, or to stop a model whose last layer cannot
        be asked for some positions alone.
    """
    out = torch.full_like(batch.tokens, UNREAD)
    if "queries_from" not in signature(model.forward).parameters:
        _refuse_to_stop(stop_at_error, model)
        return model(batch.tokens).argmax(dim=-1)
    first = int(batch.answer.any(dim=0).int().argmax())
    check_memory(model, len(batch), batch.tokens.shape[1])
    if not stop_at_error:
        out[:, first:] = model(batch.tokens, queries_from=first).argmax(dim=-1)
        return out
    _refuse_to_stop(not isinstance(model, StackModel), model)
    last, n = model.entry(len(model.blocks) - 1), batch.tokens.shape[1]
    stream = model(batch.tokens, stop_at_layer=last) if last else None
    for start in range(first, n, LETTERS_AT_ONCE):
        stop = min(start + LETTERS_AT_ONCE, n)
        here = slice(start, stop)
        if stream is None:
            logits = model(batch.tokens[:, :stop], queries_from=start)
        else:
            logits = model(stream[:, :stop], start_at_layer=last, queries_from=start)
        out[:, here] = logits.argmax(dim=-1)
        wrong = batch.answer & ~letter_correct(out, batch)
        if bool(wrong[:, :stop].any(dim=1).all()):
            break
    return out


def check_memory(model: Any, strings: int, positions: int) -> None:
    """Raises: UserError if the activations of this many strings would not fit into memory. Asked of transformers alone:
    recurrent models make no more of a string than the strings themselves take."""
    if not isinstance(model, HookedTransformer):
        return
    config = model.config
    heads = [config.heads_in(layer) for layer in range(config.n_layers)]
    numbers = max(4 * each.n * each.width + 3 * each.n * config.d_vocab * any(each.even) for each in heads)
    size = strings * positions * (6 * config.d_model + numbers + 2 * config.d_vocab) * 4
    check_fits(size, f"the activations of strings of {positions:,} tokens")


def _refuse_to_stop(wanted: bool, model: Any) -> None:
    if wanted:
        raise UserError(
            f"stop_at_error must be False for a {type(model).__name__}, whose last layer cannot be run for some "
            f"positions alone; got True. Leave it out."
        )
