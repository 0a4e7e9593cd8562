"""Running a model with heads ablated, two ways that give the same.

The slow, obvious one runs the model anew for each ablation, with hooks (`one_by_one`); it is what any model with
TransformerLens's surface gets. On our models `together` runs many at once:

1. what precedes an ablation's first layer is the clean run, the same for all;
2. in that layer attention's output changes by the sum over the ablated heads of (z' - z) W_O: nothing attends again (a
   recurrent layer runs anew, with a hook);
3. the changed streams go through the later layers side by side along the batch axis, with hooks for later heads;
4. the last layer's queries, and the logits, are made from the answer on.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from einops import einsum, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.base.axes import HeadVectors, Logits, Pattern
from interp.measure.ablation.interventions import EdgeEdit, Intervention, Replacement
from interp.models.hooks.model import Hook
from interp.models.stack.block import Block
from interp.models.stack.model import StackModel
from interp.models.stack.positions import attention_bias, segment_bias
from interp.models.surface import Head, Model, by_head, layers_with_heads, output_hook
from interp.tasks.base import Batch

FINISH = ("hook_resid_pre", "hook_attn_out")
"""What a block is finished from, once its attention has been changed."""


@dataclass(frozen=True)
class Ablation:
    """A set of heads, and what they do instead; without heads, the model as it is."""

    heads: tuple[Head, ...]
    intervention: Intervention

    @property
    def layers(self) -> list[int]:
        return sorted({layer for layer, _ in self.heads})


@dataclass(frozen=True)
class Strings:
    """A block of strings, and what ablated heads do on them."""

    batch: Batch
    clean: dict[str, Tensor]
    """Activations of the clean run (`clean_names`)."""
    outputs: dict[tuple[Intervention, int], HeadVectors]
    """(replacement, layer) -> z' of every head."""
    edits: dict[Intervention, EdgeEdit]
    """The edge edits, for these strings."""
    visible: Bool[Tensor, "#batch #head query key"]
    """Where heads may look."""
    columns: Int[Tensor, " column"] | slice
    """Positions at which some string is asked for a letter of the answer."""

    @property
    def start(self) -> int:
        """The first of the columns."""
        return 0 if isinstance(self.columns, slice) else int(self.columns[0])

    def asked(self, times: int) -> Batch:
        """The columns of the strings, all of them so many times."""
        kept = {name: value[:, self.columns] for name, value in vars(self.batch).items() if value is not None}
        return replace(self.batch, **{name: value.repeat(times, 1) for name, value in kept.items()})


def clean_names(model: Model, ablations: Sequence[Ablation], fast: bool) -> list[str]:
    """The activations of the clean run that the ablated runs need."""
    replaced = [a for a in ablations if isinstance(a.intervention, Replacement)]
    names = {output_hook(model, layer) for a in replaced for layer in a.layers}
    if fast:
        for layer in {a.layers[0] for a in ablations if a.heads}:
            names |= {f"blocks.{layer}.{part}" for part in (FINISH if _attends(model, layer) else FINISH[:1])}
        names |= {f"blocks.{model.cfg.n_layers - 1}.hook_resid_post" for a in ablations if not a.heads}
    return sorted(names)


def one_by_one(model: Model, strings: Strings, ablations: Sequence[Ablation]) -> Iterator[tuple[list[int], Logits]]:
    """The reference: the model is run anew for each ablation. Yields which ablations, and logits at the columns."""
    for index, ablation in enumerate(ablations):
        hooks = hooks_of(model, strings, [ablation], ablation.layers)
        logits = model.run_with_hooks(strings.batch.tokens, fwd_hooks=hooks, **segment_of(strings.batch))
        yield [index], logits[:, strings.columns]


