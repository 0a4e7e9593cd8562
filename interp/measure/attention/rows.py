"""Attention where it is asked for: the rows of some queries, never whole patterns.

On our own models the fast path runs, queries and keys (of a recurrent layer what its hidden attention is made of) are
read on the way, and only the asked rows are multiplied out, so that strings of thousands of tokens fit in memory. On a
TransformerBridge, and where a hook stands at a pattern, whole patterns are made one layer at a time.
"""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.base.axes import HeadVectors, Pattern, Tokens
from interp.base.budget import budget
from interp.models.heads import HeadTable
from interp.models.hidden_attention.layer import ReadLayer
from interp.models.hidden_attention.pattern import pattern_rows, reading_hooks
from interp.models.hooks.model import Hook
from interp.models.hooks.point import in_use
from interp.models.stack.model import StackModel
from interp.models.stack.steps import Steps, joined
from interp.models.surface import Enough, Model, run_to_read, visit_attention, vocab_size

QueryRow = Float[Tensor, "batch head key"]


@dataclass(frozen=True)
class Rows:
    """Attention of one layer from one query position of each string, at least in single precision."""

    layer: int
    pattern: QueryRow
    """Attention probabilities; of hidden attention, the share of each position in what the head writes
    (`models.hidden_attention`)."""
    scores: QueryRow | None
    """Scores before the softmax, -inf where hidden; None on a model without true scores, and for hidden attention."""


@torch.no_grad()
def rows_at(
    model: Model,
    tokens: Tokens,
    query: Int[Tensor, " batch"],
    hooks: Sequence[Hook] = (),
    layers: Container[int] | None = None,
) -> list[Rows]:
    """Read the attention of every layer with heads from one position of each string, in one pass.

    Args:
        model: any.
        tokens: the strings.
        query: position in each from which the heads look.
        hooks: edits that are in force meanwhile.
        layers: read these alone; None for all. What comes after the last of them is not run.

    Returns: the rows, layer by layer.
    """
    rows: list[Rows] = []
    if not isinstance(model, StackModel) or _patterns_in_use(model, hooks):

        def keep(layer: int, pattern: Pattern, scores: Pattern | None) -> None:
            rows.append(Rows(layer, _row(pattern, query), None if scores is None else _row(scores, query)))

        visit_attention(model, tokens, keep, hooks, layers)
        return rows
    wanted = {
        layer: heads for layer, heads in HeadTable.of(model).by_layer.items() if layers is None or layer in layers
    }

    def done(of_layer: Rows) -> None:
        rows.append(of_layer)
        if len(rows) == len(wanted):
            raise Enough

    def hidden(layer: int, read: ReadLayer) -> None:
        done(Rows(layer, pattern_rows(read, query)[:, :, 0], None))

    def attending(layer: int, q: Tensor, k: Tensor, steps: Tensor | None) -> None:
        q = q.take_along_dim(query[:, None, None, None], 1)[:, 0]
        scores = model.scores_at(layer, wide(q), wide(k), query, steps)
        done(Rows(layer, model.pattern_at(layer, scores), scores))

    reading: list[Hook] = []
    for layer, heads in wanted.items():
        if heads[0].kind == "attention":
            reading += query_key_hooks(model, layer, partial(attending, layer))
        else:
            reading += reading_hooks(cast(Any, model), layer, partial(hidden, layer))
    if wanted:
        run_to_read(model, tokens, [*hooks, *reading])
    return rows


def _patterns_in_use(model: StackModel, hooks: Sequence[Hook]) -> bool:
    """Whether a hook, given or on the model, stands at a pattern or its scores, which rows alone would go round."""
    whole = [name for name in model.hook_dict if name.endswith((".hook_attn_scores", ".hook_pattern"))]
    if in_use(*(model.hook_dict[name] for name in whole)):
        return True
    return any(any(map(name, whole)) if callable(name) else name in whole for name, _ in hooks)


def query_key_hooks(
    model: StackModel, layer: int, show: Callable[[HeadVectors, HeadVectors, Steps | None], None]
) -> list[Hook]:
    """Make hooks that call `show(q, k, steps)` with an attention layer's queries and keys as its scores use them.

    The steps are those that positions made of the text take (`models.stack.steps`), in single precision at least; None
    where there are none.
    """
    name_q, name_k = model.query_key_names(layer)
    made = model.step_names(layer)
    held: list[Tensor] = []

    def keep(q: Tensor, hook: object) -> None:  # noqa: ARG001
        held.append(q)

    def both(k: Tensor, hook: object) -> None:  # noqa: ARG001
        *steps, q = held
        held.clear()
        show(q, k, joined(tuple(map(wide, steps))) if steps else None)

    return [*[(name, keep) for name in made], (name_q, keep), (name_k, both)]


def blocks(model: Model, tokens: Tokens) -> Iterator[slice]:
    """Yield slices of the strings, each of at least one and of as many as one forward pass of the model may take."""
    at_once = budget(tokens.device)  # logits count, for a bridge always makes them
    step = max(1, min(at_once.tokens, at_once.logits // vocab_size(model)) // tokens.shape[1])
    for first in range(0, len(tokens), step):
        yield slice(first, min(first + step, len(tokens)))


def _row(values: Pattern, query: Int[Tensor, " batch"]) -> QueryRow:
    return wide(values.take_along_dim(query[:, None, None, None], dim=2)[:, :, 0])


def wide(values: Tensor) -> Tensor:
    """Return the values in single precision at least: half precision overflows when scores are squared and summed."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
