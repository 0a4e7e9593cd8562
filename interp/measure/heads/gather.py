"""Which heads feed a lookup head, found by intervening: an idle head may attend evenly over a window, too.

Between attention heads the path from a head's output to a lookup head's queries and keys is cut, and nothing else:
path patching (Wang et al. 2023) with mean ablation, along the direct path through the residual stream and the norm. For
hidden attention on either side, and on models where what a head writes is changed before it is added to the stream, the
head is ablated altogether, so that its effect may act through heads and MLPs between the two.

Both report the root mean square change of the lookup head's scores from the query to the letters of the first copy,
each row centred (the softmax does not see a shift), over the same of the clean row: the largest over the lookup heads,
0 for heads that do not come before any.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import torch
from einops import einsum
from jaxtyping import Bool, Float
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from interp.measure.attention.rows import QueryRow, blocks, rows_at, wide
from interp.measure.edit import Edit, Site
from interp.measure.heads.entering import enter, in_stream
from interp.measure.progress import OnStep, announced
from interp.measure.values import Donor
from interp.models.heads import Head, Heads, HeadTable
from interp.models.hooks.model import Hook
from interp.models.stack.model import StackModel
from interp.models.surface import Enough, Model, by_head, run_to_read
from interp.tasks.probes.probe import Probe

SAME = 1e-3
"""How much of what a layer's attention writes may be missing from the sum over its heads, relative to its norm."""
LookupRow = Float[Tensor, "batch lookup pos"]


def effects_on(
    model: Model, probe: Probe, lookups: Heads, on_step: OnStep = lambda _: None
) -> tuple[Float[Tensor, "head example"], list[str]]:
    """Measure how much each head changes the scores of the lookup heads.

    Args:
        model: any.
        probe: ordinary copies, one question to each.
        lookups: the lookup heads, by name or as `Head`s.
        on_step: told what is being done.

    Returns: the effects, and notes on how they were measured.
    """
    table = HeadTable.of(model)
    chosen, attending, hidden = table.parse(lookups), table.of_kind("attention"), table.of_kind("hidden attention")
    if not writes_are_sums(model, probe):
        note = "gather heads by their total effect on the lookup heads' scores, not along the direct path"
        return total_effects(model, probe, chosen, on_step=on_step), [note]
    effects = path_effects(model, probe, [head for head in chosen if head.kind == "attention"], on_step)
    for on, earlier in ((chosen, hidden), ([head for head in chosen if head.kind != "attention"], attending)):
        if on and earlier:
            effects = torch.maximum(effects, total_effects(model, probe, on, earlier, on_step).to(effects.dtype))
    note = "effects of hidden attention, and on it, are total: not along the direct path, as between attention heads"
    return effects, [note] if hidden else []


@torch.no_grad()
def path_effects(
    model: Model, probe: Probe, lookups: Heads, on_step: OnStep = lambda _: None
) -> Float[Tensor, "head example"]:
    """Measure how much the scores of the lookup heads change when one head is taken off the path to them.

    The head's output is replaced by its mean over strings and positions, in the input of the lookup head's queries and
    keys alone. A score depends on nothing else in its layer, so the stream that enters the layer is changed, and the
    layer runs as far as its scores: once for each earlier head.

    Args:
        model: one whose attention layers write the sum over their heads (`writes_are_sums`).
        probe: ordinary copies, one question to each.
        lookups: attention heads, by name or as `Head`s.
        on_step: told how far it is.

    Returns: the effects; heads of hidden attention are left at 0.
    """
    table = HeadTable.of(model)
    chosen = table.parse(lookups)
    layers, earlier = sorted({head.layer for head in chosen}), _before(chosen, table.of_kind("attention"))
    effect = torch.zeros(len(table), len(probe), device=probe.query.device)
    means = mean_outputs(model, probe, earlier)
    for rows in blocks(model, probe.batch.tokens) if earlier else ():
        some = probe.rows(rows)
        entered, letters = enter(model, some.batch.tokens, some.query, layers), some.whole.copied_from
        for layer in layers:
            stream, index = entered.stream[layer], [head.index for head in chosen if head.layer == layer]
            clean = _centred(entered.scores[layer](stream)[:, index], letters)
            below = in_stream(model, earlier, layer)
            for head in announced(below, f"heads taken off the path to layer {layer}", on_step):
                W_O = cast(Any, model).blocks[head.layer].attn.W_O[head.index]
                change = (means[head.layer][head.index] - entered.z[head.layer][:, :, head.index]).to(W_O.dtype) @ W_O
                patched = _centred(entered.scores[layer](stream + change)[:, index], letters)
                here = _relative(patched, clean).amax(dim=1)
                effect[table.index(head), rows] = torch.maximum(effect[table.index(head), rows], here.to(effect.dtype))
    return effect


