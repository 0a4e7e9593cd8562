"""Patterns of heads on one string, as the model is and with some of its heads ablated: what a view of attention shows.

Whole patterns are made one layer at a time and moved to the host; a model's recurrent layers show their hidden
attention in two ways, signed sums and shares of length (`models.hidden_attention.hidden_pattern`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformer_lens.hook_points import HookPoint

from interp.base.axes import Pattern
from interp.base.errors import UserError
from interp.measure.ablation.interventions import Zero
from interp.measure.ablation.runs import Ablation
from interp.measure.ablation.sweep import hooks_on_first
from interp.models.heads import head_name
from interp.models.recurrent.model import RecurrentModel
from interp.models.recurrent.state_space import StateSpaceMixer
from interp.models.surface import Head, Model, head_kinds, heads, layers_with_heads, visit_attention
from interp.results.ablation import AblationResult
from interp.results.attention import HeadCost, Strip, Variant, ViewedHead
from interp.results.heads import HeadScores
from interp.tasks.base import Batch

CELLS = 2**27
"""Numbers in the patterns of a view: 512 MiB in single precision."""


def check_size(n_heads: int, n_pos: int, n_variants: int) -> None:
    """Raises: UserError if the patterns of a view would not fit in memory, or on a page."""
    if n_heads * n_variants * n_pos**2 > CELLS:
        fits = int((CELLS / (n_heads * n_variants)) ** 0.5)
        raise UserError(
            f"{n_heads} heads on {n_pos} tokens, {n_variants} times, are too many numbers for a page; take up to "
            f"{fits} tokens, or fewer heads."
        )


@torch.no_grad()
def view_variants(
    model: Model,
    batch: Batch,
    shown: Sequence[Head],
    label: Callable[[Tensor], str],
    ablations: Mapping[str, Ablation] | None = None,
) -> tuple[Variant, ...]:
    """The first string of a batch under the model as it is and under each ablation.

    Args:
        model: any that has heads.
        batch: the first string is shown; with it the others make the means, and are the donors, of ablations.
        shown: the heads, in the order in which the variants have them.
        label: a token id, as a tensor of one, as text.
        ablations: by the name of their variant.

    Returns: the model as it is first; where a head is one of hidden attention, then its shares, and each ablation
    twice likewise.

    Raises: UserError as `hooks_on_first`, and for patterns that would be too large.
    """
    hidden = any(layers_with_heads(model)[layer][0] == "hidden attention" for layer, _ in shown)
    ways = (("sum", "signed sums"), ("norm", "shares")) if hidden else (("norm", ""),)
    everything = {"clean": Ablation((), Zero()), **(ablations or {})}
    check_size(len(shown), batch.tokens.shape[1], len(ways) * len(everything))
    variants = []
    for name, ablation in everything.items():
        hooks = hooks_on_first(model, batch, ablation) if ablation.heads else []
        probability, predicted = _answers(model, batch, hooks, label)
        strips = state_strips(model, batch, hooks)
        for index, (summary, way) in enumerate(ways):
            variants.append(
                Variant(
                    name=f"{name}, {way}" if way else name,
                    of=index,
                    ablated=tuple(map(head_name, ablation.heads)),
                    kind=ablation.intervention.kind if ablation.heads else "",
                    signed=summary == "sum",
                    pattern=_patterns(model, batch, shown, hooks, summary),
                    probability=probability,
                    predicted=predicted,
                    strips=strips,
                )
            )
    return tuple(variants)


def viewed_heads(
    model: Model, shown: Sequence[Head], scores: HeadScores | None = None, ablations: Sequence[AblationResult] = ()
) -> tuple[ViewedHead, ...]:
    """The heads with what was found about them: their scores, and the cost of those that were taken away alone."""
    found = {head.name: head for head in scores.heads} if scores else {}
    costs = {a.heads[0]: _cost(a) for a in ablations if a.group == "single"}
    kinds = dict(zip(heads(model), head_kinds(model), strict=True))
    names = {head: head_name(head) for head in shown}
    return tuple(ViewedHead(names[h], kinds[h], found.get(names[h]), costs.get(names[h])) for h in shown)


@torch.no_grad()
def state_strips(model: Model, batch: Batch, hooks: Sequence[Any] = ()) -> tuple[Strip, ...]:
    """The Euclidean norm of each recurrent layer's state behind each position of the first string, with `hooks` in
    force; () for a model without any."""
    if not isinstance(model, RecurrentModel):
        return ()
    of = {layer: "state" if isinstance(mixer, StateSpaceMixer) else "c" for layer, mixer in model.mixers.items()}
    names = {layer: f"blocks.{layer}.mixer.hook_{quantity}" for layer, quantity in of.items()}
    norms: dict[str, Tensor] = {}

    def keep(state: Tensor, hook: HookPoint) -> None:
        norms[hook.name or ""] = state.flatten(2).norm(dim=2)[0]

    reading = [(name, keep) for name in names.values()]
    model.run_with_hooks(batch.tokens[:1], return_type=None, fwd_hooks=[*hooks, *reading])
    return tuple(
        Strip(f"layer {layer}: norm of the state", norms[name].float().cpu().numpy()) for layer, name in names.items()
    )


def _answers(
    model: Model, batch: Batch, hooks: Sequence[Any], label: Callable[[Tensor], str]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The probability of each following token, and the likeliest one."""
    logits = model.run_with_hooks(batch.tokens[:1], return_type="logits", fwd_hooks=hooks)[0]
    following = batch.targets[0]
    right = logits.float().softmax(dim=-1).gather(1, following.clamp(min=0)[:, None])[:, 0]
    right = right.masked_fill(following < 0, torch.nan)
    return right.cpu().numpy(), tuple(label(token[None]) for token in logits.argmax(dim=-1))


def _patterns(model: Model, batch: Batch, shown: Sequence[Head], hooks: Sequence[Any], summary: str) -> np.ndarray:
    n_pos = batch.tokens.shape[1]
    whole = np.zeros((len(shown), n_pos, n_pos), dtype=np.float32)

    def keep(layer: int, pattern: Pattern, scores: Pattern | None) -> None:  # noqa: ARG001
        for index, (where, head) in enumerate(shown):
            if where == layer:
                whole[index] = pattern[0, head].float().cpu().numpy()

    wanted = {layer for layer, _ in shown} & set(layers_with_heads(model))
    visit_attention(model, batch.tokens[:1], keep, hooks, wanted, summary)
    return whole


def _cost(ablation: AblationResult) -> HeadCost:
    before, after = ablation.string_accuracy_before, ablation.string_accuracy_after
    return HeadCost(ablation.kind, before, after, ablation.interval, ablation.control_mean)
