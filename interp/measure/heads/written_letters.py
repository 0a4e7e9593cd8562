"""Written letters one by one: which are right without some heads, and which heads look behind each of the first.

A head that looks o places behind the letter due finds nothing there while that place is still to be written. String and
answer mirror each other about the separator, so that from the k-th letter on, k = (o + 1) / 2, it can help
(`BackwardHead.first`); heads of many letters cannot write the first ones. Ablated alone, a head shows what it is needed
for; with the others ablated, what it is enough for.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.seeds import as_generator
from interp.measure.ablation.interventions import intervention
from interp.measure.ablation.sets import Ablation, HeadSet
from interp.measure.ablation.sweep import letters_right
from interp.measure.attention.rows import blocks, rows_at
from interp.models.heads import HeadTable
from interp.models.surface import Model, device
from interp.results.backwards import WrittenLetters
from interp.tasks.base import Batch

WHOLE = "nothing"
"""The name of the set of no heads."""


@checked_call
@torch.no_grad()
def written_letters(
    model: Model, batch: Batch, head_sets: Sequence[HeadSet], kind: str, longest: int, seed: int = 0
) -> WrittenLetters:
    """Measure which letters are right without each set of heads, and where all heads look for the first ones.

    >>> from interp.models.planted import planted_reverser
    >>> model, planting = planted_reverser(n=2, alphabet=8, across=True)
    >>> batch = interp.tasks.ReverseCopy(8).sample(16, 6, 0)
    >>> found = written_letters(model, batch, [HeadSet("long", "single", (planting.lookup,))], "mean", longest=2)
    >>> found.attention[found.heads.index(planting.lookup), 2].round(2)  # nothing stands there before the second
    array([0.  , 1.  , 0.97, 0.91])

    Args:
        model: one whose heads' attention can be read.
        batch: strings of one length, to be written backwards.
        head_sets: what is ablated, each under its own name.
        kind: of ablation, by name (`interp.measure.ablation.interventions`).
        longest: places behind the letter due that are looked at; twice as many letters are looked at.
        seed: of donors, as in `ablate`.

    Raises: UserError for strings of several lengths, heads that the model does not have, or an unknown kind.
    """
    batch = batch.to(device(model))
    queries = batch.answer.any(dim=0).nonzero()[:, 0]
    if not bool(batch.answer[:, queries].all()):
        raise UserError("batch must hold strings of one length; got several. Sample them with a single length.")
    replacement = intervention(kind, batch, as_generator(seed))
    ablations = [Ablation((), replacement), *(Ablation(tuple(each.heads), replacement) for each in head_sets)]
    return WrittenLetters(
        sets=(WHOLE, *(each.name for each in head_sets)),
        right=letters_right(model, batch, ablations).cpu().numpy(),
        heads=HeadTable.of(model).names,
        attention=_attention(model, batch, queries[: 2 * longest].tolist(), longest),
    )


def _attention(
    model: Model, batch: Batch, queries: Sequence[int], longest: int
) -> Float[np.ndarray, "head offset early"]:
    """Mean attention from each query to the places 0 to `longest` behind its letter."""
    means = []
    for query in queries:
        places = batch.source[:, query, None] + torch.arange(longest + 1, device=batch.tokens.device)
        there, total = places <= query, 0.0
        for some in blocks(model, batch.tokens):
            at = torch.full_like(places[some, 0], query)
            pattern = torch.cat([rows.pattern for rows in rows_at(model, batch.tokens[some], at)], dim=1)
            found = pattern.take_along_dim(places[some, None].clamp(max=query), dim=2)
            total = total + found.masked_fill(~there[some, None], 0.0).double().sum(dim=0)
        means.append(total / len(batch))
    return torch.stack(means, dim=2).cpu().numpy()