@torch.no_grad()
def total_effects(
    model: Model, probe: Probe, lookups: Heads, earlier: Heads | None = None, on_step: OnStep = lambda _: None
) -> Float[Tensor, "head example"]:
    """Measure how much the scores of the lookup heads change when one head writes its mean instead, by whatever way.

    One forward pass, as far as the last lookup head, for each head that comes before one. Where there are no true
    scores, log attention stands in for them: it is the scores up to a shift of each row.

    Args:
        model: any.
        probe: ordinary copies, one question to each.
        lookups: the lookup heads, by name or as `Head`s.
        earlier: heads that are ablated; None for all. The others are left at 0.
        on_step: told how far it is.
    """
    table = HeadTable.of(model)
    chosen = table.parse(lookups)
    away = _before(chosen, table.heads if earlier is None else table.parse(earlier))
    effect = torch.zeros(len(table), len(probe), device=probe.query.device)
    means = mean_outputs(model, probe, away)
    for rows in blocks(model, probe.batch.tokens) if away else ():
        some = probe.rows(rows)
        clean = _seen_scores(model, some, chosen)
        for head in announced(away, "heads ablated", on_step):
            shape = *some.batch.tokens.shape, *means[head.layer].shape
            edit = Edit(Site.of(head), Donor(means[head.layer].expand(shape)))
            relative = _relative(_seen_scores(model, some, chosen, [edit.hook(model)]), clean)
            later = torch.tensor([at.layer > head.layer for at in chosen], device=relative.device)
            effect[table.index(head), rows] = relative.where(later, 0.0).amax(dim=1).to(effect.dtype)
    return effect


@torch.no_grad()
def writes_are_sums(model: Model, probe: Probe) -> bool:
    """Whether attention adds z W_O of each head to the stream, but for a constant: what the direct path subtracts.

    So it is in our models, unless their norms stand after attention. A bridge may normalise what attention writes
    (Gemma 2) or scale it (Granite) before; other models do not say.
    """
    if isinstance(model, StackModel):
        return model.attention is None or not model.attention.norm_after
    table = HeadTable.of(model)
    if not isinstance(model, TransformerBridge) or not table.editable:
        return False
    layers = {layer: cast(Any, model.blocks[layer]) for layer in table.by_layer}
    if any(getattr(block, "residual_contribution_scale", 1.0) != 1.0 for block in layers.values()):
        return False
    outs = {layer: f"blocks.{layer}.hook_attn_out" for layer in table.by_layer}
    z = {layer: heads[0].output_hook for layer, heads in table.by_layer.items()}
    _, cache = model.run_with_cache(probe.batch.tokens[:1], names_filter=[*outs.values(), *z.values()])
    for layer, name in outs.items():
        written = cache[name]
        left = written - einsum(cache[z[layer]], layers[layer].attn.W_O, "b p h d, h d m -> b p m")
        if (left - left.mean(dim=1, keepdim=True)).norm() > SAME * written.norm():
            return False
    return True


def _before(lookups: Sequence[Head], heads: Sequence[Head]) -> list[Head]:
    """Heads in a layer before some lookup head's."""
    last = max((head.layer for head in lookups), default=0)
    return [head for head in heads if head.layer < last]


def mean_outputs(model: Model, probe: Probe, heads: Sequence[Head]) -> dict[int, Float[Tensor, "head d_head"]]:
    """Return layer -> the mean output of each of its heads over all strings and positions, however the work is cut."""
    hooks = {head.layer: head.output_hook for head in heads}
    total: dict[int, Tensor] = {}

    def add(layer: int, output: Tensor, hook: object) -> None:  # noqa: ARG001
        z = by_head(output)
        total[layer] = total.get(layer, 0) + wide(z).sum(dim=(0, 1))
        if layer == max(hooks):
            raise Enough

    reading: list[Hook] = [(name, partial(add, layer)) for layer, name in hooks.items()]
    for rows in blocks(model, probe.batch.tokens) if hooks else ():
        run_to_read(model, probe.batch.tokens[rows], reading)
    return {layer: z / probe.batch.tokens.numel() for layer, z in total.items()}


def _seen_scores(model: Model, probe: Probe, lookups: Sequence[Head], hooks: Sequence[Hook] = ()) -> LookupRow:
    """Scores of the lookup heads from the query to the letters, centred, as a forward pass shows them."""
    layers = {head.layer for head in lookups}
    rows = {row.layer: row for row in rows_at(model, probe.batch.tokens, probe.query, hooks, layers)}
    seen = []
    for head in lookups:
        pattern, scores = rows[head.layer].pattern[:, head.index], rows[head.layer].scores
        tiny = torch.finfo(pattern.dtype).tiny
        seen.append(pattern.clamp(min=tiny).log() if scores is None else scores[:, head.index])
    return _centred(torch.stack(seen, dim=1), probe.whole.copied_from)


def _centred(scores: QueryRow, letters: Bool[Tensor, "batch pos"]) -> LookupRow:
    """Less the row's mean over the letters that the head sees; 0 elsewhere."""
    here = letters[:, None] & scores.isfinite()
    mean = scores.masked_fill(~here, 0.0).sum(dim=2, keepdim=True) / here.sum(dim=2, keepdim=True).clamp(min=1)
    return (scores - mean).masked_fill(~here, 0.0)


def _relative(changed: LookupRow, clean: LookupRow) -> Float[Tensor, "batch lookup"]:
    """Root mean square change of each row, over its own size."""
    return (changed - clean).square().sum(dim=2).sqrt() / clean.square().sum(dim=2).sqrt()
