"""The n of a whole model, whatever its heads: measured from behaviour and by intervening on the copied letters.

Both curves step at n. Behaviour: after a planted repeat of k letters the model is right up to k = n - 1 and guesses
from k = n on. Cause: when the copied letter t back is changed to that of a rival place, the answer moves to the rival
for t < n and does not for t >= n.
"""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.base.axes import Tokens
from interp.base.budget import check_fits
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.estimates import difference_intervals, proportion_interval
from interp.base.interval import Interval
from interp.base.seeds import as_generator
from interp.measure.attention.rows import blocks
from interp.measure.heads.n_interval import Rule, n_interval
from interp.models.surface import Model, device, run
from interp.results.accuracy import StepCurve
from interp.tasks.base import Task
from interp.tasks.probes.planted_repeats import offset_swaps, order_swaps, planted_repeats
from interp.tasks.probes.probe import Probe

LEAST_STEP = 0.2
"""A curve that falls by less in all (in accuracy, or in share of answers moved) has no n."""
BYTES = 1024
"""Memory that a string of a few letters takes while it is asked, at least."""
REMAINS = 0.25
"""Share of its whole fall below which a curve counts as fallen: what a letter further back still adds is less."""


@checked_call
def behavioural_n(
    model: Model,
    task: Task,
    length: int | tuple[int, int],
    longest: int,
    strings: int,
    generator: Any,
) -> StepCurve:
    """Measure accuracy at the letter after a planted repeat of k = 0, ..., `longest` letters.

    >>> from interp.models.planted import planted_copier
    >>> from interp.tasks import CopyTask
    >>> behavioural_n(planted_copier(2, 4)[0], CopyTask(4), (14, 18), 4, 24, 0).n
    2

    n is the first k at which at most a quarter is left of what accuracy loses from k = 0, the control at the same
    places, to the longest repeat, where it guesses between the two places.

    Args:
        model: any.
        task: draws the strings.
        length: letters of a string, or the shortest and the longest.
        longest: longest repeat. A model whose n is greater shows no step.
        strings: how many for each k.
        generator: of the strings; a seed will do.

    Returns: the curve over k.

    Raises: UserError if the repeats do not fit into the strings.
    """
    k = _places(longest, strings)
    probe = planted_repeats(task, k, length, as_generator(generator), exclusive=True, context=longest).to(device(model))
    guess = answers(model, probe.batch.tokens, probe.query)
    right = guess == probe.batch.targets.take_along_dim(probe.query[:, None], 1)[:, 0]
    values = right.reshape(longest + 1, strings).double().cpu().numpy()
    interval = [proportion_interval(int(row.sum()), strings) for row in values]
    return _curve(values, interval, _fallen_to_last)


@checked_call
def causal_n(
    model: Model,
    task: Task,
    length: int | tuple[int, int],
    longest: int,
    strings: int,
    generator: Any,
) -> StepCurve:
    """Measure how far the answer moves to a rival place when the copied letter t back becomes the rival's.

    >>> from interp.models.planted import planted_copier
    >>> from interp.tasks import CopyTask
    >>> causal_n(planted_copier(2, 4)[0], CopyTask(4), (14, 18), 4, 24, 0).n
    2

    At t = 0, ..., `longest`, the value is the share of strings answered with the rival's letter after the edit,
    less the share before it. `offsets` are those at which it is more than a quarter of what it is at most; n is their
    number if they are the last ones in a row. A model that moves at no offset, or at all of them, has none.

    Args:
        longest: furthest offset. The two places agree in `longest` + 1 letters but for one.
        strings: how many for each offset.
        model, task, length, generator: as in `behavioural_n`.

    Returns: the curve over t.

    Raises: UserError if the places do not fit into the strings.
    """
    t = _places(longest, strings)
    probe, edited = offset_swaps(task, t, longest + 1, length, as_generator(generator))
    probe, edited = probe.to(device(model)), edited.to(device(model))
    before, after = _to_rival(model, probe, edited, longest + 1)
    moved = after.astype(float) - before.astype(float)
    found = difference_intervals(before, after)
    curve = _curve(moved, [found[i] for i in range(len(found))], _last_in_a_row)
    return replace(curve, offsets=_that_move(moved.mean(axis=1)))


