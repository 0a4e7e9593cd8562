"""The n of a whole model, whatever its heads: measured from behaviour and by intervening on the copied letters.

Both curves step at n. Behaviour: after a planted repeat of k letters the model is right up to k = n - 1 and guesses
from k = n on. Cause: when the copied letter t back is changed to that of a rival place, the answer moves to the rival
for t < n and does not for t >= n.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.base.axes import Tokens
from interp.base.seeds import as_generator
from interp.base.stats import Interval, paired_proportions_interval, proportion_interval
from interp.measure.attention.rows import blocks
from interp.models.surface import Model, device, run
from interp.results.accuracy import StepCurve
from interp.tasks.base import Task
from interp.tasks.probes.planted_repeats import offset_swaps, planted_repeats

LEAST_STEP = 0.2
"""A curve that falls by less in all (in accuracy, or in share of answers moved) has no n."""
REMAINS = 0.25
"""Below this share of its whole fall, a curve counts as fallen: what a letter further back still adds is less."""


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
    k = torch.arange(longest + 1).repeat_interleave(strings)
    probe = planted_repeats(task, k, length, as_generator(generator), exclusive=True, context=longest).to(device(model))
    guess = answers(model, probe.batch.tokens, probe.query)
    right = guess == probe.batch.targets.take_along_dim(probe.query[:, None], 1)[:, 0]
    values = right.reshape(longest + 1, strings).double().cpu().numpy()
    mean = values.mean(axis=1)
    interval = [proportion_interval(int(row.sum()), strings) for row in values]
    return _curve(values, interval, _fallen(mean, mean[-1]))


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
    less the share before it. n is the number of offsets before the curve has fallen below a quarter of what it is at
    t = 0; a model that moves at no offset, or at all of them, has none.

    Args:
        longest: furthest offset. The two places agree in `longest` + 1 letters but for one.
        strings: how many for each offset.
        model, task, length, generator: as in `behavioural_n`.

    Returns: the curve over t.

    Raises: UserError if the places do not fit into the strings.
    """
    t = torch.arange(longest + 1).repeat_interleave(strings)
    probe, edited = offset_swaps(task, t, longest + 1, length, as_generator(generator))
    probe, edited = probe.to(device(model)), edited.to(device(model))
    letter = probe.batch.tokens.take_along_dim(probe.rival[:, None], 1)[:, 0]
    before, after = (
        (answers(model, tokens, probe.query) == letter).reshape(longest + 1, strings).cpu().numpy()
        for tokens in (probe.batch.tokens, edited)
    )
    moved = after.astype(float) - before.astype(float)
    interval = [paired_proportions_interval(*pair) for pair in zip(before, after, strict=True)]
    return _curve(moved, interval, _fallen(moved.mean(axis=1), 0.0))


@torch.no_grad()
def answers(model: Model, tokens: Tokens, query: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """Return the token that the model puts after each string's query position, a block of strings at a time."""
    parts = []
    for block in blocks(model, tokens):
        logits = run(model, tokens[block])
        parts.append(logits.take_along_dim(query[block, None, None], 1)[:, 0].argmax(dim=-1))
    return torch.cat(parts)


def _fallen(curve: Float[np.ndarray, " step"], end: float) -> int | None:
    """The first step at which at most `REMAINS` of the whole fall to `end` is left; None if there is no fall."""
    whole = curve[0] - end
    fallen = np.flatnonzero(curve - end <= REMAINS * whole)
    return int(fallen[0]) if whole >= LEAST_STEP and len(fallen) else None


def _curve(values: Float[np.ndarray, "step example"], interval: list[Interval], n: int | None) -> StepCurve:
    mean = tuple(float(v) for v in values.mean(axis=1))
    return StepCurve(x=tuple(range(len(values))), value=mean, interval=tuple(interval), n=n, examples=values)
