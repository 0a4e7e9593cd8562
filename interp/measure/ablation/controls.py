"""What an ablation is compared with: as many other heads ablated, or as much other attention.

*Same layer*: as many heads of the same layers, without a role. *Any layer*: as many of all heads of the same kind
without a role (a recurrent layer does not match an attention head). Both are drawn from heads that can see the source
on these strings; a head whose window hides it is not a control. *Edges*: in the same heads, as much attention taken
from places that do not match. In a small model the first two pools may be nearly empty: then a control says so by its
number of draws, and has no interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import comb, prod

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.base.estimates import crossed_interval
from interp.base.interval import Interval
from interp.measure.ablation.context import segment_of, visible
from interp.measure.ablation.interventions import EdgeControl, EdgeCut, EdgeEdit
from interp.measure.attention.rows import blocks
from interp.models.heads import Head, Heads, HeadTable
from interp.models.stack.model import StackModel
from interp.models.surface import Model, visit_attention
from interp.tasks.base import Batch

ENOUGH = 4
"""Fewer different sets than this make no interval."""

Draw = tuple[tuple[tuple[Head, ...], int], ...]
"""Groups of heads, and how many are drawn from each for one control set."""


@dataclass(frozen=True)
class ControlPool:
    """The heads that controls are drawn from."""

    heads: tuple[Head, ...]

    def same_layer(self, ablated: Sequence[Head]) -> Draw:
        """Return the draw of as many from each layer as are ablated there."""
        layers, free = [head.layer for head in ablated], self._other(ablated)
        return tuple((tuple(h for h in free if h.layer == at), layers.count(at)) for at in sorted(set(layers)))

    def any_layer(self, ablated: Sequence[Head]) -> Draw:
        """Return the draw of as many of each kind as are ablated."""
        kinds, free = [head.kind for head in ablated], self._other(ablated)
        return tuple((tuple(h for h in free if h.kind == kind), kinds.count(kind)) for kind in sorted(set(kinds)))

    def _other(self, ablated: Sequence[Head]) -> tuple[Head, ...]:
        return tuple(head for head in self.heads if head not in ablated)


def control_pool(model: Model, batch: Batch, with_role: Heads) -> ControlPool:
    """Return the heads that can see the source of every answer in the batch, except for those with a role.

    Args:
        model: any.
        batch: strings that are to be ablated.
        with_role: heads that have a role, by name, or as `Head`s: they are not controls.

    Raises: UserError for a head with a role that the model does not have.
    """
    table = HeadTable.of(model)
    taken, sees = table.parse(with_role), can_see_source(model, batch).tolist()
    return ControlPool(tuple(head for head, seen in zip(table, sees, strict=True) if seen and head not in taken))


def can_see_source(model: Model, batch: Batch) -> Bool[Tensor, " head"]:
    """Return whether each head may look at the source of every answer of these strings; a recurrent layer's always may.

    A pretrained model does not say where its windows end; there, whether a head ever gives the source any attention.
    """
    if not isinstance(model, StackModel):
        return attention_removed(model, batch, [EdgeCut(batch.source)])[0] > 0
    source = batch.source.clamp(min=0)[:, None, :, None]
    layers, where = HeadTable.of(model).by_layer, visible(model, batch)
    sees: list[Tensor] = []
    for layer, heads in layers.items():
        seen = where[layer].take_along_dim(source, dim=3)[..., 0]
        seen = (seen | ~batch.answer[:, None]).all(dim=2).all(dim=0)
        sees.append((seen if heads[0].kind == "attention" else torch.ones_like(seen[:1])).expand(len(heads)))
    return torch.cat(sees)


def distinct_sets(draw: Draw, most: int, generator: torch.Generator) -> list[tuple[Head, ...]]:
    """Draw different sets of heads: all that there are, or `most` of them at random.

    Args:
        draw: heads to draw from, and how many.
        most: sets, at most.
        generator: draws them.
    """
    if prod(comb(len(pool), needed) for pool, needed in draw) <= most:
        parts = product(*(combinations(pool, needed) for pool, needed in draw))
        return [tuple(head for part in chosen for head in part) for chosen in parts]
    sets: set[tuple[Head, ...]] = set()
    while len(sets) < most:
        sets.add(tuple(head for pool, needed in draw for head in _some(pool, needed, generator)))
    return sorted(sets)


def control_interval(correct: Bool[np.ndarray, "draw string"]) -> Interval | None:
    """Compute the interval of the mean accuracy, over control sets and strings (`crossed_interval`).

    Args:
        correct: whether each string is right under each control set.

    Returns: the interval; None for fewer than `ENOUGH` sets, or a single string.
    """
    return crossed_interval(correct) if correct.shape[0] >= ENOUGH and correct.shape[1] > 1 else None


@torch.no_grad()
def attention_removed(model: Model, batch: Batch, edits: Sequence[EdgeEdit]) -> Float[Tensor, "edit head"]:
    """Measure the mean attention that each edit takes from a query of the answer, in every attention head.

    Args:
        model: any; it runs as it is.
        batch: the strings.
        edits: edge edits for them.

    Returns: the means; 0 in heads of hidden attention, whose edges cannot be cut.
    """
    table = HeadTable.of(model)
    attending = {layer: heads for layer, heads in table.by_layer.items() if heads[0].kind == "attention"}
    total = torch.zeros(len(edits), len(table), device=batch.tokens.device)
    for block in blocks(model, batch.tokens):
        here = [edit.rows(block) for edit in edits]

        def add(layer: int, pattern: Tensor, _: Tensor | None, here: list[EdgeEdit] = here) -> None:
            for i, edit in enumerate(here):
                at = table.index(attending[layer][0])
                total[i, at : at + len(attending[layer])] += edit.amount(pattern).sum(dim=0)

        visit_attention(model, batch.tokens[block], add, layers=attending, **segment_of(batch.rows(block)))
    return total / len(batch)


def places_per_query(control: EdgeControl) -> int:
    """Return how many places the edge control can take attention from, at a query, on average (rounded)."""
    places = sum(int(control.rows(slice(i, i + 1)).places().sum()) for i in range(len(control.tokens)))
    return round(places / max(1, int((control.source >= 0).sum())))


def _some(pool: Sequence[Head], needed: int, generator: torch.Generator) -> list[Head]:
    order = torch.randperm(len(pool), generator=generator, device=generator.device)[:needed]
    return sorted(pool[i] for i in order.tolist())