def causal_order(
    model: Model,
    task: Task,
    length: int | tuple[int, int],
    offsets: tuple[int, ...],
    longest: int,
    strings: int,
    generator: Any,
) -> StepCurve:
    """Measure how far the answer moves to a rival place with two letters exchanged, when the copied ones are, too.

    Exchanged are letters next to each other among `offsets`: one step a pair, `x` its nearer letter. A model that looks
    them up in order moves; one that compares bags of letters does not. There is no n.

    Args:
        offsets: letters back that move the answer (`causal_n`), at least two.
        longest: letters in which the two places agree otherwise, besides the last.
        strings: how many for each pair.
        model, task, length, generator: as in `behavioural_n`.

    Raises: UserError for fewer than two offsets, or such as are not in order within the places, or if these do not fit
        into the strings.
    """
    pairs = list(pairwise(offsets))
    if not pairs or any(near >= far for near, far in pairs) or offsets[0] < 0 or offsets[-1] > longest:
        raise UserError(
            f"offsets must be at least two different letters back, from 0 to {longest}, nearest first; got {offsets}. "
            "Take those of causal_n."
        )
    near, far = (torch.tensor(ends).repeat_interleave(strings) for ends in zip(*pairs, strict=True))
    probe, edited = order_swaps(task, near, far, longest + 1, length, as_generator(generator))
    before, after = _to_rival(model, probe.to(device(model)), edited.to(device(model)), len(pairs))
    found = difference_intervals(before, after)
    moved = after.astype(float) - before.astype(float)
    mean = tuple(float(v) for v in moved.mean(axis=1))
    return StepCurve(
        x=offsets[:-1], value=mean, interval=tuple(found[i] for i in range(len(found))), n=None, examples=moved
    )


def order_counts(curve: StepCurve) -> bool | None:
    """Say whether the order of the letters counts: some pair moves the answer, or none; None where neither is sure.

    Args:
        curve: what `causal_order` returns.
    """
    if any(low > 0 and value > REMAINS for (low, _), value in zip(curve.interval, curve.value, strict=True)):
        return True
    return False if all(high < REMAINS for _, high in curve.interval) else None


def _to_rival(
    model: Model, probe: Probe, edited: Tokens, steps: int
) -> tuple[Bool[np.ndarray, "step string"], Bool[np.ndarray, "step string"]]:
    """Whether the answer is the letter that follows the rival place, before and after an edit."""
    letter = probe.batch.tokens.take_along_dim(probe.rival[:, None], 1)[:, 0]
    runs = (answers(model, tokens, probe.query) == letter for tokens in (probe.batch.tokens, edited))
    before, after = (found.reshape(steps, -1).cpu().numpy() for found in runs)
    return before, after


@torch.no_grad()
def answers(model: Model, tokens: Tokens, query: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """Return the token that the model puts after each string's query position, a block of strings at a time."""
    parts = []
    for block in blocks(model, tokens):
        logits = run(model, tokens[block])
        parts.append(logits.take_along_dim(query[block, None, None], 1)[:, 0].argmax(dim=-1))
    return torch.cat(parts)


def _places(longest: int, strings: int) -> Int[Tensor, " batch"]:
    """0, ..., `longest`, each for so many strings. Raises: UserError for less than one string, or too many to hold."""
    if longest < 0 or strings < 1:
        raise UserError(f"longest must be 0 or more, and strings 1 or more; got {longest} and {strings}.")
    check_fits((longest + 1) * strings * BYTES, f"{strings:,} strings for each of {longest + 1:,} places")
    return torch.arange(longest + 1).repeat_interleave(strings)


def _fallen_to_last(curve: Float[np.ndarray, " step"]) -> int | None:
    """The first step at which at most `REMAINS` of the whole fall is left; None if there is no fall."""
    whole = curve[0] - curve[-1]
    fallen = np.flatnonzero(curve - curve[-1] <= REMAINS * whole)
    return int(fallen[0]) if whole >= LEAST_STEP and len(fallen) else None


def _that_move(curve: Float[np.ndarray, " step"]) -> tuple[int, ...]:
    """The steps at which the answer moves: by more than `REMAINS` of the most; none if it moves at all of them."""
    found = np.flatnonzero(curve > REMAINS * curve.max()) if curve.max() >= LEAST_STEP else np.array([], int)
    return tuple(found.tolist()) if len(found) < len(curve) else ()


def _last_in_a_row(curve: Float[np.ndarray, " step"]) -> int | None:
    moving = _that_move(curve)
    return len(moving) if moving and moving == tuple(range(len(moving))) else None


def _curve(values: Float[np.ndarray, "step example"], interval: list[Interval], rule: Rule) -> StepCurve:
    mean = values.mean(axis=1)
    return StepCurve(
        x=tuple(range(len(values))),
        value=tuple(map(float, mean)),
        interval=tuple(interval),
        n=rule(mean),
        examples=values,
        n_interval=n_interval(rule, values, most=len(values) - 1),
    )
