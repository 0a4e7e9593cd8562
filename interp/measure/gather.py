"""Which heads feed a lookup head, found by intervening: an idle head may attend evenly over a window, too.

On our own transformers the path from a head's output to a lookup head's queries and keys is cut, and nothing else. On
other models the head is taken away altogether, so that its effect may come by way of heads and MLPs between the two.

Both report the root mean square change of the lookup head's scores from the query to the letters of the first copy,
each row centred (the softmax does not see a shift), over the same of the clean row: the largest over the lookup heads,
0 for heads that do not come before any.
"""

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any

import torch
from einops import einsum
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.axes import HeadVectors
from interp.measure.lookup import letters_of_first_copy
from interp.measure.names import Head
from interp.measure.patterns import blocks, rows_at
from interp.models.attention import Attention
from interp.models.positions import rotate
from interp.models.surface import Model, head_shape
from interp.models.transformer import HookedTransformer
from interp.tasks.repeats import Probe


@torch.no_grad()
def path_effects(model: HookedTransformer, probe: Probe, lookups: list[Head]) -> Float[Tensor, "head example"]:
    """How much the scores of the lookup heads change when one head is taken off the path to them.

    The head's output is replaced by its mean over strings and positions, in the input of the lookup head's queries and
    keys alone: path patching (Wang et al. 2023) with mean ablation, along the direct path through the residual stream
    and the norm.
    """
    return torch.cat(
        [_path_block(model, probe.rows(block), lookups) for block in blocks(model, probe.batch.tokens)], dim=1
    )


@torch.no_grad()
def total_effects(model: Model, probe: Probe, lookups: list[Head]) -> Float[Tensor, "head example"]:
    """How much the scores of the lookup heads change when one head writes its mean instead, by whatever way.

    For any model with TransformerLens's surface: one forward pass for each head that comes before a lookup head. Where
    there are no true scores, log attention stands in for them: it is the scores up to a shift of each row.
    """
    return torch.cat(
        [_total_block(model, probe.rows(block), lookups) for block in blocks(model, probe.batch.tokens)], dim=1
    )


def _total_block(model: Model, probe: Probe, lookups: list[Head]) -> Float[Tensor, "head example"]:
    n_layers, n_heads = head_shape(model)
    clean = _seen_scores(model, probe, lookups)
    effect = torch.zeros_like(clean[:, 0, 0]).expand(n_layers * n_heads, -1).clone()
    for layer, head in product(range(max(layer for layer, _ in lookups)), range(n_heads)):
        change = _seen_scores(model, probe, lookups, [(f"blocks.{layer}.attn.hook_z", partial(_write_mean, head=head))])
        relative = (change - clean).square().sum(dim=2).sqrt() / clean.square().sum(dim=2).sqrt()
        later = torch.tensor([at > layer for at, _ in lookups], device=relative.device)
        effect[layer * n_heads + head] = relative.where(later, 0.0).amax(dim=1)
    return effect


def _write_mean(z: HeadVectors, hook: Any, head: int) -> HeadVectors:  # noqa: ARG001
    mean = z[:, :, head].mean(dim=(0, 1), keepdim=True)
    return torch.cat([z[:, :, :head], mean.expand_as(z[:, :, head])[:, :, None], z[:, :, head + 1 :]], dim=2)


def _seen_scores(
    model: Model, probe: Probe, lookups: list[Head], hooks: Sequence[tuple[str, Any]] = ()
) -> Float[Tensor, "batch lookup pos"]:
    """Scores of the lookup heads from the query to the letters, centred, as a forward pass shows them."""
    rows = {layer.layer: layer for layer in rows_at(model, probe.batch.tokens, probe.query, hooks)}
    seen = []
    for layer, head in lookups:
        pattern, scores = rows[layer].pattern[:, head], rows[layer].scores
        tiny = torch.finfo(pattern.dtype).tiny
        seen.append(pattern.clamp(min=tiny).log() if scores is None else scores[:, head])
    return _centred(torch.stack(seen, dim=1), letters_of_first_copy(probe))


def _path_block(model: HookedTransformer, probe: Probe, lookups: list[Head]) -> Float[Tensor, "head example"]:
    n_layers, n_heads = model.config.n_layers, model.config.n_heads
    tokens, letters = probe.batch.tokens, letters_of_first_copy(probe)
    names = [f"blocks.{i}.hook_resid_pre" for i in range(n_layers)] + [
        f"blocks.{i}.attn.hook_z" for i in range(n_layers)
    ]
    _, cache = model.run_with_cache(tokens, return_type=None, names_filter=names)
    effect = tokens.new_zeros((n_layers * n_heads, len(tokens)), dtype=model.dtype)
    for layer in sorted({layer for layer, _ in lookups}):
        chosen = [head for at, head in lookups if at == layer]
        stream = cache[f"blocks.{layer}.hook_resid_pre"]
        clean = _letter_scores(model, layer, chosen, stream, probe.query, letters)
        for earlier in range(layer):
            attn, z = model.blocks[earlier].attn, cache[f"blocks.{earlier}.attn.hook_z"]
            for head in range(n_heads):
                out = z[:, :, head] @ attn.W_O[head]
                patched = stream - out + out.mean(dim=(0, 1))
                change = _letter_scores(model, layer, chosen, patched, probe.query, letters) - clean
                relative = change.square().sum(dim=2).sqrt() / clean.square().sum(dim=2).sqrt()
                index = earlier * n_heads + head
                effect[index] = torch.maximum(effect[index], relative.amax(dim=1))
    return effect


def _letter_scores(
    model: HookedTransformer,
    layer: int,
    heads: list[int],
    stream: Float[Tensor, "batch pos d_model"],
    query: Int[Tensor, " batch"],
    letters: Bool[Tensor, "batch pos"],
) -> Float[Tensor, "batch lookup pos"]:
    """Scores of some heads of a layer that reads `stream`, from the query to the letters, centred."""
    attn: Attention = model.blocks[layer].attn
    normed = model.blocks[layer].ln1(stream)
    positions = torch.arange(stream.shape[1], device=stream.device)[None]
    q = _turned(attn, _map(normed.take_along_dim(query[:, None, None], 1), attn.W_Q, attn.b_Q, heads), query[:, None])
    k = _turned(attn, _map(normed, attn.W_K, attn.b_K, heads), positions)
    scores = einsum(q[:, 0], k, "b h d, b k h d -> b h k") * q.shape[-1] ** -0.5
    return _centred(scores, letters)


def _centred(
    scores: Float[Tensor, "batch lookup pos"], letters: Bool[Tensor, "batch pos"]
) -> Float[Tensor, "batch lookup pos"]:
    """Less the row's mean over the letters; 0 elsewhere."""
    here = letters[:, None]
    mean = scores.masked_fill(~here, 0.0).sum(dim=2, keepdim=True) / here.sum(dim=2, keepdim=True)
    return (scores - mean).masked_fill(~here, 0.0)


def _map(x: Tensor, weight: Tensor, bias: Tensor, heads: list[int]) -> Float[Tensor, "batch pos lookup d_head"]:
    return einsum(x, weight[heads], "b p m, h m d -> b p h d") + bias[heads]


def _turned(attn: Attention, x: Tensor, positions: Tensor) -> Float[Tensor, "batch pos lookup d_head"]:
    """Queries or keys as the scores use them: with RoPE turned by their positions."""
    return x if attn.rotary_dim is None else rotate(x, positions, attn.rotary_dim, attn.rotary_base)
