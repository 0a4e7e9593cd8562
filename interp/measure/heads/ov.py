"""The OV circuit: does a head raise the logit of the letter that it attends to?"""

from typing import Any, cast

import torch
from einops import einsum
from jaxtyping import Bool, Float
from torch import Tensor

from interp.base.axes import HeadVectors
from interp.measure.attention.rows import blocks, wide
from interp.models.heads import HeadTable
from interp.models.stack.layers import LayerNorm
from interp.models.stack.model import StackModel
from interp.models.surface import Model, gate_names
from interp.tasks.probes.probe import Probe
from interp.tasks.vocabulary import Vocabulary

STEP = 0.03
"""Share of its own length by which the last stream of a bridge is moved along what a head writes."""
ABOVE = 0.01
"""Share of the range of all letters' logits by which the source's is above the next: less is a tie, up to rounding, as
of a head that writes nothing, or one that only takes some other letter away."""
Written = Float[Tensor, "batch head d_model"]
Risen = Float[Tensor, "batch head letter"]


@torch.no_grad()
def copies_letter(model: Model, vocabulary: Vocabulary, probe: Probe) -> Bool[Tensor, "head example"]:
    """Say whether, attending to the source alone, a head raises the source letter's logit above every other letter's.

    The value of the source position is taken as it is in the run, sent through W_O, the final norm (a LayerNorm
    centres; the scale divides all logits alike) and W_U: the direct path, which misses what later blocks make of it.
    On a bridge the last stream at the query is moved a little along what the head writes, and the logits are read.
    Heads are those of the attention layers, in order.

    Args:
        model: one of ours, or a bridge whose attention writes the sum over its heads (`gather.writes_are_sums`).
        vocabulary: which tokens are letters.
        probe: the questions.
    """
    return torch.cat(
        [_block(model, vocabulary, probe.rows(block)) for block in blocks(model, probe.batch.tokens)], dim=1
    )


def values_of_heads(model: Model, value: Float[Tensor, "batch pos group d_head"], layer: int) -> HeadVectors:
    """Give every head of a layer its own values, where several share them (grouped queries).

    Args:
        model: one of ours, or a bridge.
        value: what stands at the layer's `hook_v`.
        layer: the layer.
    """
    return value.repeat_interleave(len(HeadTable.of(model).by_layer[layer]) // value.shape[2], dim=2)


def _block(model: Model, vocabulary: Vocabulary, probe: Probe) -> Bool[Tensor, "head example"]:
    layers = sorted({head.layer for head in HeadTable.of(model).of_kind("attention")})
    names = {layer: f"blocks.{layer}.attn.hook_v" for layer in layers}
    gates = {layer: gate_names(model, layer) for layer in layers}
    last = f"blocks.{model.cfg.n_layers - 1}.hook_resid_post"
    own = isinstance(model, StackModel)
    wanted_names = [*names.values(), *(name for each in gates.values() for name in each), *([] if own else [last])]
    _, cache = model.run_with_cache(probe.batch.tokens, return_type=None, names_filter=wanted_names)
    letters = vocabulary.ids(torch.arange(vocabulary.n_letters, device=probe.query.device))
    wanted = probe.batch.tokens.take_along_dim(probe.source[:, None], 1)
    risen = []
    for layer, name in names.items():
        value = values_of_heads(model, cache[name], layer)
        value = value.take_along_dim(probe.source[:, None, None, None], 1)[:, 0]
        for gate in gates[layer]:  # as it stands where the letter is asked for
            value = value * cache[gate].take_along_dim(probe.query[:, None, None, None], 1)[:, 0].sigmoid()
        written = einsum(value, cast(Any, model).blocks[layer].attn.W_O, "b h d, h d m -> b h m")
        if own:
            logits = _own(model, written)[..., letters]
        else:
            end = cache[last].take_along_dim(probe.query[:, None, None], 1)[:, 0]
            logits = _bridged(model, written, end)[..., letters]
        its = (letters == wanted)[:, None]
        above = logits.masked_fill(~its, -torch.inf).amax(dim=-1) - logits.masked_fill(its, -torch.inf).amax(dim=-1)
        above = above.nan_to_num(posinf=0.0)  # a letter alone stands above no other
        risen.append(above > ABOVE * (logits.amax(dim=-1) - logits.amin(dim=-1)))
    return torch.cat(risen, dim=1).T


def _own(model: StackModel, written: Written) -> Risen:
    """Logits of what heads write, but for the scale of the final norm."""
    scale = getattr(model.ln_final, "w", None)
    if isinstance(model.ln_final, LayerNorm):
        written = written - written.mean(dim=-1, keepdim=True)
    return (written if scale is None else written * scale) @ model.W_U


def _bridged(model: Any, written: Written, end: Float[Tensor, "batch d_model"]) -> Risen:
    """How logits change when the last stream moves along what heads write."""
    length = written.norm(dim=-1, keepdim=True)
    along = written / length.clamp(min=torch.finfo(written.dtype).tiny) * end.norm(dim=-1)[:, None, None] * STEP

    def logits(stream: Tensor) -> Tensor:
        return wide(model.unembed(model.ln_final(stream.to(end.dtype))))

    change = logits(end[:, None] + along) - logits(end[:, None])
    return change * (length > 0)
