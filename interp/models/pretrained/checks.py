"""What measurements rely on, tried on a bridge when it is opened: rows that sum to one, and edits that act."""

from typing import Any

import torch
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from interp.base.axes import Pattern, Tokens
from interp.models.heads import HeadTable

POSITIONS = 8
TOLERANCE = 1e-4
"""How far the sum of a row may lie from 1 in single precision; in half precision, as far as its rounding."""


@torch.no_grad()
def what_holds(bridge: TransformerBridge) -> dict[str, Any]:
    """Try on eight tokens what measurements rely on, and say what cannot be measured where it fails.

    Returns: `rows_sum_to_one` (the attention of every head from every position), `edits_act` (another pattern in the
        first, the middle and the last layer changes the logits), `heads_per_layer`, and `not_measured`: a clause for
        each thing that cannot be. Heads of grouped queries each have a pattern of their own.
    """
    tokens = torch.arange(1, POSITIONS + 1, device=torch.device(bridge.cfg.device or "cpu"))[None] % bridge.cfg.d_vocab
    sums, editable = _sum_to_one(bridge, tokens), bool(HeadTable.of(bridge).editable)
    acts = editable and all(_acts(bridge, tokens, layer) for layer in _tried(bridge.cfg.n_layers))
    cannot = () if sums else ("attention as shares: the rows of its patterns do not sum to 1",)
    if not acts:
        cannot += ("cutting edges, and path patching by scores: edits of its patterns do not reach the logits",)
    if (dtype := next(bridge.parameters()).dtype) not in (torch.float32, torch.float64):
        step = torch.finfo(dtype).eps
        cannot += (f"differences below the rounding of {str(dtype).removeprefix('torch.')}, a share of {step:.1g}",)
    return {
        "rows_sum_to_one": sums,
        "edits_act": acts,
        "heads_per_layer": bridge.cfg.n_heads,
        "key_value_heads": getattr(bridge.cfg, "n_key_value_heads", None) or bridge.cfg.n_heads,
        "not_measured": list(cannot),
    }


def _tried(layers: int) -> list[int]:
    return sorted({0, layers // 2, layers - 1})


def _sum_to_one(bridge: TransformerBridge, tokens: Tokens) -> bool:
    seen: list[bool] = []

    def add(pattern: Pattern, hook: object) -> None:  # noqa: ARG001
        wide, tolerance = pattern.float(), max(TOLERANCE, torch.finfo(pattern.dtype).eps)
        seen.append(bool(((wide.sum(dim=-1) - 1).abs() < tolerance).all()))

    hooks: Any = [(f"blocks.{layer}.attn.hook_pattern", add) for layer in range(bridge.cfg.n_layers)]
    bridge.run_with_hooks(tokens, return_type=None, fwd_hooks=hooks)
    return len(seen) == bridge.cfg.n_layers and all(seen)


def _acts(bridge: TransformerBridge, tokens: Tokens, layer: int) -> bool:
    """Whether the last position answers otherwise where every head of a layer looks at the first token alone."""

    def first_alone(pattern: Pattern, hook: object) -> Tensor:  # noqa: ARG001
        only = torch.zeros_like(pattern)
        only[..., 0] = 1
        return only

    hooks: Any = [(f"blocks.{layer}.attn.hook_pattern", first_alone)]
    plain: Any = bridge.run_with_hooks(tokens, return_type="logits")
    edited: Any = bridge.run_with_hooks(tokens, return_type="logits", fwd_hooks=hooks)
    return bool((plain[:, -1] != edited[:, -1]).any())