def together(
    model: StackModel, strings: Strings, ablations: Sequence[Ablation], tokens_at_once: int
) -> Iterator[tuple[list[int], Logits]]:
    """The same, many ablations at a time: logits ablation by ablation along the batch axis."""
    end, groups = len(model.blocks), defaultdict(list)
    for index, ablation in enumerate(ablations):
        if ablation.heads:
            groups[ablation.layers[0], ablation.intervention].append(index)
        else:
            last = strings.clean[f"blocks.{end - 1}.hook_resid_post"][:, strings.columns]
            yield [index], model(last, start_at_layer=end)

    for (layer, intervention), members in groups.items():
        attends = _attends(model, layer)
        begin = layer + 1 if attends else layer
        at = strings.columns if begin == end else slice(None)
        before = strings.clean[f"blocks.{layer}.hook_resid_pre"][:, at]
        heads = sorted({head for i in members for where, head in ablations[i].heads if where == layer})
        changes = _changes(model, strings, intervention, layer, heads, at) if attends else None
        step = max(1, tokens_at_once // before[..., 0].numel())
        for some in (members[first : first + step] for first in range(0, len(members), step)):
            chosen = [ablations[i] for i in some]
            stream = repeat(before, "b p m -> (a b) p m", a=len(some))
            if changes is not None:
                sums = einsum(_mask(chosen, layer, heads, changes), changes, "a h, h b p m -> a b p m")
                attn_out = strings.clean[f"blocks.{layer}.hook_attn_out"][:, at]
                stream = cast(Block, model.blocks[layer]).add(stream, (attn_out + sums).flatten(0, 1))
            if begin < end:
                start = 0 if isinstance(intervention, EdgeEdit) else strings.start  # an edge edit wants all rows
                stream = model.run_with_hooks(
                    stream,
                    fwd_hooks=hooks_of(model, strings, chosen, range(begin, end)),
                    start_at_layer=begin,
                    stop_at_layer=end,
                    queries_from=start,
                    **segment_of(strings.batch, len(some)),
                )
                columns = strings.columns if isinstance(strings.columns, slice) else strings.columns - start
                stream = stream[:, columns]
            yield some, model(stream, start_at_layer=end)


def visible(model: Model, batch: Batch) -> Bool[Tensor, "#batch #head query key"]:
    """Where each head may look: not ahead, within its window (if the model states one), within its packed string."""
    at = torch.arange(batch.tokens.shape[1], device=batch.tokens.device)
    windows = model.attention.windows if isinstance(model, StackModel) and model.attention else None
    bias = attention_bias(at, at, torch.float32, windows=windows)[None]
    if batch.segment is not None:
        bias = bias + segment_bias(batch.segment, batch.segment, torch.float32)
    return bias == 0


def segment_of(batch: Batch, times: int = 1) -> dict[str, Any]:
    """What the model must be told of packing: nothing, or the strings' segments, so many times."""
    return {} if batch.segment is None else {"segment": batch.segment.repeat(times, 1)}


def _attends(model: Model, layer: int) -> bool:
    return layers_with_heads(model)[layer][0] == "attention"


def _changes(
    model: StackModel,
    strings: Strings,
    intervention: Intervention,
    layer: int,
    heads: list[int],
    at: Int[Tensor, " column"] | slice,
) -> Float[Tensor, "head batch pos d_model"]:
    """What ablating each of some heads of a layer adds to the attention's output, at some positions: (z' - z) W_O."""
    attn = f"blocks.{layer}.attn"
    if isinstance(intervention, EdgeEdit):
        names = [f"{attn}.hook_pattern", f"{attn}.hook_v"]
        before = strings.clean[f"blocks.{layer}.hook_resid_pre"]
        _, cache = model.run_with_cache(
            before, names_filter=names, start_at_layer=layer, stop_at_layer=layer + 1, **segment_of(strings.batch)
        )
        pattern, v = (cache[name] for name in names)
        moved = strings.edits[intervention].edit(pattern, strings.visible) - pattern
        change = einsum(moved[:, heads], v[:, :, heads], "b h q k, b k h d -> b q h d")
    else:
        change = (strings.outputs[intervention, layer] - strings.clean[f"{attn}.hook_z"])[:, :, heads]
    return einsum(change[:, at], cast(Block, model.blocks[layer]).attn.W_O[heads], "b p h d, h d m -> h b p m")


def hooks_of(model: Model, strings: Strings, ablations: Sequence[Ablation], layers: Sequence[int]) -> list[Hook]:
    """Hooks that ablate heads of some layers, ablation by ablation along the batch axis; all share one intervention."""
    concerned = sorted({layer for a in ablations for layer in a.layers} & set(layers))
    if isinstance(ablations[0].intervention, EdgeEdit):
        return [(f"blocks.{layer}.attn.hook_pattern", _edge_hook(strings, ablations, layer)) for layer in concerned]
    return [(output_hook(model, layer), _output_hook(strings, ablations, layer)) for layer in concerned]


def _output_hook(strings: Strings, ablations: Sequence[Ablation], layer: int) -> Callable[..., Tensor]:
    new = strings.outputs[ablations[0].intervention, layer]

    def put(output: Float[Tensor, "batch pos *inner"], hook: object) -> Tensor:  # noqa: ARG001
        z = by_head(output)
        mask = _mask(ablations, layer, range(z.shape[2]), z)[:, None, None, :, None] > 0
        here = new[:, new.shape[1] - z.shape[1] :]  # the last layer may run for the last positions alone
        return torch.where(mask, here, z.unflatten(0, (len(ablations), -1))).reshape(output.shape)

    return put


def _edge_hook(strings: Strings, ablations: Sequence[Ablation], layer: int) -> Callable[..., Tensor]:
    times, n = len(ablations), len(strings.batch)
    rows = torch.arange(n, device=strings.batch.tokens.device).repeat(times)
    edit = strings.edits[ablations[0].intervention].rows(rows)
    seen = strings.visible if len(strings.visible) == 1 else strings.visible[rows]

    def put(pattern: Pattern, hook: object) -> Pattern:  # noqa: ARG001
        mask = _mask(ablations, layer, range(pattern.shape[1]), pattern).repeat_interleave(n, dim=0)
        return torch.where(mask[:, :, None, None] > 0, edit.edit(pattern, seen), pattern)

    return put


def _mask(
    ablations: Sequence[Ablation], layer: int, heads: Sequence[int], like: Tensor
) -> Float[Tensor, "ablation head"]:
    """1 where an ablation takes a head of the layer away."""
    return like.new_tensor([[float((layer, head) in a.heads) for head in heads] for a in ablations])
