"""Whose string is copied when the state of one is put into the run on another?

The state just before the separator is taken from string x (the donor) and put, whole or in part, into the run on string
y (the host), which then writes its answer freely. The whole state must give exactly what x's own run gives: that proves
that nothing else carries. Of a part the question is which letters of the answer follow it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.errors import UserError
from interp.measure.state import choose
from interp.measure.state.carry import Carried, answer_logits, carry, free_answer, separator_at
from interp.measure.state.decay import log_decays
from interp.models.hooked import HookedModel
from interp.profiles import Transplant
from interp.stats import bootstrap_interval
from interp.tasks.base import Batch
from interp.tasks.copy import CopyTask

Mix = Callable[[Carried, Carried], Carried]
"""(donor, host) -> the state that the host goes on with."""


@dataclass(frozen=True)
class Graft:
    """A way to mix two states."""

    name: str
    kind: str
    size: int
    """Numbers (of a subspace: directions) that come from the donor."""
    mix: Mix


@torch.no_grad()
def transplants(
    model: HookedModel,
    task: CopyTask,
    length: int,
    strings: int,
    generator: torch.Generator,
    directions: Sequence[int] = (4, 16, 64),
    seed: int = 0,
) -> tuple[Transplant, ...]:
    """Put the state of each of some strings, whole and in parts, into the run on another.

    Parts: the whole, each layer, the convolution windows and all but them, three bands of time constants, the leading
    principal directions of the states and what is left without them; and as many numbers drawn at random as each of
    the bands has, for comparison.

    Args:
        model: carries a state from call to call.
        task: draws the strings.
        length: their letters.
        strings: pairs of donor and host.
        generator: draws them, and the random parts.
        directions: numbers of leading principal directions.
        seed: of the bootstrap over pairs.

    Raises: UserError for fewer than two pairs, or as `carry`.
    """
    if strings < 2 or length < 1:
        raise UserError(f"a transplant takes two pairs of strings of 1 letter or more; got {strings} of {length}.")
    both = task.sample(2 * strings, length, generator).to(model.device)
    x, y = both.rows(slice(0, strings)), both.rows(slice(strings, None))
    donor, host = carry(model, x), carry(model, y)
    found = [
        _graft(graft, model, x, y, donor, host, seed) for graft in grafts(model, both, donor, directions, generator)
    ]
    return tuple(found)


def grafts(
    model: HookedModel, strings: Batch, state: Carried, directions: Sequence[int], generator: torch.Generator
) -> list[Graft]:
    """The parts that are put over."""
    choices = [choose.whole(state), *choose.layers(state), *choose.windows(state)]
    bands = choose.bands(log_decays(model, strings))
    choices += [*bands, *(choose.at_random(bands[0], state, generator) for _ in bands[:1])]
    found = [Graft(choice.name, choice.kind, choice.size, choice.mixed) for choice in choices]
    return [*found, *_subspaces(carry(model, strings), directions)]


def _subspaces(states: Carried, directions: Sequence[int]) -> list[Graft]:
    """The leading principal directions of all states, and the rest."""
    flat = states.flat().double()
    centred = flat - flat.mean(dim=0)
    rank = min(centred.shape) - 1
    _, _, axes = torch.linalg.svd(centred, full_matrices=False)
    found = []
    for n in sorted({min(n, rank) for n in directions if rank > 0}):
        found.append(Graft(f"directions 1-{n}", "subspace", n, _along(axes[:n], inside=True)))
        found.append(Graft(f"all but directions 1-{n}", "subspace", flat.shape[1] - n, _along(axes[:n], inside=False)))
    return found


def _along(axes: Float[Tensor, "direction feature"], inside: bool) -> Mix:
    """The donor's coordinates along the axes, or all of the donor but these."""

    def mix(donor: Carried, host: Carried) -> Carried:
        taken, kept = (donor, host) if inside else (host, donor)
        change = (taken.flat() - kept.flat()).double()
        return unflat(kept, (kept.flat() + (change @ axes.T) @ axes).to(kept.flat().dtype))

    return mix


def unflat(state: Carried, flat: Float[Tensor, "batch feature"]) -> Carried:
    """The state whose numbers, side by side, are these: the inverse of `Carried.flat`."""
    parts = state.parts
    pieces = flat.split([part[0].numel() for part in parts.values()], dim=1)
    return state.edited({name: piece.view_as(part) for (name, part), piece in zip(parts.items(), pieces, strict=True)})


def _graft(
    graft: Graft, model: HookedModel, x: Batch, y: Batch, donor: Carried, host: Carried, seed: int
) -> Transplant:
    mixed = graft.mix(donor, host)
    written = free_answer(model, y, mixed)
    theirs, own = (batch.targets[batch.answer].view(len(batch), -1) for batch in (x, y))
    apart = theirs != own
    donor_share, donor_interval = _share(written == theirs, apart, seed)
    host_share, host_interval = _share(written == own, apart, seed)
    difference = None
    if graft.kind == "whole":
        at, length = separator_at(x), theirs.shape[1]
        clean = model(x.tokens)[:, at : at + length]
        difference = float((answer_logits(model, x, mixed) - clean).abs().max())
    return Transplant(
        name=graft.name,
        kind=graft.kind,
        length=theirs.shape[1],
        size=graft.size,
        follows_donor=donor_share,
        follows_host=host_share,
        donor_interval=donor_interval,
        host_interval=host_interval,
        by_position=_by_position(written == theirs, apart),
        largest_difference=difference,
    )


def _share(same: Bool[Tensor, "batch letter"], apart: Bool[Tensor, "batch letter"], seed: int) -> tuple[float, tuple]:
    """Share of the letters at which the two strings differ, and its interval over pairs."""
    counted, all_apart = (same & apart).sum(dim=1).double(), apart.sum(dim=1).double()
    values = (counted / all_apart.clamp(min=1))[all_apart > 0].cpu().numpy()
    low, high = bootstrap_interval(values, seed)
    return float(values.mean()), (float(low), float(high))


def _by_position(same: Bool[Tensor, "batch letter"], apart: Bool[Tensor, "batch letter"]) -> Float[np.ndarray, " pos"]:
    share = (same & apart).sum(dim=0).double() / apart.sum(dim=0)
    return share.cpu().numpy()
