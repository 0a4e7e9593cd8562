"""Whose string is copied when the state of one is put into the run on another?

The state just before the separator is taken from string x (the donor) and put, whole or in part, into the run on string
y (the host), which then writes its answer freely. The whole state gives exactly what x's own run gives, of any model:
what is carried is all that the rest of the run sees. It checks the code, not the model. Of a part the question is which
letters of the answer follow it, and whether more do than follow as many numbers, or directions, drawn at random.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.seeds import as_generator
from interp.base.stats import bootstrap_interval
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
    seed: int = 0,
) -> tuple[Transplant, ...]:
    """Put the state of each of some strings, whole and in parts, into the run on another.

    Parts: the whole, each layer, the convolution windows and all but them, three bands of time constants, the leading
    principal directions of the states and what is left without them; and beside layers, windows and bands as many
    numbers drawn at random, beside directions as many others among those along which the states vary, `CONTROLS` sets
    for parts of one size: of these the mean over sets, and their range.

    Args:
        model: carries a state from call to call.
        task: draws the strings.
        length: their letters.
        strings: pairs of donor and host.
        generator: draws them, and the random parts; or a seed.
        directions: numbers of leading principal directions.
        calibration: strings that the directions are found on; others than the pairs.
        seed: of the bootstrap over pairs.

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
    found: dict[tuple[str, str], list[Transplant]] = {}
    for graft in parts:
        done = _transplant(graft, model, x, y, graft.mix(donor, host), seed)
        found.setdefault((graft.name, graft.kind), []).append(done)
    return tuple(draws[0] if len(draws) == 1 else _over_draws(draws) for draws in found.values())


def _over_draws(draws: list[Transplant]) -> Transplant:
    """Average over sets of numbers drawn at random, with the range as interval: sets differ more than pairs do."""
    donor, host = ([getattr(draw, name) for draw in draws] for name in ("follows_donor", "follows_host"))
    return replace(
        draws[0],
        follows_donor=float(np.mean(donor)),
        follows_host=float(np.mean(host)),
        donor_interval=(min(donor), max(donor)),
        host_interval=(min(host), max(host)),
        by_position=np.mean([draw.by_position for draw in draws], axis=0),
    )


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


def _transplant(graft: Graft, model: HookedModel, x: Batch, y: Batch, mixed: Carried, seed: int) -> Transplant:
    written = free_answer(model, y.to(model.device), mixed)  # all at once: a step runs one token of each string
    theirs, own = x.answer_tokens, y.answer_tokens
    apart = theirs != own
    donor_share, donor_interval = _share(written == theirs, apart, seed)
    host_share, host_interval = _share(written == own, apart, seed)
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
        largest_difference=_difference(model, x, mixed) if graft.kind == "whole" else None,
    )


def _difference(model: HookedModel, x: Batch, state: Carried) -> float:
    """The largest between the logits from this state and those of x's own run, from its first token on."""

    def largest(strings: Batch, state: Carried) -> Float[Tensor, " batch"]:
        at = separator_at(strings)
        here = answer_logits(model, strings, state)
        return (here - model(strings.tokens)[:, at : at + here.shape[1]]).abs().amax(dim=(1, 2))

    return float(each_block(largest, model, x, state).max())


def _share(same: Bool[Tensor, "batch letter"], apart: Bool[Tensor, "batch letter"], seed: int) -> tuple[float, tuple]:
    """Share of the letters at which the two strings differ, and its interval over pairs."""
    counted, all_apart = (same & apart).sum(dim=1).double(), apart.sum(dim=1).double()
    values = (counted / all_apart.clamp(min=1))[all_apart > 0].cpu().numpy()
    low, high = bootstrap_interval(values, seed)
    return float(values.mean()), (float(low), float(high))


def _by_position(same: Bool[Tensor, "batch letter"], apart: Bool[Tensor, "batch letter"]) -> Float[np.ndarray, " pos"]:
    share = (same & apart).sum(dim=0).double() / apart.sum(dim=0)
    return share.cpu().numpy()
