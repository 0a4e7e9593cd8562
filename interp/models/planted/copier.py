"""The planted copier: which heads it has, and their weights written into an ordinary model."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from interp.base.errors import UserError, unknown
from interp.models.planted.circuits import Circuit, gather, gather_offsets, lookup, random_head
from interp.models.planted.decoys import decoy, needs_position
from interp.models.planted.planting import PlantedHead, Planting
from interp.models.planted.stream import Stream
from interp.models.transformer import HookedTransformer, TransformerConfig

LOGIT = 20.0
"""Logit of the token that the lookup heads attend to; the others stay at 0."""


def planted_copier(
    n: int = 4,
    alphabet: int = 26,
    *,
    n_layers: int = 2,
    gather_layer: int = 0,
    lookup_layer: int = 1,
    n_lookup: int = 1,
    zero_heads: int = 0,
    random_heads: int = 0,
    idle: str = "zero",
    decoys: tuple[str, ...] = (),
    shuffle: bool = False,
    seed: int = 0,
    tau: float = 30.0,
    n_ctx: int = 4096,
    dtype: torch.dtype = torch.float32,
) -> tuple[HookedTransformer, Planting]:
    """The n-gram copier, an ordinary model without norm or MLP, and what was planted in it.

    It copies `$ x1..xL | x1..xL .` of any length and ends it, and fails on a string exactly when n letters in a row
    occur twice in it with two different continuations inside the string. (Where the last n letters occur inside it
    too, it copies the string and then goes on as it did there, instead of ending.)

    A head has the same window in every layer: n + 1 heads have the windows 1, ..., n + 1 of the gather heads, all
    others see everything.

    Args:
        n: letters that must match, from 1 on.
        alphabet: number of letters, 2 to 26. Token ids: the letters, then BOS, separator, EOS, pad.
        n_layers: number of layers.
        gather_layer, lookup_layer: where the two parts stand.
        n_lookup: so many lookup heads share the work: they attend alike, and each writes its part of the answer.
        zero_heads: so many more heads in every layer whose weights are all zero.
        random_heads: so many more in every layer that attend by random weights and write where nothing reads.
        idle: what heads of the mechanism and decoys are in the layers where they have no part: "zero" or "random".
        decoys: names as in `decoys.py`; each is one more head, in the lookup layer.
        shuffle: put the heads in random order.
        seed: of the order and the random weights.
        tau: score of a matching letter. Against K keys that match one letter less, the right one has attention
            1 / (1 + K exp(-tau)); where K is large (few letters, long strings) a small tau costs accuracy.
        n_ctx: longest sequence; counts only where a decoy needs learned positions.
        dtype: float32 or float64.

    Raises: UserError for values that do not fit together, or a decoy that does not exist.
    """
    if not (n >= 1 and 2 <= alphabet <= 26):
        raise UserError(f"a copier has n from 1 on and 2 to 26 letters; n {n} and alphabet {alphabet} were asked for.")
    if not 0 <= gather_layer < lookup_layer < n_layers:
        raise UserError(
            f"the gather layer comes before the lookup layer, both among {n_layers} layers; "
            f"{gather_layer} and {lookup_layer} were asked for."
        )
    if n_lookup < 1 or min(zero_heads, random_heads) < 0 or not tau > 0 or n_ctx < 1:
        raise UserError(
            "a copier has at least one lookup head, no negative number of zero or random heads, a positive tau and "
            f"n_ctx; {n_lookup}, {zero_heads}, {random_heads}, {tau} and {n_ctx} were asked for."
        )
    if idle not in ("zero", "random"):
        raise unknown("idle head", idle, ("zero", "random"))
    if dtype not in (torch.float32, torch.float64):
        raise UserError(f"a copier's scores need float32 or float64; {dtype} was asked for.")

    positioned = any(needs_position(name) for name in decoys)
    stream = Stream(n, alphabet, n_frequencies=n_ctx.bit_length() if positioned else 0)
    generator = torch.Generator().manual_seed(seed)
    columns = list(_columns(stream, gather_layer, lookup_layer, n_lookup, zero_heads, random_heads, decoys, tau))
    if shuffle:
        columns = [columns[i] for i in torch.randperm(len(columns), generator=generator)]

    model = HookedTransformer(
        TransformerConfig(
            n_layers=n_layers,
            n_heads=len(columns),
            d_model=stream.d_model,
            d_vocab=stream.n_tokens,
            d_head=n * stream.n_tokens + max(1, 2 * stream.n_frequencies),
            position="learned" if positioned else "hard-alibi",
            windows=tuple(head.window for head, _ in columns),
            n_ctx=n_ctx,
            normalization=None,
        )
    ).to(dtype)
    _write_ends(model, stream)
    heads = []
    for layer in range(n_layers):
        for index, (head, circuit) in enumerate(columns):
            if circuit is None or head.layer != layer:
                role = head.role if circuit is None else idle
                head = PlantedHead(layer, index, head.window, role)
                circuit = random_head(stream, model.config.head_width, generator) if role == "random" else None
            if circuit is not None:
                _write_head(model, layer, index, circuit)
            heads.append(replace(head, head=index))
    return model, Planting(n, alphabet, tuple(heads))


def _columns(
    stream: Stream,
    gather_layer: int,
    lookup_layer: int,
    n_lookup: int,
    zero_heads: int,
    random_heads: int,
    decoys: tuple[str, ...],
    tau: float,
) -> Iterator[tuple[PlantedHead, Circuit | None]]:
    """What stands at each head index: a head in its layer; one without a circuit (None) is the same in every layer."""
    for window in range(1, stream.n + 2):
        offsets = gather_offsets(stream.n, window)
        yield PlantedHead(gather_layer, 0, window, "gather", offsets=offsets), gather(stream, window)
    for _ in range(n_lookup):
        yield PlantedHead(lookup_layer, 0, None, "lookup", n=stream.n), lookup(stream, tau, 1 / n_lookup)
    for name in decoys:
        yield PlantedHead(lookup_layer, 0, None, "decoy", decoy=name), decoy(name, stream, tau)
    for _ in range(zero_heads):
        yield PlantedHead(0, 0, None, "zero"), None
    for _ in range(random_heads):
        yield PlantedHead(0, 0, None, "random"), None


@torch.no_grad()
def _write_ends(model: HookedTransformer, stream: Stream) -> None:
    """All weights to zero; then embedding, positions and unembedding. The separator as an answer is the end."""
    for parameter in model.parameters():
        parameter.zero_()
    one = torch.eye(stream.n_tokens, dtype=model.dtype)
    model.W_E[:, stream.slot(0)] = one
    if stream.n_frequencies:
        embedding: Any = model.pos_embed
        embedding.W_pos[:, stream.position] = stream.position_code(model.config.n_ctx).to(model.dtype)
    answer = model.W_U[stream.slot(stream.answer)]
    answer[: stream.alphabet] = LOGIT * one[: stream.alphabet]
    answer[stream.separator] = LOGIT * one[stream.eos]


@torch.no_grad()
def _write_head(model: HookedTransformer, layer: int, head: int, circuit: Circuit) -> None:
    """Into the first axes of the head; the rest stay zero. q undoes the model's division by the root of the width."""
    attention: Any = model.blocks[layer].attn
    q = circuit.q * model.config.head_width**0.5
    for index, weight in enumerate((q, circuit.k, circuit.v)):
        attention.W_QKV[:, index, head, : weight.shape[1]] = weight.to(model.dtype)
    attention.W_O[head, : circuit.o.shape[0]] = circuit.o.to(model.dtype)
