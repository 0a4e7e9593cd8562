"""A layer's attention scores as a function of the stream that enters it: one layer of the model's own forward path.

One of our models runs that layer alone (`start_at_layer`). A bridge is run up to the layer once; then the layer's block
is called again as it was called there, with another stream. Either stops as soon as the scores are known.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from jaxtyping import Int
from torch import Tensor, nn
from transformer_lens.model_bridge import TransformerBridge

from interp.base.axes import HeadVectors, Residual, Tokens
from interp.measure.attention.rows import QueryRow, query_key_hooks, wide
from interp.measure.circuits.stream import first_layer
from interp.models.heads import Head, HeadTable
from interp.models.hooks.model import Hook
from interp.models.stack.model import StackModel
from interp.models.stack.scores import capped
from interp.models.stack.steps import rows
from interp.models.surface import Enough, Model, run_to_read

LayerScores = Callable[[Residual], QueryRow]


@dataclass(frozen=True)
class Entered:
    """A clean run up to some layers."""

    z: dict[int, HeadVectors]
    """Layer -> outputs of its attention heads, before W_O; of all layers before the last that is entered."""
    stream: dict[int, Residual]
    """Layer -> the residual stream that enters it."""
    scores: dict[int, LayerScores]
    """Layer -> scores of its heads from the query of each string, given the stream that enters it."""


def enter(model: Model, tokens: Tokens, query: Int[Tensor, " batch"], layers: Collection[int]) -> Entered:
    """Run a model up to the last of some attention layers, and make the scores of each a function of the stream.

    Args:
        model: one of ours, or a bridge.
        tokens: the strings.
        query: position in each from which the heads look.
        layers: those whose scores are wanted.
    """
    z: dict[int, HeadVectors] = {}
    hooks: list[Hook] = []
    for layer, heads in HeadTable.of(model).by_layer.items():
        if layer < max(layers) and heads[0].kind == "attention":
            hooks.append((heads[0].output_hook, partial(_keep, z, layer)))
    calls: dict[int, tuple[tuple, dict[str, Any]]] = {}
    with _noting(model, layers, calls):
        run_to_read(model, tokens, hooks)
    if isinstance(model, StackModel):
        return Entered(
            z, {at: calls[at][0][0] for at in layers}, {at: partial(_own, model, at, query) for at in layers}
        )
    streams = {at: args[0] if args else kwargs["hidden_states"] for at, (args, kwargs) in calls.items()}
    return Entered(z, streams, {at: partial(_bridged, model, at, query, *calls[at]) for at in layers})


def in_stream(model: Model, heads: Iterable[Head], layer: int) -> list[Head]:
    """Return the heads whose writes are in the stream that enters a layer: one before may replace it (`residual`).

    Args:
        model: one of ours, or a bridge.
        heads: attention heads.
        layer: the layer.
    """
    begins = first_layer(model, layer) if isinstance(model, StackModel) else 0
    return [head for head in heads if begins <= head.layer < layer]


@contextmanager
def _noting(model: Any, layers: Collection[int], calls: dict[int, tuple[tuple, dict[str, Any]]]) -> Iterator[None]:
    """While it is open, note how blocks are called, and end the run at the last of them."""

    def note(layer: int, block: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:  # noqa: ARG001
        calls[layer] = args, kwargs
        if layer == max(layers):
            raise Enough

    handles = [model.blocks[at].register_forward_pre_hook(partial(note, at), with_kwargs=True) for at in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _keep(held: dict[int, Tensor], layer: int, value: Tensor, hook: object) -> None:  # noqa: ARG001
    held[layer] = value


def _own(model: StackModel, layer: int, query: Int[Tensor, " batch"], stream: Residual) -> QueryRow:
    """Scores without what windows and distances add to them, of hidden places too: neither changes with the stream."""
    first = 0 if query.is_meta else int(query.min())
    found: list[Tensor] = []

    attn = model.blocks[layer].attn

    def show(q: Tensor, k: Tensor, steps: Tensor | None) -> None:
        q = q.take_along_dim((query - first)[:, None, None, None], 1)[:, 0]
        found.append(capped(rows(attn.step, wide(q), wide(k), steps, query), attn.score_cap))
        raise Enough

    hooks = query_key_hooks(model, layer, show)
    run_to_read(model, stream, hooks, start_at_layer=layer, stop_at_layer=layer + 1, queries_from=first)
    return found[0]


def _bridged(
    model: TransformerBridge,
    layer: int,
    query: Int[Tensor, " batch"],
    args: tuple,
    kwargs: dict[str, Any],
    stream: Residual,
) -> QueryRow:
    found: list[Tensor] = []

    def show(scores: Tensor, hook: object) -> None:  # noqa: ARG001
        row = wide(scores.take_along_dim(query[:, None, None, None], dim=2)[:, :, 0])
        found.append(row.masked_fill(row <= torch.finfo(scores.dtype).min, -torch.inf))
        raise Enough

    # A cache of keys and values would be extended once more by every call.
    rest = [None if hasattr(value, "get_seq_length") else value for value in args[1:]]
    again = {name: None if hasattr(value, "get_seq_length") else value for name, value in kwargs.items()}
    block = cast(Any, model.blocks[layer])
    with model.hooks(fwd_hooks=[(f"blocks.{layer}.attn.hook_attn_scores", show)]), suppress(Enough):
        block(stream, *rest, **again) if args else block(**again | {"hidden_states": stream})
    return found[0]
