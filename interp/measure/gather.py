"""Which heads feed a lookup head, and what they gather.

A gather head is found by intervening on the path from its output to a lookup head's queries and keys, not by its
pattern: an idle head may attend evenly over a window, too. What the gather heads carry is decoded linearly from all of
them together, since one letter may stand only in the difference of two of them.
"""

from dataclasses import dataclass

import torch
from einops import einsum
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.measure.lookup import letters_of_first_copy
from interp.measure.patterns import blocks
from interp.models.attention import Attention
from interp.models.positions import rotate
from interp.models.transformer import HookedTransformer
from interp.tasks.base import Batch
from interp.tasks.repeats import Probe

Head = tuple[int, int]
"""(layer, head)."""


@torch.no_grad()
def path_effects(model: HookedTransformer, probe: Probe, lookups: list[Head]) -> Float[Tensor, "head example"]:
    """How much the scores of the lookup heads change when one head is taken off the path to them.

    The head's output is replaced by its mean over strings and positions, in the input of the lookup head's queries and
    keys alone (path patching, Wang et al. 2023, with mean ablation; the direct path through the residual stream and the
    norm). The effect is the root mean square change of the scores from the query to the letters of the first copy, each
    row centred (the softmax does not see a shift), over the same of the clean row. The largest over the lookup heads;
    0 for heads that do not come before any.
    """
    return torch.cat([_path_block(model, probe.rows(block), lookups) for block in blocks(probe.batch)], dim=1)


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
    """Scores of some heads from the query to the letters of the first copy, centred over them; 0 elsewhere."""
    attn: Attention = model.blocks[layer].attn
    normed = model.blocks[layer].ln1(stream)
    positions = torch.arange(stream.shape[1], device=stream.device)[None]
    q = _turned(attn, _map(normed.take_along_dim(query[:, None, None], 1), attn.W_Q, attn.b_Q, heads), query[:, None])
    k = _turned(attn, _map(normed, attn.W_K, attn.b_K, heads), positions)
    scores = einsum(q[:, 0], k, "b h d, b k h d -> b h k") * q.shape[-1] ** -0.5
    here = letters[:, None]
    mean = scores.masked_fill(~here, 0.0).sum(dim=2, keepdim=True) / here.sum(dim=2, keepdim=True)
    return (scores - mean).masked_fill(~here, 0.0)


def _map(x: Tensor, weight: Tensor, bias: Tensor, heads: list[int]) -> Float[Tensor, "batch pos lookup d_head"]:
    return einsum(x, weight[heads], "b p m, h m d -> b p h d") + bias[heads]


def _turned(attn: Attention, x: Tensor, positions: Tensor) -> Float[Tensor, "batch pos lookup d_head"]:
    """Queries or keys as the scores use them: with RoPE turned by their positions."""
    return x if attn.rotary_dim is None else rotate(x, positions, attn.rotary_dim, attn.rotary_base)


@dataclass(frozen=True)
class OffsetDecoding:
    """How often the letter t back from a position is read right from the outputs of a set of heads."""

    together: Float[Tensor, "offset example"]
    """From all of them; for each string the share of its positions."""
    without: Float[Tensor, "left_out offset example"]
    """From all but one, for each in turn."""


@torch.no_grad()
def decode_offsets(
    model: HookedTransformer, batch: Batch, heads: list[Head], offsets: int, ridge: float = 1e-4
) -> OffsetDecoding:
    """Read the letters 0, 1, ..., `offsets` - 1 back linearly from what `heads` bring to a position.

    Ridge regression from the concatenated z of the heads to the one-hot letter, fitted on the first half of the
    strings; tested on the second, where the likeliest letter counts. Positions are letters whose last `offsets` tokens
    are letters, too.

    Args:
        batch: ordinary copy strings, other than those on which the heads were chosen.
        heads: one head at least.
        offsets: how many offsets.
        ridge: penalty, relative to the mean variance of the features.
    """
    z = torch.cat([_z_of(model, batch.tokens[block], heads) for block in blocks(batch)]).double()
    letter, half = _is_letter(batch), len(batch) // 2
    usable = torch.stack([_back(letter, t) for t in range(offsets)]).all(dim=0)
    back = torch.stack([_back(batch.tokens, t) for t in range(offsets)], dim=2)
    weight = usable[:half, :, None].double()
    features = z - (z[:half] * weight).sum(dim=(0, 1)) / weight.sum()
    letters = torch.nn.functional.one_hot(back[:half], model.config.d_vocab).double()
    prior = (letters * weight[..., None]).sum(dim=(0, 1)) / weight.sum()
    fit = (features[:half] * weight).flatten(0, 1)
    gram = fit.T @ features[:half].flatten(0, 1)
    gram = gram + ridge * gram.diagonal().mean().clamp(min=1e-12) * torch.eye(len(gram), dtype=z.dtype, device=z.device)
    cross = einsum(fit, (letters - prior).flatten(0, 1), "row i, row t v -> i t v")

    def shares(chosen: Int[Tensor, " feature"]) -> Float[Tensor, "offset example"]:
        solved = torch.linalg.solve(gram[chosen][:, chosen], cross[chosen].flatten(1)).unflatten(1, prior.shape)
        guess = (einsum(features[half:][..., chosen], solved, "b p i, i t v -> b p t v") + prior).argmax(dim=-1)
        right = (guess == back[half:]) & usable[half:, :, None]
        return (right.sum(dim=1) / usable[half:].sum(dim=1, keepdim=True)).T

    every = torch.arange(len(gram), device=z.device).reshape(len(heads), -1)
    all_but = [torch.cat([every[:i], every[i + 1 :]]).flatten() for i in range(len(heads))]
    return OffsetDecoding(shares(every.flatten()), torch.stack([shares(rest) for rest in all_but]))


def _z_of(model: HookedTransformer, tokens: Tensor, heads: list[Head]) -> Float[Tensor, "batch pos feature"]:
    names = sorted({f"blocks.{layer}.attn.hook_z" for layer, _ in heads})
    _, cache = model.run_with_cache(tokens, return_type=None, names_filter=names)
    return torch.cat([cache[f"blocks.{layer}.attn.hook_z"][:, :, head] for layer, head in heads], dim=-1)


def _is_letter(batch: Batch) -> Bool[Tensor, "batch pos"]:
    """Positions that hold a letter of either copy: those copied from, and those that the position before asked for."""
    first = torch.zeros_like(batch.answer, dtype=torch.int8)
    first = first.scatter_add(1, batch.source.clamp(min=0), batch.answer.to(torch.int8)) > 0
    return first | _back(batch.answer, 1)


def _back(x: Tensor, t: int) -> Tensor:
    """x at the position t back; 0 (False) before the beginning."""
    return x if t == 0 else torch.nn.functional.pad(x[:, :-t], (t, 0))
