"""Which heads feed a lookup head, found by intervening: an idle head may attend evenly over a window, too.

Between attention heads of our own models the path from a head's output to a lookup head's queries and keys is cut, and
nothing else. On other models, and for hidden attention on either side, the head is taken away altogether, so that its
effect may come by way of heads and MLPs between the two.

Both report the root mean square change of the lookup head's scores from the query to the letters of the first copy,
each row centred (the softmax does not see a shift), over the same of the clean row: the largest over the lookup heads,
0 for heads that do not come before any.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from einops import einsum
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.measure.attention.rows import blocks, rows_at
from interp.measure.heads.lookup import letters_of_first_copy
from interp.models.stack.attention import Attention
from interp.models.stack.model import StackModel
from interp.models.stack.positions import rotate
from interp.models.surface import Head, Model, by_head, head_kinds, heads, layers_with_heads, output_hook
from interp.tasks.probes.planted_repeats import Probe


def effects_on(model: Model, probe: Probe, lookups: list[Head]) -> tuple[Float[Tensor, "head example"], list[str]]:
    """How much each head changes the scores of the lookup heads, and notes on how that was measured."""
    kinds = dict(zip(heads(model), head_kinds(model), strict=True))
    if not isinstance(model, StackModel):
        note = "gather heads by their total effect on the lookup heads' scores, not along the direct path"
        return total_effects(model, probe, lookups), [note]
    attending, hidden = ([head for head in kinds if (kinds[head] == "attention") is wanted] for wanted in (True, False))
    effects = path_effects(model, probe, [head for head in lookups if head in attending])
    others = ((lookups, hidden), ([head for head in lookups if head in hidden], attending))
    for on, earlier in others:
        if on and earlier:
            effects = torch.maximum(effects, total_effects(model, probe, on, earlier).to(effects.dtype))
    note = "effects of hidden attention, and on it, are total: not along the direct path, as between attention heads"
    return effects, [note] if hidden else []


@torch.no_grad()
def path_effects(model: StackModel, probe: Probe, lookups: list[Head]) -> Float[Tensor, "head example"]:
    """How much the scores of the lookup heads change when one head is taken off the path to them.

    The head's output is replaced by its mean over strings and positions, in the input of the lookup head's queries and
    keys alone: path patching (Wang et al. 2023) with mean ablation, along the direct path through the residual stream
    and the norm. Lookup heads are attention heads; heads of hidden attention are left at 0.
    """
    return torch.cat(
        [_path_block(model, probe.rows(block), lookups) for block in blocks(model, probe.batch.tokens)], dim=1
    )


@torch.no_grad()
def total_effects(
    model: Model, probe: Probe, lookups: list[Head], earlier: Sequence[Head] | None = None
) -> Float[Tensor, "head example"]:
    """How much the scores of the lookup heads change when one head writes its mean instead, by whatever way.

    For any model with TransformerLens's surface: one forward pass for each head that comes before a lookup head. Where
    there are no true scores, log attention stands in for them: it is the scores up to a shift of each row.

    Args:
        earlier: the heads that are taken away; None for all. The others are left at 0.
    """
    chosen = heads(model) if earlier is None else earlier
    return torch.cat(
        [_total_block(model, probe.rows(block), lookups, chosen) for block in blocks(model, probe.batch.tokens)], dim=1
    )


def _total_block(
    model: Model, probe: Probe, lookups: list[Head], earlier: Sequence[Head]
) -> Float[Tensor, "head example"]:
    clean, index = _seen_scores(model, probe, lookups), {head: i for i, head in enumerate(heads(model))}
    effect = torch.zeros_like(clean[:, 0, 0]).expand(len(index), -1).clone()
    last = max(layer for layer, _ in lookups)
    for layer, head in ((layer, head) for layer, head in earlier if layer < last):
        hook = output_hook(model, layer), partial(_write_mean, head=head)
        change = _seen_scores(model, probe, lookups, [hook])
        relative = (change - clean).square().sum(dim=2).sqrt() / clean.square().sum(dim=2).sqrt()
        later = torch.tensor([at > layer for at, _ in lookups], device=relative.device)
        effect[index[layer, head]] = relative.where(later, 0.0).amax(dim=1)
    return effect


def _write_mean(output: Float[Tensor, "batch pos *inner"], hook: Any, head: int) -> Tensor:  # noqa: ARG001
    z = by_head(output)
    mean = z[:, :, head].mean(dim=(0, 1), keepdim=True)
    new = torch.cat([z[:, :, :head], mean.expand_as(z[:, :, head])[:, :, None], z[:, :, head + 1 :]], dim=2)
    return new.reshape(output.shape)


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


def _path_block(model: StackModel, probe: Probe, lookups: list[Head]) -> Float[Tensor, "head example"]:
    tokens, letters, index = (
        probe.batch.tokens,
        letters_of_first_copy(probe),
        {h: i for i, h in enumerate(heads(model))},
    )
    effect = torch.zeros((len(index), len(tokens)), dtype=model.dtype, device=tokens.device)
    attending = {layer: n for layer, (kind, n) in layers_with_heads(model).items() if kind == "attention"}
    names = [f"blocks.{layer}.{part}" for layer in attending for part in ("hook_resid_pre", "attn.hook_z")]
    _, cache = model.run_with_cache(tokens, return_type=None, names_filter=names)
    for layer in sorted({layer for layer, _ in lookups}):
        chosen = [head for at, head in lookups if at == layer]
        stream = cache[f"blocks.{layer}.hook_resid_pre"]
        clean = _letter_scores(model, layer, chosen, stream, probe.query, letters)
        for earlier, head in ((i, head) for i, n in attending.items() if i < layer for head in range(n)):
            out = cache[f"blocks.{earlier}.attn.hook_z"][:, :, head] @ model.blocks[earlier].attn.W_O[head]
            patched = stream - out + out.mean(dim=(0, 1))
            change = _letter_scores(model, layer, chosen, patched, probe.query, letters) - clean
            relative = change.square().sum(dim=2).sqrt() / clean.square().sum(dim=2).sqrt()
            effect[index[earlier, head]] = torch.maximum(effect[index[earlier, head]], relative.amax(dim=1))
    return effect


def _letter_scores(
    model: StackModel,
    layer: int,
    chosen: list[int],
    stream: Float[Tensor, "batch pos d_model"],
    query: Int[Tensor, " batch"],
    letters: Bool[Tensor, "batch pos"],
) -> Float[Tensor, "batch lookup pos"]:
    """Scores of some heads of a layer that reads `stream`, from the query to the letters, centred."""
    attn: Attention = model.blocks[layer].attn
    normed = model.blocks[layer].ln1(stream)
    positions = torch.arange(stream.shape[1], device=stream.device)[None]
    q = _turned(attn, _map(normed.take_along_dim(query[:, None, None], 1), attn.W_Q, attn.b_Q, chosen), query[:, None])
    k = _turned(attn, _map(normed, attn.W_K, attn.b_K, chosen), positions)
    scores = einsum(q[:, 0], k, "b h d, b k h d -> b h k") * q.shape[-1] ** -0.5
    return _centred(scores, letters)


def _centred(
    scores: Float[Tensor, "batch lookup pos"], letters: Bool[Tensor, "batch pos"]
) -> Float[Tensor, "batch lookup pos"]:
    """Less the row's mean over the letters; 0 elsewhere."""
    here = letters[:, None]
    mean = scores.masked_fill(~here, 0.0).sum(dim=2, keepdim=True) / here.sum(dim=2, keepdim=True)
    return (scores - mean).masked_fill(~here, 0.0)


def _map(x: Tensor, weight: Tensor, bias: Tensor, chosen: list[int]) -> Float[Tensor, "batch pos lookup d_head"]:
    return einsum(x, weight[chosen], "b p m, h m d -> b p h d") + bias[chosen]


def _turned(attn: Attention, x: Tensor, positions: Tensor) -> Float[Tensor, "batch pos lookup d_head"]:
    """Queries or keys as the scores use them: with RoPE turned by their positions."""
    return x if attn.rotary_dim is None else rotate(x, positions, attn.rotary_dim, attn.rotary_base)
