"""Token ids as every model takes them: whole numbers within its vocabulary, [batch pos]."""

from typing import Any

import torch
from torch import Tensor

from interp.base.axes import Tokens
from interp.base.errors import UserError
from interp.models.hooks.point import shape_of

INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def as_tokens(tokens: Any, d_vocab: int, check_values: bool = True) -> Tokens:
    """Hold what a model is given to what it can read.

    >>> as_tokens(torch.tensor([1, 2, 3]), d_vocab=30)
    tensor([[1, 2, 3]])

    Args:
        tokens: whole numbers of any kind, [batch pos]; [pos] is a batch of one string, as in TransformerLens.
        d_vocab: how many token ids the model has.
        check_values: whether the ids are compared with the vocabulary, which waits for an accelerator.

    Raises: UserError for anything else: text, numbers with a fraction, no string, no position, ids out of bounds.
    """
    if not isinstance(tokens, Tensor) or tokens.is_sparse:
        raise UserError(
            f"tokens must be a tensor of token ids; got {_briefly(tokens)}. Encode text with a task's vocabulary: "
            f'task.vocabulary.encode("$ab|ab.").'
        )
    if tokens.dtype not in INTEGERS:
        raise UserError(
            f"tokens must be token ids, which are integers; got {str(tokens.dtype).removeprefix('torch.')}."
        )
    tokens = tokens[None] if tokens.ndim == 1 else tokens
    if tokens.ndim != 2 or 0 in tokens.shape:
        raise UserError(
            f"tokens must be [batch pos], at least one string of at least one position; got {shape_of(tokens)}."
        )
    if check_values and (bounds := _bounds(tokens)) is not None:
        for token in bounds:
            if not 0 <= token < d_vocab:
                raise UserError(f"token ids must be from 0 to {d_vocab - 1} for this model; got {token}.")
    return tokens.long()


def _bounds(tokens: Tensor) -> tuple[int, int] | None:
    """The smallest and the largest id; None where they cannot be read: on `meta`, under `torch.compile` or `vmap`."""
    if tokens.is_meta or torch.compiler.is_compiling():
        return None
    try:
        least, most = tokens.aminmax()
        return int(least), int(most)
    except RuntimeError:  # shapes without numbers (nnsight's scan), or vmap
        return None


def _briefly(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"
