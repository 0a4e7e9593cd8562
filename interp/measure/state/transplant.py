"""Whose string is copied when the state of one is put into the run on another?

The state just before the separator is taken from string x (the donor) and put, whole or in part, into the run on string
y (the host), which then writes its answer freely. The whole state gives exactly what x's own run gives, of any model:
what is carried is all that the rest of the run sees. It checks the code, not the model. Of a part the question is which
letters of the answer follow it, and whether more do than follow as many numbers, or directions, drawn at random.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.estimates import crossed_interval, share_interval
from interp.base.interval import Interval
from interp.base.seeds import as_generator
from interp.measure.state.blocks import carry_all, each_block
from interp.measure.state.carried import Carried, answer_logits, free_answer, separator_at
from interp.measure.state.decay import log_decays
from interp.measure.state.directions import along, check_calibration, principal_axes, random_axes, unflat
from interp.measure.state.parts import Choice, at_random, bands, layers, whole, windows
from interp.models.hooks.model import HookedModel
from interp.results.state import Transplant
from interp.tasks.base import Batch, Task, need

CONTROLS = 8
"""Random sets of numbers that parts of one size are held against."""
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


@checked_call
@torch.no_grad()
def transplants(
    model: HookedModel,
    task: Task,
    length: int,
    strings: int,
    generator: torch.Generator | int,
    directions: Sequence[int] = (4, 16, 64),
    calibration: int = 512,
) -> tuple[Transplant, ...]:
    """Put the state of each of some strings, whole and in parts, into the run on another.

    Parts: the whole, each layer, the convolution windows and all but them, three bands of time constants, the leading
    principal directions of the states and what is left without them; and beside layers, windows and bands as many
    numbers drawn at random, beside directions as many others among those along which the states vary, `CONTROLS` sets
    for parts of one size: of these the mean over sets.

    Args:
        model: carries a state from call to call.
        task: draws the strings.
        length: their letters.
        strings: pairs of donor and host.
        generator: draws them, and the random parts; or a seed.
        directions: numbers of leading principal directions.
        calibration: strings that the directions are found on; others than the pairs.

    Raises: UserError for fewer than two pairs of strings that differ, too few strings to find so many directions on, or
        as `carry`.
    """
    if strings < 2 or length < 1:
        raise UserError(f"strings must be at least 2 pairs and length at least 1; got {strings} and {length}.")
    need(task, "has_prompt_end")
    check_calibration(calibration, directions)
    generator = as_generator(generator)
    x, y = (task.sample(strings, length, generator).to(model.device) for _ in range(2))
    if (differ := int((x.tokens != y.tokens).any(dim=1).sum())) < 2:
        raise UserError(
            f"strings must give at least two pairs that differ; got {differ} among {strings}. Use more or "
            "longer strings."
        )
    donor, host = carry_all(model, x), carry_all(model, y)
    parts = _choices(model, x, donor, generator)
    if directions:
        parts += _subspaces(carry_all(model, task.sample(calibration, length, generator)), directions, generator)
    draws: dict[tuple[str, str], list[Graft]] = {}
    for graft in parts:
        draws.setdefault((graft.name, graft.kind), []).append(graft)
    return tuple(_transplant(grafts, model, x, y, donor, host) for grafts in draws.values())


def _choices(model: HookedModel, strings: Batch, state: Carried, generator: torch.Generator) -> list[Graft]:
    choices = [whole(state)]
    for alike in (layers(state), windows(state), bands(log_decays(model, strings))):
        choices += [*alike, *_beside(alike, state, generator)]
    return [Graft(choice.name, choice.kind, choice.size, choice.mixed) for choice in choices]


def _beside(parts: list[Choice], state: Carried, generator: torch.Generator) -> list[Choice]:
    """Draw as many numbers at random, `CONTROLS` times; for sizes that differ by one at most, once. Of the whole state
    no others can be drawn."""
    found: list[Choice] = []
    for part in parts:
        if part.size < state.flat().shape[1] and all(abs(part.size - control.size) > 1 for control in found):
            found += [at_random(part, state, generator) for _ in range(CONTROLS)]
    return found


def _subspaces(states: Carried, directions: Sequence[int], generator: torch.Generator) -> list[Graft]:
    """The leading principal directions of all states, the rest, and as many directions drawn at random."""
    flat = states.flat()
    axes = principal_axes(flat, max(directions))
    found = []
    for n in sorted({min(n, len(axes)) for n in directions if len(axes)}):
        found.append(Graft(f"directions 1-{n}", "subspace", n, _along(axes[:n], inside=True)))
        found.append(Graft(f"all but directions 1-{n}", "subspace", flat.shape[1] - n, _along(axes[:n], inside=False)))
        drawn = random_axes(flat, n, CONTROLS, generator)
        found += [Graft(f"as many as directions 1-{n}, at random", "control", n, _along(some, True)) for some in drawn]
    return found


def _along(axes: Float[Tensor, "direction feature"], inside: bool) -> Mix:
    """The donor's coordinates along the axes, or all of the donor but these."""

    def mix(donor: Carried, host: Carried) -> Carried:
        taken, kept = (donor, host) if inside else (host, donor)
        return unflat(kept, kept.flat() + along(taken.flat() - kept.flat(), axes))

    return mix


