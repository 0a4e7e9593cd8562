"""Running a model with heads ablated, two ways that give the same.

The slow, obvious one runs the model anew for each ablation, with the hooks of its edits (`one_by_one`); it is what any
model with TransformerLens's surface gets. On our models `together` runs many at once:

1. what precedes an ablation's first layer is the clean run, the same for all;
2. in that layer attention's output changes by the sum over the ablated heads of (z' - z) W_O: nothing attends again (a
   recurrent layer runs anew, with a hook, and so do two layers side by side);
3. the changed streams go through the later layers side by side along the batch axis, with hooks for later heads;
4. the last layer's queries, and the logits, are made from the answer on.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import cast

import torch
from einops import einsum
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.base.axes import Logits, Pattern
from interp.measure.ablation.context import BlockContext, segment_of
from interp.measure.ablation.interventions import EdgeEdit, Intervention
from interp.measure.ablation.sets import Ablation
from interp.measure.edit import Edit, Site
from interp.measure.values import Donor
from interp.models.heads import Head
from interp.models.hooks.model import Hook
from interp.models.stack.block import Block
from interp.models.stack.model import StackModel
from interp.models.surface import Model, by_head, gate_names


def one_by_one(
    model: Model, strings: BlockContext, ablations: Sequence[Ablation]
) -> Iterator[tuple[list[int], Logits]]:
    """Run the model anew for each ablation: the reference. Yields which ablations, and logits at the columns."""
    for index, ablation in enumerate(ablations):
        hooks = hooks_of(model, strings, ablation)
        logits = model.run_with_hooks(strings.batch.tokens, fwd_hooks=hooks, **segment_of(strings.batch))
        yield [index], logits[:, strings.columns]


def together(
    model: StackModel, strings: BlockContext, ablations: Sequence[Ablation], tokens_at_once: int
) -> Iterator[tuple[list[int], Logits]]:
    """Logits under each ablation, many ablations in one run: one after another along the batch axis."""
    end, groups = len(model.blocks), defaultdict(list)
    for index, ablation in enumerate(ablations):
        if ablation.heads:
            groups[ablation.layers[0], ablation.intervention].append(index)
        else:
            last = strings.clean[f"blocks.{end - 1}.hook_resid_post"][:, strings.columns]
            yield [index], model(last, start_at_layer=end)

    for (layer, intervention), members in groups.items():
        heads = sorted({head for i in members for head in ablations[i].heads if head.layer == layer})
        alone = model.entry(layer) == layer == model.entry(layer + 1) - 1
        attends = alone and heads[0].kind == "attention"
        begin = layer + 1 if attends else model.entry(layer)
        at = strings.columns if begin == end else slice(None)
        before = strings.clean[f"blocks.{layer if attends else begin}.hook_resid_pre"][:, at]
        changes = _changes(model, strings, intervention, layer, heads, at) if attends else None
        step = max(1, tokens_at_once // before[..., 0].numel())
        for some in (members[first : first + step] for first in range(0, len(members), step)):
            chosen = [ablations[i] for i in some]
            stream = before.expand(len(some), *before.shape).flatten(0, 1)  # of one ablation nothing is copied
            if changes is not None:
                sums = _sums(chosen, heads, changes)
                block = cast(Block, model.blocks[layer])
                written = strings.clean[f"blocks.{layer}.{block.heads_hook}"][:, at]
                stream = block.add_heads(stream, (written + sums).flatten(0, 1))
            if begin < end:
                start = 0 if isinstance(intervention, EdgeEdit) else strings.start  # an edge edit wants all rows
                hooks = _later_hooks(strings, chosen, range(begin, end))
                run = partial(model.run_with_hooks, fwd_hooks=hooks) if hooks else model  # putting hooks up costs
                stream = run(
                    stream,
                    start_at_layer=begin,
                    stop_at_layer=end,
                    queries_from=start,
                    **segment_of(strings.batch, len(some)),
                )
                columns = strings.columns if isinstance(strings.columns, slice) else strings.columns - start
                stream = stream[:, columns]
            yield some, model(stream, start_at_layer=end)


def _changes(
    model: StackModel,
    strings: BlockContext,
    intervention: Intervention,
    layer: int,
    heads: list[Head],
    at: Int[Tensor, " column"] | slice,
) -> Float[Tensor, "head batch pos d_model"]:
    """What ablating each of some heads of a layer adds to the attention's output, at some positions: (z' - z) W_O."""
    attn, index = f"blocks.{layer}.attn", [head.index for head in heads]
    if isinstance(intervention, EdgeEdit):
        names = [f"{attn}.hook_pattern", f"{attn}.hook_v", *gate_names(model, layer)]
        before = strings.clean[f"blocks.{layer}.hook_resid_pre"]
        _, cache = model.run_with_cache(
            before, names_filter=names, start_at_layer=layer, stop_at_layer=layer + 1, **segment_of(strings.batch)
        )
        pattern, v, *gate = (cache[name] for name in names)
        moved = strings.edits[intervention].edit(pattern, strings.visible[layer]) - pattern
        change = einsum(moved[:, index], v[:, :, index], "b h q k, b k h d -> b q h d")
        change = (change * gate[0][:, :, index].sigmoid() if gate else change)[:, at]
    else:
        new, z = strings.outputs[intervention, layer], strings.clean[f"{attn}.hook_z"]
        change = new[:, at][:, :, index] - z[:, at][:, :, index]
    return einsum(change, cast(Block, model.blocks[layer]).attn.W_O[index], "b p h d, h d m -> h b p m")


def hooks_of(model: Model, strings: BlockContext, ablation: Ablation) -> list[Hook]:
    """Make the hooks that carry one ablation out in a run on the strings."""
    if isinstance(ablation.intervention, EdgeEdit):
        return _later_hooks(strings, [ablation], ablation.layers)
    return [
        Edit(Site.of(head), Donor(strings.outputs[ablation.intervention, head.layer])).hook(model)
        for head in ablation.heads
    ]


def _later_hooks(strings: BlockContext, ablations: Sequence[Ablation], layers: Sequence[int]) -> list[Hook]:
    """Make hooks for heads of some layers, ablation by ablation along the batch axis; all share one intervention."""
    concerned = sorted({layer for a in ablations for layer in a.layers} & set(layers))
    if isinstance(ablations[0].intervention, EdgeEdit):
        return [(f"blocks.{layer}.attn.hook_pattern", _edge_hook(strings, ablations, layer)) for layer in concerned]
    hooks = {head.layer: head.output_hook for a in ablations for head in a.heads}
    return [(hooks[layer], _output_hook(strings, ablations, layer)) for layer in concerned]


def _output_hook(strings: BlockContext, ablations: Sequence[Ablation], layer: int) -> Callable[..., Tensor]:
    new = strings.outputs[ablations[0].intervention, layer]

    def put(output: Float[Tensor, "batch pos *inner"], hook: object) -> Tensor:  # noqa: ARG001
        z = by_head(output)
        mask = _chosen(ablations, layer, z.shape[2], z)[:, None, None, :, None]
        here = new[:, new.shape[1] - z.shape[1] :]  # the last layer may run for the last positions alone
        return torch.where(mask, here, z.unflatten(0, (len(ablations), -1))).reshape(output.shape)

    return put


def _edge_hook(strings: BlockContext, ablations: Sequence[Ablation], layer: int) -> Callable[..., Tensor]:
    times, n = len(ablations), len(strings.batch)
    rows = torch.arange(n, device=strings.batch.tokens.device).repeat(times)
    edit = strings.edits[ablations[0].intervention].rows(rows)
    seen = strings.visible[layer]
    seen = seen if len(seen) == 1 else seen[rows]

    def put(pattern: Pattern, hook: object) -> Pattern:  # noqa: ARG001
        mask = _chosen(ablations, layer, pattern.shape[1], pattern).repeat_interleave(n, dim=0)
        return torch.where(mask[:, :, None, None], edit.edit(pattern, seen), pattern)

    return put


def _sums(
    ablations: Sequence[Ablation], heads: Sequence[Head], changes: Float[Tensor, "head batch pos d_model"]
) -> Float[Tensor, "ablation batch pos d_model"]:
    """What each ablation adds: the sum over its heads."""
    taken = [[i for i, head in enumerate(heads) if head in a.heads] for a in ablations]
    if len(taken) == 1 and len(taken[0]) == 1:  # the most common, and nothing is copied
        return changes[taken[0][0]][None]
    mask = changes.new_tensor([[float(i in of_one) for i in range(len(heads))] for of_one in taken])
    return einsum(mask, changes, "a h, h b p m -> a b p m")


def _chosen(ablations: Sequence[Ablation], layer: int, n: int, like: Tensor) -> Bool[Tensor, "ablation head"]:
    """Which of the `n` heads of a layer each ablation ablates."""
    taken = [{head.index for head in a.heads if head.layer == layer} for a in ablations]
    return torch.tensor([[i in of_layer for i in range(n)] for of_layer in taken], device=like.device)
