"""How far a set of gather heads reaches: what is left of a lookup head's matching when all other earlier heads are cut.

One head alone may change little: several may share a letter, and the furthest of many counts little. So it is asked of
the set. All other earlier heads write their mean on the direct path to the lookup heads' queries and keys; then the
copied letters are edited one by one, as where it is measured which of them count. A set that brings all that the lookup
heads match leaves every answer as it was.
"""

from collections.abc import Collection, Sequence
from typing import Any, cast

import numpy as np
import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor

from interp.base.axes import Residual
from interp.measure.attention.rows import QueryRow, blocks
from interp.measure.heads.entering import Entered, enter, in_stream
from interp.measure.heads.flags import by_match
from interp.measure.heads.gather import mean_outputs
from interp.models.heads import Head, HeadTable
from interp.models.surface import Model
from interp.tasks.probes.probe import Probe

Moves = Float[np.ndarray, "set lookup offset"]


@torch.no_grad()
def moves_with(
    model: Model, pair: tuple[Probe, Probe], steps: int, lookups: Sequence[Head], sets: Sequence[Collection[Head]]
) -> Moves:
    """Measure how far letters move the lookup heads to the rival if of the earlier heads only those of a set are left.

    Args:
        model: one whose attention layers write the sum over their heads (`gather.writes_are_sums`).
        pair: probes by offset, and the same with the copied letter edited (`Strings.of_every_offset`).
        steps: number of offsets.
        lookups: attention heads.
        sets: sets of earlier attention heads.

    Returns: nats, averaged over strings.
    """
    earlier = [h for h in HeadTable.of(model).of_kind("attention") if h.layer < max(head.layer for head in lookups)]
    means = mean_outputs(model, pair[0], earlier)
    leads = [_leads(model, probe, lookups, sets, earlier, means) for probe in pair]
    change = leads[1] - leads[0]
    change = change.masked_fill(~change.isfinite(), 0.0)
    return np.stack([by_match(of_set, steps).mean(axis=2) for of_set in change])


def _leads(
    model: Model,
    probe: Probe,
    lookups: Sequence[Head],
    sets: Sequence[Collection[Head]],
    earlier: Sequence[Head],
    means: dict[int, Tensor],
) -> Float[Tensor, "set lookup example"]:
    """Margin of the rival's score over the source's."""
    layers, parts = sorted({head.layer for head in lookups}), []
    for rows in blocks(model, probe.batch.tokens):
        some = probe.rows(rows)
        entered = enter(model, some.batch.tokens, some.query, layers)
        found = []
        for kept in sets:
            scores = {at: _scores(model, entered, at, [h for h in earlier if h not in kept], means) for at in layers}
            of_heads = torch.stack([scores[head.layer][:, head.index] for head in lookups])
            at = torch.stack([some.rival, some.source]).clamp(min=0)
            rival, source = (of_heads.take_along_dim(place[None, :, None], dim=2)[:, :, 0] for place in at)
            found.append(rival - source)
        parts.append(torch.stack(found))
    return torch.cat(parts, dim=2)


def _scores(model: Model, entered: Entered, layer: int, away: Sequence[Head], means: dict[int, Tensor]) -> QueryRow:
    """Scores of a layer whose input lacks what some heads write, but for the mean."""
    stream: Residual = entered.stream[layer]
    written = in_stream(model, away, layer)
    for below in sorted({head.layer for head in written}):
        index = [head.index for head in written if head.layer == below]
        W_O = cast(Any, model).blocks[below].attn.W_O[index]
        change = (means[below][index] - entered.z[below][:, :, index]).to(W_O.dtype)
        stream = stream + einsum(change, W_O, "b p h d, h d m -> b p m")
    return entered.scores[layer](stream)
