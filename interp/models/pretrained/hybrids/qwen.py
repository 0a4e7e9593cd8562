"""Qwen3.5 and Qwen3-Next, with MLPs or with experts. Their norms hold their scale less one."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from interp.models.pretrained.hybrids.delta import LAYERS, READS, delta_layer, delta_shape, sizes
from interp.models.pretrained.hybrids.kind import Kind, require, words
from interp.models.pretrained.hybrids.parts import attention, experts, head_width, mlp
from interp.models.pretrained.hybrids.tensors import Tensors, ends
from interp.models.recurrent.hybrid import ATTENTION, HybridConfig

Delta = Callable[[Any, Tensors, str, str], dict[str, Tensor]]
"""Makes our weights of a gated delta layer; models differ in how they save its maps."""


def _mixture(config: Any) -> list[int]:
    """Experts of each layer; 0 where it has an MLP."""
    if not getattr(config, "num_experts", 0):
        return [0] * config.num_hidden_layers
    plain, each = getattr(config, "mlp_only_layers", ()), getattr(config, "decoder_sparse_step", 1)
    layers = range(config.num_hidden_layers)
    return [config.num_experts if layer not in plain and (layer + 1) % each == 0 else 0 for layer in layers]


def _width(config: Any, n_experts: int) -> int:
    return config.moe_intermediate_size if n_experts else config.intermediate_size


def shape(config: Any) -> HybridConfig:
    """Our config of Qwen's."""
    require(config, "attn_output_gate", True)
    require(config, "use_sliding_window", False)
    mixture = _mixture(config)
    mlps: dict[str, Any] = {"d_mlp": tuple(_width(config, n) for n in mixture)}
    if any(mixture):
        mlps |= {"n_experts": tuple(mixture), "n_chosen": config.num_experts_per_tok}
        mlps |= {"d_shared": config.shared_expert_intermediate_size}
        mlps |= {"renormalized": getattr(config, "norm_topk_prob", True)}
    return delta_shape(config, {}, {"qk_norm": "head", "attention_gate": True}, **mlps)


def _weights(config: Any, t: Tensors, delta: Delta) -> dict[str, Tensor]:
    d = config.hidden_size
    final = 1 + t.take("norm.weight", d)
    made = ends(t, config.vocab_size, d, config.tie_word_embeddings, "embed_tokens.weight", final)
    for layer, (kind, mixture) in enumerate(zip(config.layer_types, _mixture(config), strict=True)):
        here, there = f"blocks.{layer}", f"layers.{layer}"
        made[f"{here}.ln2.w"] = 1 + t.take(f"{there}.post_attention_layernorm.weight", d)
        before = 1 + t.take(f"{there}.input_layernorm.weight", d)
        widths = d, _width(config, mixture)
        if mixture:
            common = config.shared_expert_intermediate_size
            made |= experts(t, f"{there}.mlp", here, widths, mixture, "gate", common)
        else:
            made |= mlp(t, f"{there}.mlp", here, widths, gated=True, biased=False)
        if LAYERS[kind] != ATTENTION:
            made |= delta(config, t, f"{there}.linear_attn", here) | {f"{here}.norm.w": before}
            continue
        made |= attention(t, f"{there}.self_attn", here, config, gated=True) | {f"{here}.ln1.w": before}
        for name in "qk":
            scale = 1 + t.take(f"{there}.self_attn.{name}_norm.weight", head_width(config))
            made[f"{here}.attn.{name}_norm.w"] = scale.repeat(config.num_attention_heads)
    return made


def weights(config: Any, t: Tensors) -> dict[str, Tensor]:
    """Our weights of Qwen3.5's."""
    return _weights(config, t, _apart)


def next_weights(config: Any, t: Tensors) -> dict[str, Tensor]:
    """Our weights of Qwen3-Next's."""
    return _weights(config, t, _by_heads)


def _conv(config: Any, t: Tensors, there: str) -> Tensor:
    keys, values, _ = sizes(config)
    return t.take(f"{there}.conv1d.weight", 2 * keys + values, 1, config.linear_conv_kernel_dim)[:, 0]


def _apart(config: Any, t: Tensors, there: str, here: str) -> dict[str, Tensor]:
    d, (keys, values, heads) = config.hidden_size, sizes(config)
    q, k, v = t.take(f"{there}.in_proj_qkv.weight", 2 * keys + values, d).split([keys, keys, values])
    maps = {"q": q, "k": k, "v": v, "gate": t.take(f"{there}.in_proj_z.weight", values, d)}
    maps |= {own: t.take(f"{there}.in_proj_{name}.weight", heads, d) for name, own in (("b", "beta"), ("a", "alpha"))}
    maps["out"] = t.take(f"{there}.out_proj.weight", d, values)
    return delta_layer(config, t, there, here, maps, _conv(config, t, there), "norm")


def _by_heads(config: Any, t: Tensors, there: str, here: str) -> dict[str, Tensor]:
    """Qwen3-Next has the rows of one head of keys together: its query, its key, and values and gates of its heads."""
    d, (keys, values, heads), of_keys = config.hidden_size, sizes(config), config.linear_num_key_heads
    d_key, each = config.linear_key_head_dim, values // of_keys
    rows = t.take(f"{there}.in_proj_qkvz.weight", 2 * (keys + values), d).unflatten(0, (of_keys, -1))
    maps = dict(zip(("q", "k", "v", "gate"), rows.split([d_key, d_key, each, each], dim=1), strict=True))
    two = t.take(f"{there}.in_proj_ba.weight", 2 * heads, d).unflatten(0, (of_keys, -1))
    maps |= dict(zip(("beta", "alpha"), two.split([heads // of_keys] * 2, dim=1), strict=True))
    maps = {name: part.flatten(0, 1) for name, part in maps.items()}
    maps["out"] = t.take(f"{there}.out_proj.weight", d, values)
    return delta_layer(config, t, there, here, maps, _conv(config, t, there), "norm")


MIXTURE = words("moe_intermediate_size num_experts num_experts_per_tok shared_expert_intermediate_size")
MORE = words(
    "attn_output_gate full_attention_interval mamba_ssm_dtype mtp_num_hidden_layers mtp_use_dedicated_embeddings "
    "use_sliding_window"
)
"""Fields of released checkpoints that transformers does not declare; those of further tokens (mtp) are of no layer."""
OTHERS = ("mtp.", "model.visual.")
QWEN3_5 = Kind(shape, weights, READS | MORE | {"intermediate_size"}, OTHERS)
QWEN3_5_MOE = Kind(shape, weights, READS | MORE | MIXTURE | {"intermediate_size"}, OTHERS)
QWEN3_NEXT = Kind(
    shape,
    next_weights,
    READS | MORE | MIXTURE | words("intermediate_size decoder_sparse_step mlp_only_layers norm_topk_prob"),
    OTHERS,
)
