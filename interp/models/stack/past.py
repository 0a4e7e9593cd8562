"""Check what a model is given to continue from (`past`): a cache of other strings must never be read as its own."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from interp.base.errors import UserError


def check_past(past: Any, blocks: nn.ModuleList, layers: range, batch: int, device: torch.device) -> None:
    """Check a past against the model and the strings that continue from it.

    Args:
        past: what `new_past` gave, as earlier calls left it.
        blocks: the model's; each says what it carries (`past_class`, `past_shapes`).
        layers: those that run.
        batch: strings that are read.
        device: where the model is.

    Raises: UserError for a past of another model, of another number of strings, on another device, or whose layers have
        not read equally many positions.
    """
    if not isinstance(past, list) or len(past) != len(blocks):
        got = f"{len(past)} entries" if isinstance(past, Sequence) else f"a {type(past).__name__}"
        raise UserError(
            f"past must be a list of {len(blocks)} entries, one per layer; got {got}. Start with new_past()."
        )
    for layer in layers:
        block: Any = blocks[layer]
        if not isinstance(past[layer], block.past_class):
            raise UserError(
                f"past of layer {layer} must be a {block.past_class.__name__}; got a "
                f"{type(past[layer]).__name__}. Start with new_past() of the model that reads on."
            )
        tensors, wanted = past[layer].tensors(), block.past_shapes(past[layer].length)
        if tensors and set(tensors) != set(wanted):
            raise UserError(f"past of layer {layer} must hold {', '.join(wanted)}; got {', '.join(tensors)}.")
        for name, tensor in tensors.items():
            if tensor.shape != (batch, *wanted[name]) or tensor.device != device:
                raise UserError(
                    f"past of layer {layer} must hold {name} of shape {[batch, *wanted[name]]} on {device}, for the "
                    f"strings that continue; got {list(tensor.shape)} on {tensor.device}. Start each batch with its "
                    "own new_past()."
                )
    if len(lengths := {past[layer].length for layer in layers}) > 1:
        raise UserError(f"past must be of one length in all layers that run; got {sorted(lengths)} positions.")
