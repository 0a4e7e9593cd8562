"""What heads write from the source: its share of all that they write there, and what is lost when its edge is cut."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from interp.measure.ablation.interventions import EdgeCut
from interp.measure.ablation.sets import Ablation
from interp.measure.ablation.sweep import sweep
from interp.measure.attention.rows import blocks, rows_at, wide
from interp.measure.heads.ov import values_of_heads
from interp.measure.values import Zero
from interp.models.heads import Head
from interp.models.stack.model import StackModel
from interp.models.surface import Model, gate_names
from interp.tasks.probes.probe import Probe
from interp.tasks.score import Over
from interp.tasks.vocabulary import Vocabulary


@torch.no_grad()
def written_share(model: Model, probe: Probe, heads: Sequence[Head]) -> Float[Tensor, "head example"] | None:
    """Measure which share of what a head writes at the query is the source's, less that of another letter on average.

    Attention times the length of what it brings, |v W_O|: attention that rests on a place whose value is zero counts
    for nothing.

    Args:
        model: one of ours, or a bridge; None is returned for any other.
        probe: the questions.
        heads: attention heads.
    """
    if not isinstance(model, StackModel | TransformerBridge):
        return None
    parts = [_share_block(model, probe.rows(block), heads) for block in blocks(model, probe.batch.tokens)]
    return torch.cat(parts, dim=1)


def _share_block(model: Model, probe: Probe, heads: Sequence[Head]) -> Float[Tensor, "head example"]:
    others = probe.whole.copied_from.scatter(1, probe.source[:, None], False)
    rows = {layer.layer: layer.pattern for layer in rows_at(model, probe.batch.tokens, probe.query)}
    names = {head.layer: f"blocks.{head.layer}.attn.hook_v" for head in heads}
    gates = {layer: gate_names(model, layer) for layer in names}
    wanted = sorted([*names.values(), *(name for each in gates.values() for name in each)])
    _, cache = model.run_with_cache(probe.batch.tokens, return_type=None, names_filter=wanted)
    shares = []
    for head in heads:
        value = values_of_heads(model, cache[names[head.layer]], head.layer)[:, :, head.index]
        for gate in gates[head.layer]:  # as it stands where the head attends from
            at_query = cache[gate][:, :, head.index].take_along_dim(probe.query[:, None, None], 1)
            value = value * at_query.sigmoid()
        W_O = cast(Any, model).blocks[head.layer].attn.W_O[head.index]
        brought = wide(einsum(value, W_O, "b k h, h m -> b k m").norm(dim=-1))
        written = rows[head.layer][:, head.index] * brought
        share = written / written.sum(dim=1, keepdim=True).clamp(min=torch.finfo(written.dtype).tiny)
        chance = (share * others).sum(dim=1) / others.sum(dim=1)
        shares.append(share.take_along_dim(probe.source[:, None], 1)[:, 0] - chance)
    return torch.stack(shares)


@torch.no_grad()
def edge_effects(
    model: Model, vocabulary: Vocabulary, probe: Probe, sets: Sequence[Sequence[Head]], beside: Sequence[Head] = ()
) -> Float[Tensor, "set example"]:
    """Measure what the right letter's logit, less the median of the others', loses when edges to the source are cut.

    Less their mean it would also fall where a head takes some other letter away, and copies nothing. Of three letters
    there are two others: what is lost against both counts, by the less of the two.

    Args:
        model: the model.
        vocabulary: which tokens are letters.
        probe: the questions.
        sets: heads whose pattern can be edited; those of a set lose their edges together.
        beside: heads that have lost theirs before, and lose them with every set.
    """
    cut = EdgeCut(probe.batch.source)
    before = Ablation(tuple(beside), cut) if beside else Ablation((), Zero())
    ablations = [before, *(Ablation((*beside, *heads), cut) for heads in sets)]

    def lost(over: Over) -> Float[Tensor, "set example"]:
        clean, *left = sweep(model, probe.batch, vocabulary, ablations, over=over).logit_difference
        return torch.stack([clean - after for after in left])

    if vocabulary.n_letters != 3:
        return lost("median")
    # Letter by letter: the lower of two others before a cut need not be the lower one after it.
    against_next = lost("next")
    against_other = 2 * lost("mean") - against_next
    nearer = torch.where(against_next.abs() < against_other.abs(), against_next, against_other)
    return nearer.where(against_next * against_other > 0, 0.0)
