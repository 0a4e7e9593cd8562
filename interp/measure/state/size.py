"""How large a state is, what the theorem allows with it, and how little of it would do.

`state_size` counts numbers; `effective_size` finds out how coarse they may be, and along how few directions they may
vary, before the answer suffers.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.seeds import as_generator
from interp.measure.state.bits import check_lengths
from interp.measure.state.blocks import blocks, carry_all
from interp.measure.state.carried import Carried, Parts, answer_logits, carry
from interp.measure.state.directions import along, check_calibration, principal_axes, unflat
from interp.models.hooks.model import HookedModel
from interp.results.state import EffectiveSize, StateSize
from interp.tasks.base import Batch, Task, need

TOLERANCE = 0.01
"""Letter accuracy that may be lost: a percentage point."""
BITS = (1, 2, 3, 4, 6, 8)
DIRECTIONS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
Way = Callable[[Carried], Carried]
"""What is done to a state before the answer."""


@checked_call
@torch.no_grad()
def state_size(model: HookedModel, lengths: Sequence[int]) -> StateSize:
    """Numbers and bits that a model carries for one string, counted on a string of each length.

    States, convolution windows, and the keys and values of attention layers, which grow with the string: one position
    for each letter, and one for the token before them. Each number counts with the bits of the precision in which it
    is carried; `dtype_bits` is the widest.

    Raises: UserError for a length below 1, or a model that carries nothing.
    """
    check_lengths(lengths)
    carried = [_of_one_string(model, length) for length in lengths]
    return StateSize(
        parts={name: part.numel() for name, part in carried[lengths.index(max(lengths))].items()},
        dtype_bits=max(8 * part.element_size() for part in carried[0].values()),
        floats=tuple(sum(part.numel() for part in parts.values()) for parts in carried),
        bits=tuple(float(sum(8 * part.nbytes for part in parts.values())) for parts in carried),
    )


def accuracy_bound(state_bits: float, alphabet: int, length: int) -> float:
    """The most of uniform strings that any model with so many bits of state can copy: min(1, 2^bits / D^L).

    Theorem 2.7 of Jelassi et al. 2024: err > 1 - |S| / D^L for a state that takes |S| values.
    """
    return 2.0 ** min(0.0, state_bits - length * float(np.log2(alphabet)))


def utilisation(
    recovered: Sequence[float], state_bits: Sequence[float], alphabet: int, lengths: Sequence[int]
) -> tuple[float, ...]:
    """Bits recovered / min(bits needed, state bits), by length."""
    rows = zip(recovered, state_bits, lengths, strict=True)
    return tuple(float(bits / min(length * np.log2(alphabet), size)) for bits, size, length in rows)


@checked_call
@torch.no_grad()
def effective_size(
    model: HookedModel,
    task: Task,
    lengths: Sequence[int],
    strings: int,
    generator: torch.Generator | int,
    bits: Sequence[int] = BITS,
    directions: Sequence[int] = DIRECTIONS,
    calibration: int = 512,
) -> EffectiveSize:
    """Make the state before the separator coarser, or flatter, and see how well the answer is still given.

    Quantised: each number to 2^b values, evenly spaced between its least and its largest on strings of their own (the
    calibration; what lies beyond is cut off there). A number that is the same for all of these is left at that, and
    costs nothing. Projected: all but the k leading principal directions, of the same strings, is set to its mean.
    Letter accuracy is teacher-forced; the fewest are those that lose no more than `TOLERANCE`. A model that answers at
    chance loses nothing: read them beside `clean`.

    Args:
        model: carries a state from call to call.
        task: draws the strings.
        lengths: letters per string.
        strings: for each length, to answer.
        generator: draws them; or a seed.
        bits: per number, ascending.
        directions: numbers of principal directions, ascending.
        calibration: strings that ranges and directions are found on; others than those that are answered.

    Raises: UserError for a length or a number of bits, directions or strings below 1, or too few strings to find so
        many directions on.
    """
    need(task, "has_prompt_end")
    check_lengths(lengths)
    generator = as_generator(generator)
    if min((strings, *bits, *directions)) < 1:
        raise UserError(
            f"strings, bits and directions must each be at least 1; got {strings}, {bits} and {directions}."
        )
    check_calibration(calibration, directions)
    rows = np.array(
        [_accuracies(model, task, length, strings, generator, bits, directions, calibration) for length in lengths]
    )
    clean, quantised, projected = rows[:, 0], rows[:, 1 : 1 + len(bits)], rows[:, 1 + len(bits) :]
    return EffectiveSize(
        lengths=tuple(lengths),
        bits_per_number=tuple(bits),
        quantised=quantised,
        directions=tuple(directions),
        projected=projected,
        clean=tuple(map(float, clean)),
        fewest_bits=_fewest(bits, quantised, clean),
        fewest_directions=_fewest(directions, projected, clean),
    )


def quantised(state: Carried, low: Parts, high: Parts, bits: int) -> Carried:
    """Each number at the nearest of 2^bits values, evenly spaced from `low` to `high`."""
    last = 2**bits - 1
    found = {}
    for name, part in state.parts.items():
        step = ((high[name] - low[name]) / last).clamp(min=torch.finfo(part.dtype).tiny)
        found[name] = low[name] + ((part - low[name]) / step).round().clamp(0, last) * step
    return state.edited(found)


def projected(state: Carried, mean: Float[Tensor, " feature"], axes: Float[Tensor, "direction feature"]) -> Carried:
    """What differs from the mean along the axes; the rest at the mean."""
    return unflat(state, mean + along(state.flat() - mean, axes))


def _of_one_string(model: HookedModel, length: int) -> Parts:
    past = model.new_past()
    model(torch.zeros(1, length + 1, dtype=torch.long, device=model.device), return_type=None, past=past)
    if not (parts := Carried(past).parts):
        raise UserError(
            f"model must carry a state from call to call; got a {type(model).__name__}, which carries none."
        )
    return parts


def _accuracies(
    model: HookedModel,
    task: Task,
    length: int,
    strings: int,
    generator: torch.Generator,
    bits: Sequence[int],
    directions: Sequence[int],
    calibration: int,
) -> list[float]:
    """Letter accuracy with the state as it is, at each number of bits, and at each of directions."""
    fitted = carry_all(model, task.sample(calibration, length, generator))
    low = {name: part.amin(dim=0) for name, part in fitted.parts.items()}
    high = {name: part.amax(dim=0) for name, part in fitted.parts.items()}
    flat = fitted.flat()
    mean, axes = flat.mean(dim=0), principal_axes(flat, max(directions))
    ways: list[Way] = [
        Carried.copy,
        *(partial(quantised, low=low, high=high, bits=b) for b in bits),
        *(partial(projected, mean=mean, axes=axes[:k]) for k in directions),
    ]
    batch, right = task.sample(strings, length, generator), np.zeros(len(ways))
    for rows in blocks(batch, model.device):
        block = batch.rows(rows).to(model.device)
        state = carry(model, block)
        right += [_right(model, block, way(state)) for way in ways]
    return list(right / (strings * length))


def _right(model: HookedModel, batch: Batch, state: Carried) -> int:
    return int((answer_logits(model, batch, state).argmax(dim=-1) == batch.answer_tokens).sum())


def _fewest(
    tried: Sequence[int], accuracy: Float[np.ndarray, "length way"], clean: Float[np.ndarray, " length"]
) -> tuple[int | None, ...]:
    enough = accuracy >= clean[:, None] - TOLERANCE
    return tuple(next((n for n, fits in zip(tried, row, strict=True) if fits), None) for row in enough)