def _transplant(
    draws: list[Graft], model: HookedModel, x: Batch, y: Batch, donor: Carried, host: Carried
) -> Transplant:
    """Measure what a part of the state brings; of numbers drawn at random, on average over the draws."""
    # All strings at once: a step runs one token of each.
    written = torch.stack([free_answer(model, y.to(model.device), graft.mix(donor, host)) for graft in draws])
    graft, theirs, own = draws[0], x.answer_tokens, y.answer_tokens
    apart = theirs != own
    to_donor, to_host = (_shares(written == answer, apart) for answer in (theirs, own))
    return Transplant(
        name=graft.name,
        kind=graft.kind,
        length=theirs.shape[1],
        size=graft.size,
        follows_donor=float(to_donor.mean()),
        follows_host=float(to_host.mean()),
        donor_interval=_interval(to_donor),
        host_interval=_interval(to_host),
        by_position=_by_position(written == theirs, apart),
        largest_difference=_difference(model, x, graft.mix(donor, host)) if graft.kind == "whole" else None,
    )


def _difference(model: HookedModel, x: Batch, state: Carried) -> float:
    """The largest between the logits from this state and those of x's own run, from its first token on."""

    def largest(strings: Batch, state: Carried) -> Float[Tensor, " batch"]:
        at = separator_at(strings)
        here = answer_logits(model, strings, state)
        return (here - model(strings.tokens)[:, at : at + here.shape[1]]).abs().amax(dim=(1, 2))

    return float(each_block(largest, model, x, state).max())


def _shares(
    same: Bool[Tensor, "draw batch letter"], apart: Bool[Tensor, "batch letter"]
) -> Float[np.ndarray, "draw pair"]:
    """Share of the letters at which the two strings of a pair differ; pairs that are alike are left out."""
    counted, all_apart = (same & apart).sum(dim=2).double(), apart.sum(dim=1).double()
    return (counted / all_apart.clamp(min=1))[:, all_apart > 0].cpu().numpy()


def _interval(shares: Float[np.ndarray, "draw pair"]) -> Interval:
    """The interval over pairs, or over draws and pairs."""
    return share_interval(shares[0]) if len(shares) == 1 else crossed_interval(shares)


def _by_position(
    same: Bool[Tensor, "draw batch letter"], apart: Bool[Tensor, "batch letter"]
) -> Float[np.ndarray, " pos"]:
    share = (same & apart).sum(dim=1).double() / apart.sum(dim=0)
    return share.mean(dim=0).cpu().numpy()
