"""How small a hybrid's recurrent state may be while its attention stays: made coarser, or flatter, after every step.

Unlike `size`, which changes what is carried just before the separator, this holds for the whole run: strings are read
and answered letter by letter, and after each one the recurrent state is put back to few values, or to few directions.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.estimates import share_interval
from interp.base.seeds import as_generator
from interp.measure.state.blocks import blocks
from interp.measure.state.carried import Carried, separator_at
from interp.measure.state.directions import along, principal_axes
from interp.measure.state.memories import check_hybrid
from interp.measure.state.size import TOLERANCE
from interp.models.hooks.model import HookedModel
from interp.results.hybrid import RecurrentSize
from interp.tasks.base import Batch, Task, need

BITS = (1, 2, 3, 4, 6, 8)
DIRECTIONS = (0, 1, 4, 16, 64, 128, 256)
STATES = 1024
"""States, at all positions of the calibration strings, that directions are found on, about."""
Flat = Float[Tensor, "batch feature"]
Way = Callable[[Flat], Flat]
"""What is done to the recurrent numbers after every step."""


@checked_call
@torch.no_grad()
def recurrent_size(
    model: HookedModel,
    task: Task,
    length: int,
    strings: int,
    generator: torch.Generator | int,
    bits: Sequence[int] = BITS,
    directions: Sequence[int] = DIRECTIONS,
    calibration: int = 512,
) -> RecurrentSize:
    """Keep the recurrent state small at every step, leave attention as it is, and see how well strings are answered.

    Quantised: each number to 2^b values, evenly spaced between its least and its largest on strings of their own.
    Projected: what differs from the mean state is kept along the leading principal directions of the same states.

    Args:
        model: has attention layers and recurrent ones.
        task: draws the strings.
        length: their letters.
        strings: how many are answered.
        generator: draws them, and those of the calibration; or a seed.
        bits: per number, ascending.
        directions: numbers of principal directions, ascending; 0 keeps nothing but the mean.
        calibration: strings that ranges and directions are found on, at all of their positions.

    Raises: UserError for a model that is not a hybrid, or a number of bits, strings or directions that cannot be.
    """
    check_hybrid(model)
    need(task, "has_prompt_end")
    if min((strings, calibration, *bits)) < 1 or min(directions, default=0) < 0:
        raise UserError(
            f"strings, calibration and bits must each be at least 1, and directions at least 0; got {strings}, "
            f"{calibration}, {tuple(bits)} and {tuple(directions)}."
        )
    generator = as_generator(generator)
    states, low, high = _states(model, task.sample(calibration, length, generator), generator)
    mean = states.mean(dim=0)
    axes = principal_axes(states, max(directions, default=0)) if any(directions) else states[:0]
    ways: list[Way] = [
        lambda flat: flat,
        *(partial(_quantised, low=low, high=high, bits=b) for b in bits),
        *(partial(_projected, mean=mean, axes=axes[:k]) for k in directions),
    ]
    batch = task.sample(strings, length, generator)
    rows = np.stack([_right(model, batch, way) for way in ways]).mean(axis=2)
    share, ends = [float(row.mean()) for row in rows], [share_interval(row) for row in rows]
    least, after = share[0] - TOLERANCE, 1 + len(bits)
    return RecurrentSize(
        length=length,
        numbers=states.shape[1],
        clean=share[0],
        clean_interval=ends[0],
        bits_per_number=tuple(bits),
        quantised=tuple(share[1:after]),
        quantised_interval=tuple(ends[1:after]),
        directions=tuple(directions),
        projected=tuple(share[after:]),
        projected_interval=tuple(ends[after:]),
        fewest_bits=next((b for b, right in zip(bits, share[1:after], strict=True) if right >= least), None),
        fewest_directions=next((k for k, right in zip(directions, share[after:], strict=True) if right >= least), None),
    )


def _quantised(flat: Flat, low: Tensor, high: Tensor, bits: int) -> Flat:
    last = 2**bits - 1
    step = ((high - low) / last).clamp(min=torch.finfo(flat.dtype).tiny)
    return low + ((flat - low) / step).round().clamp(0, last) * step


def _projected(flat: Flat, mean: Tensor, axes: Float[Tensor, "direction feature"]) -> Flat:
    return mean + along(flat - mean, axes)


def _states(model: HookedModel, batch: Batch, generator: torch.Generator) -> tuple[Flat, Tensor, Tensor]:
    """Recurrent states after tokens of some strings, some of them if there are many; the least and largest of all."""
    seen: list[tuple[Flat, Tensor, Tensor]] = []
    each = max(1, STATES // batch.tokens.shape[1])
    for rows in blocks(batch, model.device):

        def keep(flat: Flat) -> Flat:
            some = torch.randperm(len(flat), generator=generator)[:each].to(flat.device)
            seen.append((flat[some], flat.amin(dim=0), flat.amax(dim=0)))
            return flat

        _logits(model, batch.rows(rows).to(model.device), keep)
    states, low, high = zip(*seen, strict=True)
    return torch.cat(states), torch.stack(low).amin(dim=0), torch.stack(high).amax(dim=0)


def _right(model: HookedModel, batch: Batch, way: Way) -> Float[np.ndarray, "string pos"]:
    """1 for each letter of the answer that is right, teacher-forced, and 0 for any other."""
    found, at, length = [], separator_at(batch), batch.answer_tokens.shape[1]
    for rows in blocks(batch, model.device):
        here = batch.rows(rows).to(model.device)
        found.append((_logits(model, here, way)[:, at : at + length].argmax(dim=-1) == here.answer_tokens).double())
    return torch.cat(found).cpu().numpy()


def _logits(model: HookedModel, batch: Batch, way: Way) -> Float[Tensor, "batch pos vocab"]:
    """Read strings token by token; after each one the recurrent numbers go through `way`."""
    past, found, end = model.new_past(), [], separator_at(batch) + batch.answer_tokens.shape[1]
    first = tuple(f"blocks.{layer}." for layer in cast(Any, model).recurrent_layers)
    for at in range(end):
        found.append(model(batch.tokens[:, at : at + 1], past=past))
        parts = {name: part for name, part in Carried(past).parts.items() if name.startswith(first)}
        flat = way(torch.cat([part.flatten(1) for part in parts.values()], dim=1))
        pieces = flat.split([part[0].numel() for part in parts.values()], dim=1)
        shaped = zip(parts.items(), pieces, strict=True)
        past = Carried(past).edited({name: new.view_as(part).to(part.dtype) for (name, part), new in shaped}).past
    return torch.cat(found, dim=1)
