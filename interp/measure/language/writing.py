"""Continuing prompts of several lengths at once: padded on the left, token by token, from what the model carries.

A model of transformers under a bridge is told which tokens are padding and where each stands, so that every prompt is
continued as it would be alone. A recurrent model cannot be told: prompts of one length run together, without padding.
"""

from collections import defaultdict
from collections.abc import Sequence
from inspect import signature
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from interp.base.budget import budget
from interp.base.errors import UserError
from interp.measure.language.runs import keeps_logits, logits_from
from interp.models.hooks.model import HookedModel
from interp.models.surface import Model, device, known_tokens, n_ctx, run, vocab_size


@torch.no_grad()
def continued(model: Model, prompts: Sequence[Sequence[int]], most: int) -> list[list[int]]:
    """Continue each prompt by the most likely token, `most` times.

    Args:
        model: any.
        prompts: token ids, the begin token first.
        most: tokens that are written.

    Returns: what was written after each.

    Raises: UserError for a prompt that leaves no room in the model's context, an empty one, or tokens that the model
        does not have.
    """
    context, longest = n_ctx(model), max(map(len, prompts), default=0)
    if min(map(len, prompts), default=1) < 1:
        raise UserError("prompts must have at least one token; got an empty one.")
    if context is not None and longest + most > context:
        raise UserError(
            f"a prompt with its answer must have at most {context} tokens, the context of this model; got "
            f"{longest + most}. Ask for a shorter length."
        )
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    bridge = model if isinstance(model, TransformerBridge) and _told(model) else None
    found: dict[int, list[int]] = {}
    for group in [order] if bridge else _alike(order, prompts):
        for block in _blocks(group, longest + most, model):
            rows = [prompts[i] for i in block]
            written = _padded(bridge, rows, most) if bridge else _together(model, rows, most)
            found |= dict(zip(block, written.tolist(), strict=True))
    return [found[i] for i in range(len(prompts))]


def _told(bridge: TransformerBridge) -> bool:
    """Whether the model can be told where each token stands."""
    return "position_ids" in signature(bridge.original_model.forward).parameters


def _alike(order: Sequence[int], prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    groups: dict[int, list[int]] = defaultdict(list)
    for i in order:
        groups[len(prompts[i])].append(i)
    return list(groups.values())


def _blocks(group: Sequence[int], width: int, model: Model) -> list[Sequence[int]]:
    at_once = budget(device(model))
    step = max(1, min(at_once.tokens // width, at_once.pairs // width**2))
    return [group[first : first + step] for first in range(0, len(group), step)]


def _padded(bridge: TransformerBridge, prompts: Sequence[Sequence[int]], most: int) -> Int[Tensor, "batch new"]:
    model, where = bridge.original_model, device(bridge)
    longest = max(map(len, prompts))
    rows = [[prompt[0]] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
    new = known_tokens(bridge, torch.tensor(rows, device=where))
    missing = torch.tensor([longest - len(prompt) for prompt in prompts], device=where)
    seen = (torch.arange(longest, device=where) >= missing[:, None]).long()
    last = {"logits_to_keep": 1} if keeps_logits(bridge) else {}
    past, written = None, []
    for _ in range(most):
        places = (seen.cumsum(dim=1) - 1).clamp(min=0)[:, -new.shape[1] :]
        options: dict[str, Any] = {"attention_mask": seen, "position_ids": places, "use_cache": True, **last}
        out: Any = model(new, past_key_values=past, **options)
        past, new = out.past_key_values, out.logits[:, -1].argmax(dim=-1, keepdim=True)
        written.append(new)
        seen = torch.cat([seen, torch.ones_like(new)], dim=1)
    return torch.cat(written, dim=1)


def _together(model: Any, prompts: Sequence[Sequence[int]], most: int) -> Int[Tensor, "batch new"]:
    tokens = torch.tensor(prompts, device=device(model))
    size = tokens.shape[1]
    if isinstance(model, HookedModel):
        return model.generate(tokens, most)[:, size:]
    for _ in range(most):
        tokens = torch.cat([tokens, run(model, tokens)[:, -1].argmax(dim=-1, keepdim=True)], dim=1)
    return tokens[:, size:]


@torch.no_grad()
def predicted(model: Model, tokens: Int[Tensor, "batch pos"], first: int) -> Int[Tensor, "batch pos"]:
    """Predict the token after each position from `first` on, in blocks that bound memory; -1 before.

    Args:
        model: any.
        tokens: strings, padded behind, on the model's device.
        first: position from which on predictions are wanted: of others no logits are made, where the model allows it.
    """
    out = torch.full_like(tokens, -1)
    width, wanted = tokens.shape[1], tokens.shape[1] - first
    at_once = budget(tokens.device)
    logits = at_once.logits // ((wanted if keeps_logits(model) else width) * vocab_size(model))
    step = max(1, min(at_once.tokens // width, at_once.pairs // width**2, logits))
    for start in range(0, len(tokens), step):
        rows = tokens[start : start + step]
        found = logits_from(model, rows, first)
        out[start : start + step, first:] = found.argmax(dim=-1)
    return out
