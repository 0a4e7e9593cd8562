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
from interp.measure.ablation.sets import Ablation
from interp.measure.ablation.sweep import hooks_on_first
from interp.measure.values import Zero
from interp.models.heads import Head, Heads, HeadTable
from interp.models.recurrent.model import RecurrentModel
from interp.models.surface import Model, visit_attention
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
            f"a page must hold at most {CELLS:,} attention weights; got {n_heads} heads on {n_pos} tokens, "
            f"{n_variants} times. Use at most {fits} tokens, or fewer heads."
        )


@torch.no_grad()
def view_variants(
    model: Model,
    batch: Batch,
    shown: Heads,
    label: Callable[[Tensor], str],
    ablations: Mapping[str, Ablation] | None = None,
) -> tuple[Variant, ...]:
    """Show the first string of a batch under the model as it is and under each ablation.

    Args:
        model: any that has heads.
        batch: the first string is shown; with it the others make the means, and are the donors, of ablations.
        shown: the heads, by name or as `Head`s, in the order in which the variants have them.
        label: a token id, as a tensor of one, as text.
        ablations: by the name of their variant.

    Returns: the model as it is first; where a head is one of hidden attention, then its shares, and each ablation
    twice likewise.

    Raises: UserError as `hooks_on_first`, and for patterns that would be too large.
    """
    chosen = HeadTable.of(model).parse(shown)
    hidden = any(head.kind == "hidden attention" for head in chosen)
    summaries = (("sum", "signed sums"), ("norm", "shares")) if hidden else (("norm", ""),)
    everything = {"clean": Ablation((), Zero()), **(ablations or {})}
    check_size(len(chosen), batch.tokens.shape[1], len(summaries) * len(everything))
    variants = []
    for name, named in everything.items():
        ablation = named.of(model)
        hooks = hooks_on_first(model, batch, ablation) if ablation.heads else []
        probability, predicted = _answers(model, batch, hooks, label)
        strips = state_strips(model, batch, hooks)
        for index, (summary, called) in enumerate(summaries):
            variants.append(
                Variant(
                    name=f"{name}, {called}" if called else name,
                    of=index,
                    ablated=tuple(head.name for head in ablation.heads),
                    kind=ablation.intervention.kind if ablation.heads else "",
                    signed=summary == "sum",
                    pattern=_patterns(model, batch, chosen, hooks, summary),
                    probability=probability,
                    predicted=predicted,
                    strips=strips,
                )
            )
    return tuple(variants)


def viewed_heads(
    model: Model, shown: Heads, scores: HeadScores | None = None, ablations: Sequence[AblationResult] = ()
) -> tuple[ViewedHead, ...]:
    """Return the heads with what was found about them: their scores, and the cost of those ablated alone.

    Args:
        model: the one that has them.
        shown: the heads, by name or as `Head`s.
        scores: of all its heads.
        ablations: among them those of single heads.
    """
    found = {head.name: head for head in scores.heads} if scores else {}
    costs = {a.heads[0]: _cost(a) for a in ablations if a.group == "single"}
    chosen = HeadTable.of(model).parse(shown)
    return tuple(ViewedHead(head.name, head.kind, found.get(head.name), costs.get(head.name)) for head in chosen)


@torch.no_grad()
def state_strips(model: Model, batch: Batch, hooks: Sequence[Any] = ()) -> tuple[Strip, ...]:
    """Measure the Euclidean norm of each recurrent layer's state after each position of the first string.

    Args:
        model: any.
        batch: its first string is read.
        hooks: edits that are in force meanwhile.

    Returns: a strip for each recurrent layer; () for a model without any.
    """
    if not isinstance(model, RecurrentModel):
        return ()
    names = {layer: f"blocks.{layer}.mixer.{mixer.state_hook}" for layer, mixer in model.mixers.items()}
    norms: dict[str, Tensor] = {}

    def keep(state: Tensor, hook: HookPoint) -> None:
        norms[hook.name or ""] = state[0].float().flatten(1).norm(dim=1)

    reading = [(name, keep) for name in names.values()]
    model.run_with_hooks(batch.tokens[:1], return_type=None, fwd_hooks=[*hooks, *reading])
    return tuple(Strip(f"layer {layer}: norm of the state", norms[name].cpu().numpy()) for layer, name in names.items())


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
        for place, head in enumerate(shown):
            if head.layer == layer:
                whole[place] = pattern[0, head.index].float().cpu().numpy()

    wanted = {head.layer for head in shown}
    visit_attention(model, batch.tokens[:1], keep, hooks, wanted, summary)
    return whole


def _cost(ablation: AblationResult) -> HeadCost:
    before, after = ablation.string_accuracy_before, ablation.string_accuracy_after
    return HeadCost(ablation.kind, before, after, ablation.interval, ablation.control_mean)
