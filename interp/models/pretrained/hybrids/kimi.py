"""Kimi Linear: delta layers with a decay for each row of the state, latent attention without positions, experts.

Maps of low rank that nothing stands between (of decays and of output gates) are one map here.
"""

from typing import Any

import torch
from torch import Tensor

from interp.base.errors import UserError
from interp.models.pretrained.hybrids.kind import Kind, activation, hybrid_config, require, words
from interp.models.pretrained.hybrids.parts import mlp
from interp.models.pretrained.hybrids.tensors import Tensors, ends, of_heads
from interp.models.recurrent.hybrid import ATTENTION, HybridConfig

KIND = "gated_deltanet"
LAYERS = {"linear_attention": KIND, "full_attention": ATTENTION}


def _sparse(config: Any) -> list[bool]:
    """Whether each layer has experts."""
    return [kind == "sparse" for kind in config.mlp_layer_types]


def shape(config: Any) -> HybridConfig:
    """Our config of Kimi Linear's."""
    require(config, "hidden_act", "silu", "swish")
    for name, want in {
        "q_lora_rank": None,
        "num_key_value_heads": config.num_attention_heads,
        "topk_group": config.n_group,
        "mla_use_nope": True,
        "moe_router_activation_func": "sigmoid",
        "moe_layer_freq": 1,
    }.items():
        require(config, name, want)
    if config.linear_conv_kernel_dim < 2:
        raise UserError(f"linear_conv_kernel_dim must be at least 2; got {config.linear_conv_kernel_dim}")
    delta = {
        "n_heads": config.linear_num_heads,
        "d_key": config.linear_head_dim,
        "d_value": config.linear_head_dim,
        "d_conv": config.linear_conv_kernel_dim,
        "decay_per_row": True,
        "gate_activation": "sigmoid",
    }
    attends = {
        "n_heads": config.num_attention_heads,
        "d_head": config.qk_nope_head_dim + config.qk_rope_head_dim,
        "d_latent": config.kv_lora_rank,
        "d_shared_key": config.qk_rope_head_dim,
        "d_value": config.v_head_dim,
        "n_ctx": config.max_position_embeddings,
    }
    sparse = _sparse(config)
    mlps: dict[str, Any] = {"gated_mlp": True, "activation": activation(config, "hidden_act")}
    mlps["d_mlp"] = tuple(config.moe_intermediate_size if each else config.intermediate_size for each in sparse)
    if any(sparse):
        mlps |= {"n_experts": tuple(config.num_local_experts if each else 0 for each in sparse)}
        mlps |= {"n_chosen": config.num_experts_per_tok, "renormalized": config.norm_topk_prob, "router": "sigmoid"}
        mlps |= {"d_shared": config.moe_intermediate_size * config.n_shared_experts, "shared_gate": False}
    layers = tuple(LAYERS[each] for each in config.layer_types)
    return hybrid_config(config, layers, {KIND: delta, ATTENTION: attends}, config.rms_norm_eps, **mlps)


def weights(config: Any, t: Tensors) -> dict[str, Tensor]:
    """Our weights of Kimi Linear's."""
    d = config.hidden_size
    final = t.take("norm.weight", d)
    made = ends(t, config.vocab_size, d, config.tie_word_embeddings, "embed_tokens.weight", final)
    for layer, (kind, sparse) in enumerate(zip(config.layer_types, _sparse(config), strict=True)):
        here, there = f"blocks.{layer}", f"layers.{layer}"
        before = t.take(f"{there}.input_layernorm.weight", d)
        made[f"{here}.ln2.w"] = t.take(f"{there}.post_attention_layernorm.weight", d)
        behind = "block_sparse_moe" if t.has_any(f"{there}.block_sparse_moe.") else "mlp"  # as it was saved
        if sparse:
            made |= _experts(config, t, f"{there}.{behind}", here)
        else:
            sizes = d, config.intermediate_size
            made |= mlp(t, f"{there}.{behind}", here, sizes, gated=True, biased=False)
        if LAYERS[kind] == ATTENTION:
            made |= _latent(config, t, f"{there}.self_attn", here) | {f"{here}.ln1.w": before}
        else:
            made |= _delta(config, t, f"{there}.self_attn", here) | {f"{here}.norm.w": before}
    return made


