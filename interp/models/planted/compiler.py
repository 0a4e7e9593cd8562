"""`plant`: from a description to an ordinary model, and to the truth about it."""

from dataclasses import replace
from typing import Any

import torch

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.models.planted.description import Circuit, HeadSpec
from interp.models.planted.looks import Anywhere
from interp.models.planted.maps import Maps, maps, random_maps
from interp.models.planted.mlps import write_mlps
from interp.models.planted.planting import Planting
from interp.models.planted.stream import Stream
from interp.models.planted.truth import truth
from interp.models.planted.turning import add_noise, fold_norms, turn_heads, turn_stream
from interp.models.transformer import HookedTransformer, TransformerConfig

ROTARY_WIDTH = 24
"""Axes of a head that RoPE turns in a planted model."""
RANDOM_WIDTH = 8
"""Width of the heads of a model that has none but random ones."""


@checked_call
def plant(circuit: Circuit, dtype: torch.dtype = torch.float32) -> tuple[HookedTransformer, Planting]:
    """The model of a description, with all its hooks, and the truth about its heads and about the whole.

    >>> model, planting = plant(interp.models.planted.draw("skip-gram", seed=0))
    >>> planting.with_role("lookup")[0].matches
    (1, 3)

    Args:
        circuit: what to plant.
        dtype: float32 or float64.

    Raises: UserError for another dtype.
    """
    model, specs, spread = compiled(circuit, dtype)
    return model, truth(circuit, specs, model.config.heads_in(0).windows, spread)


def compiled(
    circuit: Circuit, dtype: torch.dtype = torch.float32
) -> tuple[HookedTransformer, dict[tuple[int, int], HeadSpec], float]:
    """The model of a description; which head stands at each layer and number; by how much norms change scores.

    Args:
        circuit: what to compile.
        dtype: float32 or float64.

    Raises: UserError for another dtype.
    """
    if dtype not in (torch.float32, torch.float64):
        raise UserError(f"dtype must be torch.float32 or torch.float64, which a copier's scores need; got {dtype}.")
    stream, generator = Stream.of(circuit), torch.Generator().manual_seed(circuit.seed)
    order = circuit.order(generator)
    specs = {(head.layer, order.index(head.column)): head for head in circuit.heads}
    rotary = (ROTARY_WIDTH, TransformerConfig.rotary_base) if circuit.position == "rope" else None
    made = {
        place: maps(spec, stream, circuit.n_ctx, rotary)
        for place, spec in specs.items()
        if not isinstance(spec.look, Anywhere)
    }
    config = _config(circuit, stream, order, made)
    model = HookedTransformer(replace(config, normalization=None)).double()
    _write_ends(model, stream, circuit)
    for place in sorted(specs):
        look = specs[place].look
        if isinstance(look, Anywhere):
            made[place] = random_maps(stream, config.head_width, look.loudness, generator)
        _write_head(model, *place, made[place])
    write_mlps(model, stream, circuit, generator)
    if circuit.turned:
        turn_heads(model, 0 if rotary is None else ROTARY_WIDTH, generator)
    if circuit.turned or "mean" in stream.extras:
        mean = stream.axis("mean") if "mean" in stream.extras else None
        turn_stream(model, mean, generator if circuit.turned else None)
    spread = 0.0
    if circuit.normalization is not None:
        model, spread = fold_norms(model, config, circuit, generator)
    if circuit.noise:
        add_noise(model, circuit.noise, generator)
    return model.to(dtype), specs, spread


def _config(circuit: Circuit, stream: Stream, order: list[int], made: dict[tuple[int, int], Maps]) -> TransformerConfig:
    rotary = ROTARY_WIDTH if circuit.position == "rope" else 0
    queries = [head.q.shape[1] + (0 if head.rotary else rotary) for head in made.values()]
    widths = [*queries, *(head.o.shape[0] for head in made.values()), rotary]
    functional = any(name in ("relay", "flag") for name in circuit.mlps)
    return TransformerConfig(
        n_layers=circuit.n_layers,
        n_heads=circuit.n_heads,
        d_model=stream.d_model,
        d_vocab=stream.n_tokens,
        d_head=circuit.d_head or max(*widths, RANDOM_WIDTH),
        d_mlp=stream.n_tokens if circuit.mlps else 0,
        activation="relu" if functional else "gelu",
        position=circuit.position,
        windows=None if circuit.windows is None else tuple(circuit.windows[column] for column in order),
        n_ctx=circuit.n_ctx,
        rotary_dim=rotary or None,
        normalization=circuit.normalization,
    )


@torch.no_grad()
def _write_ends(model: HookedTransformer, stream: Stream, circuit: Circuit) -> None:
    """All weights to zero; then embedding, positions and unembedding. The separator as an answer is the end."""
    for parameter in model.parameters():
        parameter.zero_()
    one = torch.eye(stream.n_tokens, dtype=torch.float64)
    model.W_E[:, stream.slot(0)] = one
    if "ballast" in stream.extras:
        model.W_E[:, stream.axis("ballast")] = circuit.ballast
    if circuit.position == "learned":
        embedding: Any = model.pos_embed
        embedding.W_pos[:, stream.position] = stream.position_code(circuit.n_ctx)
        u = torch.arange(circuit.n_ctx, dtype=torch.float64) / circuit.n_ctx
        if "index" in stream.extras:
            embedding.W_pos[:, stream.place("index")] = torch.stack([u, (1 - u * u).sqrt()], dim=1)
        if "square" in stream.extras:
            embedding.W_pos[:, stream.axis("square")] = u * u
    answer = model.W_U[stream.slot(stream.answer)]
    answer[: stream.alphabet] = circuit.logit * one[: stream.alphabet]
    answer[stream.separator] = circuit.logit * one[stream.eos]


@torch.no_grad()
def _write_head(model: HookedTransformer, layer: int, head: int, made: Maps) -> None:
    """Into the first axes of the head that are its own; the rest stay zero. q undoes the model's division by the root
    of the width."""
    attention: Any = model.blocks[layer].attn
    first = 0 if made.rotary or attention.rotary_dim is None else attention.rotary_dim
    q = made.q * model.config.head_width**0.5
    for index, weight, start in ((0, q, first), (1, made.k, first), (2, made.v, 0)):
        width = min(weight.shape[1], model.config.head_width - start)
        attention.W_QKV[:, index, head, start : start + width] = weight[:, :width]
    attention.W_O[head, : made.o.shape[0]] = made.o
