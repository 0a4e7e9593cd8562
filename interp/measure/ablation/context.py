"""A block of strings, and all that its ablated runs share."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from interp.base.axes import HeadVectors
from interp.measure.ablation.interventions import EdgeEdit, Intervention
from interp.models.heads import HeadTable
from interp.models.stack.layer_heads import Window
from interp.models.stack.masks import numbered_strings
from interp.models.stack.model import StackModel
from interp.models.stack.positions import attention_bias, segment_bias
from interp.models.surface import Model
from interp.tasks.base import Batch


@dataclass(frozen=True)
class BlockContext:
    """A block of strings, and what ablated heads do on them."""

    batch: Batch
    clean: dict[str, Tensor]
    """Activations of the clean run."""
    outputs: dict[tuple[Intervention, int], HeadVectors]
    """(value, layer) -> z', the output of every head instead."""
    edits: dict[Intervention, EdgeEdit]
    """Edge edits, for these strings."""
    visible: dict[int, Bool[Tensor, "#batch #head query key"]]
    """Layer -> where its heads may look."""
    columns: Int[Tensor, " column"] | slice
    """Positions at which some string is asked for a letter of the answer."""

    @property
    def start(self) -> int:
        """The first of the columns."""
        return 0 if isinstance(self.columns, slice) else int(self.columns[0])

    def asked(self, times: int) -> Batch:
        """Return the columns of the strings, all of them this many times."""
        kept = {name: value[:, self.columns] for name, value in vars(self.batch).items() if value is not None}
        return replace(self.batch, **{name: value.repeat(times, 1) for name, value in kept.items()})


def visible(model: Model, batch: Batch) -> dict[int, Bool[Tensor, "#batch #head query key"]]:
    """Return, of each layer with heads, where they may look: not ahead, within their windows (if the model states any)
    and in the packed string. Layers that are alike share one tensor."""
    made: dict[Any, Tensor] = {}
    layers = HeadTable.of(model).by_layer
    config = model.attention if isinstance(model, StackModel) else None
    windows = {layer: None if config is None else config.heads_in(layer).windows for layer in layers}
    for which in windows.values():
        if which not in made:
            made[which] = _visible(batch, which)
    return {layer: made[which] for layer, which in windows.items()}


def _visible(batch: Batch, windows: tuple[Window, ...] | None) -> Bool[Tensor, "#batch #head query key"]:
    at = torch.arange(batch.tokens.shape[1], device=batch.tokens.device)
    bias = attention_bias(at, at, torch.float32, windows=windows)[None]
    if batch.segment is not None:
        strings = numbered_strings(batch.segment)
        bias = bias + segment_bias(strings, strings, torch.float32)
    return bias == 0


def segment_of(batch: Batch, times: int = 1) -> dict[str, Any]:
    """Return what the model must be told about packing: nothing, or the strings' segments, this many times."""
    return {} if batch.segment is None else {"segment": batch.segment.repeat(times, 1)}
