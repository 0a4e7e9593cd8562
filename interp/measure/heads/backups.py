"""Heads that take over: they rest while the lookup heads answer, and attend to the match when these are gone."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from torch import Tensor

from interp.base.estimates import mean_intervals
from interp.measure.heads.attending import Asking, matched
from interp.measure.heads.gather import mean_outputs
from interp.measure.heads.lookup import Looked
from interp.measure.heads.roles import copying
from interp.measure.heads.settings import HeadSettings
from interp.measure.heads.strings import Strings
from interp.models.heads import Head, HeadTable
from interp.models.hooks.model import Hook
from interp.models.surface import Model, by_head
from interp.results.heads import HeadScores
from interp.tasks.probes.probe import Probe

ROUNDS = 3
"""Times that heads which took over are taken away, too."""


def with_backups(
    model: Model, strings: Strings, settings: HeadSettings, scores: HeadScores, plain: Probe, seed: int
) -> HeadScores:
    """Take the lookup heads away, and score the heads that attend to the source instead, until none comes any more.

    Away, a head writes its mean over strings and positions. A head comes back if its attention to the source, above
    chance, and its rise lie above the floor with their whole intervals; it is then asked what the others were.

    Args:
        model: the model.
        strings: draws the strings.
        settings: what counts.
        scores: roles of the heads.
        plain: probes without a rival.
        seed: of further strings and the bootstrap.
    """
    table, drawn = HeadTable.of(model), strings.apart("heads that take over", seed)
    for _ in range(ROUNDS):
        gone = table.parse(scores.of_role("lookup"))
        later = [head for head in scores.heads if not head.flagged and head.role == "none" and _after(head.layer, gone)]
        if not gone or not later:
            break
        asking = Asking(model, drawn, settings, seed, without(model, plain, gone))
        found = _risen(scores, asking.look(plain), settings) & {head.name for head in later}
        if not found:
            break
        rows = matched(asking, scores.heads, found, asking.look(drawn.of_every_match()))
        rows, notes = copying(model, drawn, rows, found, beside=gone)
        taken = {head.name for head in rows if head.name in found and head.role == "lookup"}
        rows = [replace(head, backup=True) if head.name in taken else head for head in rows]
        back = [f"{name} attends to the match only when the other lookup heads are gone" for name in sorted(taken)]
        scores = replace(scores, heads=tuple(rows), notes=(*scores.notes, *back, *notes))
        if not taken:
            break
    return scores


def without(model: Model, probe: Probe, heads: Sequence[Head]) -> tuple[Hook, ...]:
    """Make hooks under which heads write their mean output, the same for any strings.

    Args:
        model: the model.
        probe: the strings that the mean is taken over.
        heads: those that are taken away.
    """
    means = mean_outputs(model, probe, heads)

    def held(layer: int) -> Hook:
        here = [head for head in heads if head.layer == layer]

        def put(output: Float[Tensor, "batch pos *inner"], hook: object) -> Tensor:  # noqa: ARG001
            z = by_head(output).clone()
            for head in here:
                z[:, :, head.index] = means[layer][head.index].to(z)
            return z.reshape(output.shape)

        return here[0].output_hook, put

    return tuple(held(layer) for layer in sorted(means))


def _after(layer: int, gone: Sequence[Head]) -> bool:
    return any(layer > head.layer for head in gone)


def _risen(scores: HeadScores, looked: Looked, settings: HeadSettings) -> set[str]:
    """Heads that attend to the source with the edits in force, and more than without."""
    above = looked.above_chance().double().cpu().numpy()
    rise = above - (scores.attention - scores.shuffled)
    above, rise = (mean_intervals(values).low for values in (above, rise))
    low = np.minimum(above, rise)
    return {head.name for head, least in zip(scores.heads, low, strict=True) if least > settings.floor}