def _delta(config: Any, t: Tensors, there: str, here: str) -> dict[str, Tensor]:
    d, heads, width = config.hidden_size, config.linear_num_heads, config.linear_head_dim
    rows = heads * width
    made = {f"W_{name}": t.take(f"{there}.{name}_proj.weight", rows, d).T for name in "qkv"}
    conv = [t.take(f"{there}.{name}_conv1d.weight", rows, 1, config.linear_conv_kernel_dim)[:, 0] for name in "qkv"]
    made |= {"W_conv": torch.cat(conv), "W_beta": t.take(f"{there}.b_proj.weight", heads, d).T}
    for own, name in (("alpha", "f"), ("gate", "g")):
        low, high = (
            t.take(f"{there}.{name}_a_proj.weight", width, d),
            t.take(f"{there}.{name}_b_proj.weight", rows, width),
        )
        made[f"W_{own}"] = (high.double() @ low.double()).float().T
    made |= {"b_alpha": t.take(f"{there}.dt_bias", rows), "A_log": t.take(f"{there}.A_log", 1, 1, heads, 1).flatten()}
    made |= {"norm.w": t.take(f"{there}.o_norm.weight", width).repeat(heads)}
    made |= {"W_out": t.take(f"{there}.o_proj.weight", d, rows).T}
    return {f"{here}.mixer.{name}": value for name, value in made.items()}


def _latent(config: Any, t: Tensors, there: str, here: str) -> dict[str, Tensor]:
    d, n, latent, shared = config.hidden_size, config.num_attention_heads, config.kv_lora_rank, config.qk_rope_head_dim
    own, value, biased = config.qk_nope_head_dim, config.v_head_dim, config.attention_bias
    both = t.take(f"{there}.kv_a_proj_with_mqa.weight", latent + shared, d).split([latent, shared])
    biases = t.bias(f"{there}.kv_a_proj_with_mqa.bias", biased, latent + shared).split([latent, shared])
    up = of_heads(t.take(f"{there}.kv_b_proj.weight", n * (own + value), latent), n).split([own, value], dim=2)
    made = {
        "W_queries": of_heads(t.take(f"{there}.q_proj.weight", n * (own + shared), d), n),
        "b_queries": torch.zeros(n, own + shared, dtype=torch.float32),
        "W_latent": both[0].T,
        "b_latent": biases[0],
        "latent_norm.w": t.take(f"{there}.kv_a_layernorm.weight", latent),
        "W_keys": up[0],
        "W_values": up[1],
        "W_O": t.take(f"{there}.o_proj.weight", d, n * value).T.unflatten(0, (n, value)),
        "b_O": t.bias(f"{there}.o_proj.bias", biased, d),
    }
    if shared:
        made |= {"W_shared_key": both[1].T, "b_shared_key": biases[1]}
    return {f"{here}.attn.{name}": part for name, part in made.items()}


def _experts(config: Any, t: Tensors, there: str, here: str) -> dict[str, Tensor]:
    d, n, width = config.hidden_size, config.num_local_experts, config.moe_intermediate_size
    made = {"W_router": t.take(f"{there}.gate.weight", n, d).T}
    made["b_choice"] = t.take(f"{there}.gate.e_score_correction_bias", n)
    for own, name, out, read in (("gate", "w1", width, d), ("in", "w3", width, d), ("out", "w2", d, width)):
        each = [t.take(f"{there}.experts.{expert}.{name}.weight", out, read).T for expert in range(n)]
        made[f"W_each_{own}"] = torch.stack(each)
    made["W_each_out"] = made["W_each_out"] * config.routed_scaling_factor
    made = {f"{here}.mlp.{name}": value for name, value in made.items()}
    sizes = d, width * config.n_shared_experts
    common = mlp(t, f"{there}.shared_experts", here, sizes, gated=True, biased=False)
    return made | {name.replace(".mlp.", ".mlp.shared."): value for name, value in common.items()}


KIMI_LINEAR = Kind(
    shape,
    weights,
    words(
        "attention_bias first_k_dense_replace head_dim hidden_act hidden_size initializer_range intermediate_size "
        "kv_lora_rank layer_types linear_attn_config linear_conv_kernel_dim linear_head_dim linear_num_heads "
        "mla_use_nope mlp_layer_types model_max_length moe_intermediate_size moe_layer_freq moe_renormalize "
        "moe_router_activation_func num_attention_heads num_expert_group num_experts num_experts_per_token "
        "num_hidden_layers num_key_value_heads num_nextn_predict_layers num_shared_experts pretraining_tp q_lora_rank "
        "qk_head_dim qk_nope_head_dim qk_rope_head_dim rms_norm_eps rope_parameters rope_theta routed_scaling_factor "
        "tie_word_embeddings topk_group use_grouped_topk v_head_dim vocab_size"
    ),
    unread=words("rope_scaling rope_theta"),  # nothing is rotated, and transformers warns of them
)
