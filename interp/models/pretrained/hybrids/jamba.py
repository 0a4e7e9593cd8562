"""Jamba: Mamba with learned norms within, attention without positions, MLPs or experts."""

from typing import Any

from torch import Tensor

from interp.models.pretrained.hybrids.kind import Kind, activation, hybrid_config, require, words
from interp.models.pretrained.hybrids.parts import attention, attention_options, experts, mlp
from interp.models.pretrained.hybrids.tensors import Tensors, ends
from interp.models.recurrent.hybrid import ATTENTION, HybridConfig

KIND = "mamba"
LAYERS = {"mamba": KIND, "attention": ATTENTION}


def _mixture(config: Any) -> tuple[int, ...]:
    """Experts of each layer; 0 where it has an MLP."""
    return tuple(n if n > 1 else 0 for n in config.layers_num_experts)


def shape(config: Any) -> HybridConfig:
    """Our config of Jamba's."""
    require(config, "hidden_act", "silu", "swish")
    require(config, "mamba_inner_layernorms", True)
    layers, mixture = tuple(LAYERS[each] for each in config.layers_block_type), _mixture(config)
    parts = {
        KIND: {
            "d_state": config.mamba_d_state,
            "d_conv": config.mamba_d_conv,
            "expand": config.mamba_expand,
            "dt_rank": config.mamba_dt_rank,
            "conv_bias": config.mamba_conv_bias,
            "bias": config.mamba_proj_bias,
            "inner_eps": config.rms_norm_eps,
            "inner_scale": True,
        },
        ATTENTION: attention_options(config, rotary=False),
    }
    mlps = {"d_mlp": config.intermediate_size, "activation": activation(config, "hidden_act"), "gated_mlp": True}
    if any(mixture):
        mlps |= {"n_experts": mixture, "n_chosen": config.num_experts_per_tok}
    return hybrid_config(config, layers, parts, config.rms_norm_eps, **mlps)


def weights(config: Any, t: Tensors) -> dict[str, Tensor]:
    """Our weights of Jamba's."""
    d, widths = config.hidden_size, (config.hidden_size, config.intermediate_size)
    final = t.take("final_layernorm.weight", d)
    made = ends(t, config.vocab_size, d, config.tie_word_embeddings, "embed_tokens.weight", final)
    for layer, (kind, mixture) in enumerate(zip(config.layers_block_type, _mixture(config), strict=True)):
        here, there = f"blocks.{layer}", f"layers.{layer}"
        before = t.take(f"{there}.input_layernorm.weight", d)
        made[f"{here}.ln2.w"] = t.take(f"{there}.pre_ff_layernorm.weight", d)
        if mixture:
            made |= experts(t, f"{there}.feed_forward", here, widths, mixture, "router", 0)
        else:
            made |= mlp(t, f"{there}.feed_forward", here, widths, gated=True, biased=False)
        if LAYERS[kind] == ATTENTION:
            made |= attention(t, f"{there}.self_attn", here, config) | {f"{here}.ln1.w": before}
        else:
            made |= _mamba(config, t, f"{there}.mamba", here) | {f"{here}.norm.w": before}
    return made


def _mamba(config: Any, t: Tensors, there: str, here: str) -> dict[str, Tensor]:
    d, state, rank = config.hidden_size, config.mamba_d_state, config.mamba_dt_rank
    e = config.mamba_expand * d
    into, gate = t.take(f"{there}.in_proj.weight", 2 * e, d).chunk(2)
    low, B, C = t.take(f"{there}.x_proj.weight", rank + 2 * state, e).split([rank, state, state])
    made = {"W_in": into.T, "W_gate": gate.T, "W_dt_down": low.T, "W_B": B.T, "W_C": C.T}
    made |= {"W_dt": t.take(f"{there}.dt_proj.weight", e, rank).T, "b_dt": t.take(f"{there}.dt_proj.bias", e)}
    made |= {"A_log": t.take(f"{there}.A_log", e, state), "D": t.take(f"{there}.D", e)}
    made["W_conv"] = t.take(f"{there}.conv1d.weight", e, 1, config.mamba_d_conv)[:, 0]
    made["W_out"] = t.take(f"{there}.out_proj.weight", d, e).T
    for name, size in (("dt", rank), ("b", state), ("c", state)):
        own = name if name == "dt" else name.upper()
        made[f"w_{own}"] = t.take(f"{there}.{name}_layernorm.weight", size)
    if config.mamba_conv_bias:
        made["b_conv"] = t.take(f"{there}.conv1d.bias", e)
    if config.mamba_proj_bias:
        made["b_in"], made["b_gate"] = t.take(f"{there}.in_proj.bias", 2 * e).chunk(2)
        made["b_out"] = t.take(f"{there}.out_proj.bias", d)
    return {f"{here}.mixer.{name}": value for name, value in made.items()}


JAMBA = Kind(
    shape,
    weights,
    words(
        "attn_layer_offset attn_layer_period calc_logits_for_entire_prompt expert_layer_offset "
        "expert_layer_period head_dim hidden_act "
        "hidden_size initializer_range intermediate_size mamba_inner_layernorms mamba_conv_bias "
        "mamba_d_conv mamba_d_state mamba_dt_rank mamba_expand mamba_proj_bias n_ctx num_attention_heads "
        "num_experts num_experts_per_tok num_hidden_layers num_key_value_heads rms_norm_eps "
        "tie_word_embeddings use_associative_scan use_mamba_kernels use_mambapy vocab_size"
    ),
)
