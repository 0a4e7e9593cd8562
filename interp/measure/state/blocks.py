"""Strings in blocks: so many at once that the activations of a forward pass stay small, however long the strings."""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Shaped
from torch import Tensor

from interp.base.budget import budget
from interp.measure.state.carried import Carried, carry
from interp.models.hooks.model import HookedModel
from interp.tasks.base import Batch


def blocks(batch: Batch, device: torch.device | str = "cpu") -> Iterator[slice]:
    """Rows of the batch, a block at a time, as many as the device takes."""
    n, positions = batch.tokens.shape
    size = max(1, budget(device).tokens // positions)
    return (slice(first, min(first + size, n)) for first in range(0, n, size))


def carry_all(model: HookedModel, batch: Batch) -> Carried:
    """Carry block by block: the states of all strings, on the model's device."""
    states = [carry(model, batch.rows(rows).to(model.device)) for rows in blocks(batch, model.device)]
    parts = [state.parts for state in states]
    return states[0].edited({name: torch.cat([part[name] for part in parts]) for name in parts[0]})


def each_block(
    run: Callable[[Batch, Carried], Tensor], model: HookedModel, batch: Batch, state: Carried
) -> Shaped[Tensor, "batch ..."]:
    """What `run(strings, state)` says of each block of strings and their state, one after the other."""
    return torch.cat([run(batch.rows(rows).to(model.device), state.rows(rows)) for rows in blocks(batch, model.device)])
