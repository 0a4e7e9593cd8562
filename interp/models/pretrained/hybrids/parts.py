"""Attention and MLPs as nearly all kinds have them: their options, and their weights by Llama's names."""

from typing import Any

import torch
from torch import Tensor

from interp.base.errors import UserError, shown
from interp.models.pretrained.hybrids.tensors import Tensors, of_heads

ROPE_FIELDS = ("rope_theta", "rope_type", "partial_rotary_factor", "mrope_section", "mrope_interleaved")
"""Fields of a rotation that are known; sections tell pictures' places apart, and in text all are one."""


def head_width(config: Any) -> int:
    """Width of an attention head."""
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def attention_options(config: Any, rotary: bool = True) -> dict[str, Any]:
    """Options of the attention layers of a `HybridConfig`: grouped queries, and the rotation if there is one.

    Raises: UserError for a rotation of another kind.
    """
    return {
        "n_heads": config.num_attention_heads,
        "d_head": head_width(config),
        "n_key_value_heads": config.num_key_value_heads,
        "n_ctx": config.max_position_embeddings,
        **(_rotation(config) if rotary else {"position": "nope"}),
    }


def _rotation(config: Any) -> dict[str, Any]:
    rope = config.rope_parameters or {}
    if rope.get("rope_theta") is None:
        return {"position": "nope"}
    strange = sorted(name for name in rope if name not in ROPE_FIELDS)
    if rope.get("rope_type", "default") != "default" or strange:
        found = strange[0] if strange else f"rope_type {shown(rope['rope_type'])}"
        raise UserError(f"rope_parameters must be those of a plain rotation, as ours is; got {found}")
    turned, base = int(head_width(config) * rope.get("partial_rotary_factor", 1.0)), float(rope["rope_theta"])
    if turned == 0:
        return {"position": "nope"}
    even = turned + turned % 2  # an odd number is rounded up, its angles are not: those of another base
    return {"position": "rope", "rotary_base": base ** (even / turned), "rotary_dim": even}


def attention(t: Tensors, there: str, here: str, config: Any, gated: bool = False) -> dict[str, Tensor]:
    """Our weights of an attention layer.

    Args:
        t: the checkpoint's.
        there, here: what their names and ours begin with.
        config: theirs.
        gated: whether each head's rows of the map to queries are followed by as many of its gate.
    """
    n, shared, width, d = config.num_attention_heads, config.num_key_value_heads, head_width(config), config.hidden_size
    biased = bool(getattr(config, "attention_bias", False))
    rows = n * width * (2 if gated else 1)
    q = t.take(f"{there}.q_proj.weight", rows, d).unflatten(0, (n, -1, width))
    b_q = t.bias(f"{there}.q_proj.bias", biased, rows).unflatten(0, (n, -1, width))
    k, v = (t.take(f"{there}.{name}_proj.weight", shared * width, d) for name in "kv")
    b_KV = [t.bias(f"{there}.{name}_proj.bias", biased, shared * width).view(shared, width) for name in "kv"]
    made = {
        "W_queries": q[:, 0].permute(2, 0, 1),
        "b_queries": b_q[:, 0],
        "W_KV": torch.stack([of_heads(k, shared), of_heads(v, shared)], dim=1),
        "b_KV": torch.stack(b_KV),
        "W_O": t.take(f"{there}.o_proj.weight", d, n * width).T.unflatten(0, (n, width)),
        "b_O": t.bias(f"{there}.o_proj.bias", biased, d),
    }
    if gated:
        made |= {"W_gate": q[:, 1].permute(2, 0, 1), "b_gate": b_q[:, 1]}
    return {f"{here}.attn.{name}": value for name, value in made.items()}


def mlp(t: Tensors, there: str, here: str, sizes: tuple[int, int], gated: bool, biased: bool) -> dict[str, Tensor]:
    """Our weights of an MLP.

    Args:
        t: the checkpoint's.
        there, here: what their names and ours begin with.
        sizes: d_model and d_mlp.
        gated: whether it has a second map of its input.
        biased: whether its maps have biases.
    """
    d, width = sizes
    made = {}
    for name, own, out, read in [
        *[("gate_proj", "gate", width, d)] * gated,
        ("up_proj", "in", width, d),
        ("down_proj", "out", d, width),
    ]:
        made[f"{here}.mlp.W_{own}"] = t.take(f"{there}.{name}.weight", out, read).T
        made[f"{here}.mlp.b_{own}"] = t.bias(f"{there}.{name}.bias", biased, out)
    return made


def experts(
    t: Tensors, there: str, here: str, sizes: tuple[int, int], n: int, router: str, shared: int
) -> dict[str, Tensor]:
    """Our weights of a mixture of experts.

    Args:
        t: the checkpoint's.
        there, here: what their names and ours begin with.
        sizes: d_model and the width of an expert.
        n: how many there are.
        router: their name of the map that chooses.
        shared: width of the shared expert; 0: none.
    """
    d, width = sizes
    rows = {"gate": ("gate_proj", width, d), "in": ("up_proj", width, d), "out": ("down_proj", d, width)}
    made = {"W_router": t.take(f"{there}.{router}.weight", n, d).T}
    for own, (name, out, read) in rows.items():
        each = [t.take(f"{there}.experts.{expert}.{name}.weight", out, read).T for expert in range(n)]
        made[f"W_each_{own}"] = torch.stack(each)
    made = {f"{here}.mlp.{name}": value for name, value in made.items()}
    if not shared:
        return made
    common = mlp(t, f"{there}.shared_expert", here, (d, shared), gated=True, biased=False)
    made |= {name.replace(".mlp.", ".mlp.shared."): value for name, value in common.items()}
    return made | {f"{here}.mlp.W_shared": t.take(f"{there}.shared_expert_gate.weight", 1, d).T}
