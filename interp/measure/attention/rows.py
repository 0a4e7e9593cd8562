"""Attention where it is asked for: the rows of some queries, never whole patterns.

On our own models the fast path runs, queries and keys (of a recurrent layer what its hidden attention is made of) are
kept, and only the asked rows are multiplied out, so that strings of thousands of tokens fit in memory. On a
TransformerBridge whole patterns are made one layer at a time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens import ActivationCache

from interp.base.axes import Pattern, Tokens
from interp.models.hidden_attention.layer import ReadLayer
from interp.models.hidden_attention.pattern import pattern_rows, reading_hooks
from interp.models.stack.model import StackModel
from interp.models.surface import Model, layers_with_heads, visit_attention, vocab_size

TOKENS_AT_ONCE = 16_384
"""Tokens of one forward pass: bounds the memory of activations whatever the strings' length."""
LOGITS_AT_ONCE = 2**27
"""Logits of one forward pass, for a bridge always makes them: 512 MiB in single precision."""


@dataclass(frozen=True)
class Rows:
    """Attention of one layer from one query position of each string."""

    layer: int
    pattern: Float[Tensor, "batch head key"]
    """Of hidden attention, the share of each position in what the head writes (`models.hidden_attention`)."""
    scores: Float[Tensor, "batch head key"] | None
    """Before the softmax, -inf where hidden; None on a model without true scores, and for hidden attention."""


@torch.no_grad()
def rows_at(
    model: Model, tokens: Tokens, query: Int[Tensor, " batch"], hooks: Sequence[tuple[str, Any]] = ()
) -> list[Rows]:
    """Attention of every layer with heads from position `query` of each string, in one pass with `hooks` in force."""
    rows: list[Rows] = []
    if not isinstance(model, StackModel):

        def keep(layer: int, pattern: Pattern, scores: Pattern | None) -> None:
            rows.append(Rows(layer, _row(pattern, query), None if scores is None else _row(scores, query)))

        visit_attention(model, tokens, keep, hooks)
        return rows

    def keep_hidden(layer: int, read: ReadLayer) -> None:
        rows.append(Rows(layer, pattern_rows(read, query)[:, :, 0], None))

    attending, reading = [], []
    for layer, (kind, _) in layers_with_heads(model).items():
        if kind == "attention":
            attending.append(layer)
        else:
            reading += reading_hooks(cast(Any, model), layer, partial(keep_hidden, layer))
    names = [name for layer in attending for name in model.query_key_names(layer)]
    with model.hooks([*hooks, *reading]):
        _, cache = model.run_with_cache(tokens, return_type=None, names_filter=names)
    rows += [_own_rows(model, layer, cache, query) for layer in attending]
    return sorted(rows, key=lambda of_layer: of_layer.layer)


def blocks(model: Model, tokens: Tokens) -> Iterator[slice]:
    """Slices of the strings, each of at least one and of as many as one forward pass of the model may take."""
    at_once = min(TOKENS_AT_ONCE, LOGITS_AT_ONCE // vocab_size(model))
    step = max(1, at_once // tokens.shape[1])
    for first in range(0, len(tokens), step):
        yield slice(first, min(first + step, len(tokens)))


def _own_rows(model: StackModel, layer: int, cache: ActivationCache, query: Int[Tensor, " batch"]) -> Rows:
    name_q, name_k = model.query_key_names(layer)
    q = cache[name_q].take_along_dim(query[:, None, None, None], 1)[:, 0]
    scores = model.scores_at(q, cache[name_k], query)
    return Rows(layer, scores.softmax(dim=-1), scores)


def _row(values: Pattern, query: Int[Tensor, " batch"]) -> Float[Tensor, "batch head key"]:
    return values.take_along_dim(query[:, None, None, None], dim=2)[:, :, 0]


def pattern_of(model: Model, tokens: Tokens) -> Float[Tensor, "head query key"]:
    """Whole patterns of every head, in order, on one short string."""
    layers: list[Pattern] = []
    visit_attention(model, tokens[:1], lambda _, pattern, __: layers.append(pattern[0]))
    return torch.cat(layers)
