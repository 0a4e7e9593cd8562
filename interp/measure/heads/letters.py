"""Which letters move single heads when they are changed, with as many strings as an interval needs: n by intervention.

The detector (`score`) asks of every head; here some are asked, so that more strings may be shown to them, and the model
runs no further than the last of them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from interp.base.axes import Tokens
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.seeds import as_generator
from interp.measure.attention.rows import blocks, rows_at
from interp.measure.heads.attending import in_a_row
from interp.measure.heads.n_interval import n_interval
from interp.models.heads import Head, HeadTable
from interp.models.surface import Model, device
from interp.results.heads import MovedHeads
from interp.tasks.base import Task
from interp.tasks.probes.planted_repeats import offset_swaps
from interp.tasks.probes.probe import Probe


@checked_call
@torch.no_grad()
def moved_heads(
    model: Model,
    task: Task,
    heads: Sequence[str],
    length: int | tuple[int, int],
    longest: int,
    strings: int,
    generator: Any,
    seed: int = 0,
) -> MovedHeads:
    """Measure how far each head's scores move to a rival place when the copied letter t back becomes the rival's.

    >>> from interp.models.planted import planted_copier
    >>> from interp.tasks import CopyTask
    >>> moved_heads(planted_copier(2, 4)[0], CopyTask(4), ["L1H3"], (14, 18), 4, 16, 0).n
    (2,)

    A letter counts if it moves a head by more than a tenth of what the weightiest does, or by so much that equal places
    would be told apart; n is the number of those that count, if they are the last ones in a row.

    Args:
        model: any whose heads have scores before the softmax, or attention in their place.
        task: draws the strings.
        heads: names of those that are asked.
        length: letters of a string, or the shortest and the longest.
        longest: letters in which two places agree, but for one.
        strings: how many for each letter.
        generator: of the strings; a seed will do.
        seed: of the bootstrap behind the intervals of n.

    Raises: UserError for no heads or one that the model does not have, for less than one letter or string, or if the
        places do not fit into the strings.
    """
    chosen = HeadTable.of(model).require().parse(list(heads))
    if not chosen or min(longest, strings) < 1:
        raise UserError(
            f"heads must name at least one, and longest and strings be at least 1; got {len(chosen)} heads, "
            f"longest={longest} and strings={strings}. Name lookup heads, and leave the strings long."
        )
    t = torch.arange(longest).repeat_interleave(strings)
    probe, edited = offset_swaps(task, t, longest, length, as_generator(generator))
    probe, edited = probe.to(device(model)), edited.to(device(model))
    change = _leads(model, chosen, probe, probe.batch.tokens) - _leads(model, chosen, probe, edited)
    moves = np.nan_to_num(change, posinf=0.0, neginf=0.0).reshape(len(chosen), longest, strings)
    return MovedHeads(
        heads=tuple(head.name for head in chosen),
        n=tuple(in_a_row(row.mean(axis=1)) for row in moves),
        n_interval=tuple(n_interval(in_a_row, row, most=longest, seed=seed) for row in moves),
        moves=moves,
    )


def _leads(model: Model, heads: Sequence[Head], probe: Probe, tokens: Tokens) -> np.ndarray:
    """Margins by which each head scores the source above the rival, [head string]."""
    parts = []
    for block in blocks(model, tokens):
        found = {
            rows.layer: rows
            for rows in rows_at(model, tokens[block], probe.query[block], layers={h.layer for h in heads})
        }
        lead = []
        for head in heads:
            rows = found[head.layer]
            scores = (
                rows.pattern.clamp(min=torch.finfo(torch.float32).tiny).log() if rows.scores is None else rows.scores
            )
            at = [scores[:, head.index].take_along_dim(of[block, None], 1)[:, 0] for of in (probe.source, probe.rival)]
            lead.append(at[0] - at[1])
        parts.append(torch.stack(lead))
    return torch.cat(parts, dim=1).double().cpu().numpy()
