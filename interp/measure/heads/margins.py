"""Margins by which lookup heads know the right place: its score less the best rival's, and less all rivals' together.

All together count as one key that gets as much attention as they do: with softmax the log of their summed exponentials.
Beside them stands what the model makes of it: the logit of the letter due less the largest other.

In long strings there are so many other places that some key resembles the right one by chance. Whether a copier stops
there shows in its margins long before it does in its accuracy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor

from interp.base.axes import HeadVectors
from interp.base.budget import budget
from interp.base.errors import UserError
from interp.measure.attention.rows import query_key_hooks, wide
from interp.models.heads import Head, Heads, HeadTable
from interp.models.stack.masks import head_bias
from interp.models.stack.model import StackModel
from interp.models.stack.scores import capped
from interp.models.stack.steps import Steps
from interp.models.surface import Enough, run_to_read
from interp.results.margins import HeadMargins
from interp.tasks.base import Batch


@dataclass(frozen=True)
class _Rows:
    """Margins of one layer's heads on one string, [head letter]."""

    over_best: Tensor
    over_all: Tensor
    shared: Tensor


@torch.no_grad()
def head_margins(model: StackModel, batch: Batch, heads: Heads, context: int = 12, behind: int = 0) -> HeadMargins:
    """Measure the margins of some attention heads at every letter of the answer.

    Scores are made in blocks of queries, so that memory is linear in the length where that of the model is. The first
    letters of an answer, whose context is shorter than what the heads match, are measured as all others; leave them
    out where that matters.

    Args:
        model: one of ours; no hook is needed but on queries and keys.
        batch: strings of one length, on the model's device, whose answers are copied letter by letter.
        heads: the lookup heads, by name or as `Head`s.
        context: tokens before a rival that are compared with those before the right place.
        behind: how far behind the letter that is due the right place stands: 0, where it stands itself; more for heads
            that look backwards (`backward_heads` tells), whose match ends at the place.

    Raises: UserError for heads that do not attend, answers that are not copied from a place, or a place before it.
    """
    chosen = HeadTable.of(model).parse(heads)
    if behind < 0:
        raise UserError(
            f"behind must be a number of places of at least 0; got {behind}. Leave it out for the letter's own."
        )
    if not chosen or any(head.kind != "attention" for head in chosen):
        raise UserError("heads must be at least one attention head; got none, or another kind. Name lookup heads.")
    length = batch.answer_tokens.shape[1]
    if bool((batch.answer & (batch.source < 0)).any()):
        raise UserError("answers must be copied from places of the string; got some that are not. Take CopyTask().")
    strings = [_string(model, batch.rows(slice(row, row + 1)), chosen, context, behind) for row in range(len(batch))]
    over_best, over_all, shared = (np.stack([each[at] for each in strings], axis=1) for at in range(3))
    return HeadMargins(
        heads=tuple(map(str, chosen)),
        length=length,
        over_best=over_best,
        over_all=over_all,
        of_logits=np.stack([each[3] for each in strings]),
        shared=shared.astype(int),
        context=context,
    )


def _string(model: StackModel, string: Batch, heads: Sequence[Head], context: int, behind: int) -> list[np.ndarray]:
    """Margins over the best and over all, agreeing tokens, each [head letter], and margins of logits, [letter]."""
    by_layer = {
        layer: _layer(model, string, layer, [head.index for head in heads if head.layer == layer], context, behind)
        for layer in {head.layer for head in heads}
    }
    taken = {layer: iter(range(len(rows.over_best))) for layer, rows in by_layer.items()}
    places = [(by_layer[head.layer], next(taken[head.layer])) for head in heads]
    of_heads = [torch.stack([vars(rows)[name][at] for rows, at in places]) for name in vars(places[0][0])]
    return [values.double().cpu().numpy() for values in (*of_heads, _of_logits(model, string))]


def _of_logits(model: StackModel, string: Batch) -> Float[Tensor, " letter"]:
    """The logit of each letter due, less the largest other."""
    first = int(string.answer[0].int().argmax())
    logits = wide(model(string.tokens, queries_from=first))[0, string.answer[0, first:]]
    due = string.answer_tokens[0][:, None]
    return logits.gather(1, due)[:, 0] - logits.scatter(1, due, -torch.inf).amax(dim=1)


def _layer(model: StackModel, string: Batch, layer: int, heads: Sequence[int], context: int, behind: int) -> _Rows:
    held: list[Any] = []

    def keep(q: HeadVectors, k: HeadVectors, steps: Steps | None) -> None:
        held.extend(None if x is None else wide(x)[:, :, list(heads)] for x in (q, k, steps))
        raise Enough

    run_to_read(model, string.tokens, query_key_hooks(model, layer, keep))
    q, k, steps = held
    asked = string.answer[0].nonzero()[:, 0]
    at_once = max(1, budget(q.device).pairs // (k.shape[1] * len(heads)))
    blocks = [_block(model, string, layer, heads, q, k, steps, some, context, behind) for some in asked.split(at_once)]
    return _Rows(*(torch.cat([getattr(block, name) for block in blocks], dim=1) for name in vars(blocks[0])))


def _block(
    model: StackModel,
    string: Batch,
    layer: int,
    heads: Sequence[int],
    q: HeadVectors,
    k: HeadVectors,
    steps: Steps | None,
    query: Int[Tensor, " query"],
    context: int,
    behind: int,
) -> _Rows:
    """Margins at some query positions."""
    config = model.attention
    assert config is not None  # it has attention heads
    places = torch.arange(k.shape[1], device=k.device)
    bias = head_bias(config.heads_in(layer).of((*heads,)), query, places, k.dtype)
    attn = model.blocks[layer].attn
    scores = capped(_rows(attn.step, q, k, steps, query), attn.score_cap) + bias
    place = string.source[0, query] + behind
    there, place = place <= query, place.minimum(query)
    at_place = place[None, :, None].expand(len(scores), -1, 1)
    own = scores.gather(2, at_place)[..., 0]
    rivals = scores.scatter(2, at_place, -torch.inf)
    best, before = rivals.max(dim=2), int(behind == 0)
    shared = _agreeing(string.tokens[0], place - before, best.indices - before, context)
    over_best, over_all = own - best.values, own - attn.to_pattern.together(rivals, heads)
    over_best, over_all = (torch.where(there, over, torch.inf) for over in (over_best, over_all))
    return _Rows(over_best, over_all, shared)


def _rows(
    step: Any, q: HeadVectors, k: HeadVectors, steps: Steps | None, query: Int[Tensor, " query"]
) -> Float[Tensor, "head query pos"]:
    """Scores of some positions of one string, in order, without what windows and distances add."""
    if step is None or steps is None:
        return einsum(q[0, query], k[0], "q h d, k h d -> h q k") * q.shape[-1] ** -0.5
    first, seen = int(query[0]), int(query[-1]) + 1
    scores = step.scores(q[:, first:seen], k[:, :seen], steps[:, :seen])[0, :, query - first]
    return F.pad(scores, (0, k.shape[1] - seen))


def _agreeing(
    tokens: Int[Tensor, " pos"], one: Int[Tensor, " query"], other: Int[Tensor, "head query"], most: int
) -> Float[Tensor, "head query"]:
    """How many tokens that end at two places agree, counted back to the first that does not."""
    agree, count = torch.ones_like(other, dtype=torch.bool), torch.zeros_like(other)
    for back in range(most):
        inside = (one - back >= 0) & (other - back >= 0)
        agree = agree & inside & (tokens[(one - back).clamp(min=0)] == tokens[(other - back).clamp(min=0)])
        count = count + agree
    return count.double()
