"""One forward and one backward pass: what every reader's input, and every pattern, does to a measure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from interp.base.axes import Residual
from interp.base.errors import UserError
from interp.measure.circuits.nodes import Graph
from interp.models.hooks.model import Hook
from interp.models.stack.model import StackModel
from interp.results.attribution import Target
from interp.tasks.base import Batch
from interp.tasks.score import answer_loss, logit_difference, per_string
from interp.tasks.vocabulary import Vocabulary


@dataclass(frozen=True)
class Gradients:
    """Values and derivatives of the measure at the hook points that were asked for, string by string."""

    value: dict[str, Tensor]
    slope: dict[str, Tensor]


def gradients(
    model: StackModel,
    graph: Graph,
    stream: Residual,
    batch: Batch,
    vocabulary: Vocabulary,
    measure: Target,
    patterns: Sequence[int] = (),
    dropped: int | None = None,
) -> Gradients:
    """Run forward and backward once.

    Args:
        model: the model.
        graph: its graph.
        stream: what enters the first layer.
        batch: what is asked.
        vocabulary: which tokens are letters.
        measure: what is derived.
        patterns: attention layers whose patterns are wanted, too.
        dropped: a layer through whose writes no gradient is to go.

    Raises: UserError within `torch.inference_mode`, which `torch.enable_grad` does not lift.
    """
    if torch.is_inference_mode_enabled():
        raise UserError(
            "gradients must be taken outside torch.inference_mode; got a call within it. Leave it out, or use "
            "torch.no_grad."
        )
    reads = [edge.reader.reads_at(edge.into) for edge in graph.edges]
    names = [*dict.fromkeys([*reads, *(f"blocks.{layer}.attn.hook_pattern" for layer in patterns)])]
    value: dict[str, Tensor] = {}

    def keep(activation: Tensor, hook: Any) -> Tensor:
        value[hook.name] = activation if activation.requires_grad else activation.requires_grad_()
        return value[hook.name]

    def stop(activation: Tensor, hook: Any) -> Tensor:  # noqa: ARG001
        return activation.detach()

    hooks: list[Hook] = [(name, keep) for name in names]
    if dropped is not None:
        outputs = [f"blocks.{dropped}.hook_{part}_out" for part in ("attn", "mlp", "mixer")]
        hooks += [(name, stop) for name in outputs if name in model.hook_dict]
    with torch.enable_grad():
        leaf = stream.detach().clone().requires_grad_()
        logits = model.run_with_hooks(leaf, fwd_hooks=hooks, start_at_layer=0)
        per_letter = answer_loss(logits, batch) if measure == "loss" else logit_difference(logits, batch, vocabulary)
        total = per_string(per_letter, batch).sum()
        slopes = torch.autograd.grad(total, [value[name] for name in names], allow_unused=True, materialize_grads=True)
    return Gradients({name: value[name].detach() for name in names}, dict(zip(names, slopes, strict=True)))
