"""Mamba-2 with attention and MLPs: Bamba and Nemotron-H.

Nemotron-H has its MLPs and its experts in layers of their own; here each stands behind the layer that it follows, in
one block. What its experts write is multiplied by a number (`routed_scaling_factor`), which their last maps hold.
"""

from typing import Any

import torch
from torch import Tensor

from interp.base.errors import UserError
from interp.models.pretrained.hybrids.kind import Kind, activation, hybrid_config, require, words
from interp.models.pretrained.hybrids.parts import attention, attention_options, mlp
from interp.models.pretrained.hybrids.tensors import Tensors, ends
from interp.models.pretrained.mamba_original import step_limit
from interp.models.recurrent.hybrid import ATTENTION, HybridConfig

KIND = "mamba2"
LAYERS = {"linear_attention": KIND, "full_attention": ATTENTION}


def mamba2_layer(
    t: Tensors,
    there: str,
    here: str,
    options: dict[str, Any],
    d: int,
    channels: int,
    biased: tuple[bool, bool] | None = None,
    times: tuple[float, ...] = (1.0,) * 5,
) -> dict[str, Tensor]:
    """Our weights of a Mamba-2 layer.

    Args:
        t: the checkpoint's.
        there, here: what their names and ours begin with.
        options: ours of the layer.
        d, channels: widths of the stream and of the layer.
        biased: whether the maps into and out of the layer have biases, where one of them has.
        times: what gate, x, B, C and Delta's part of the map into the layer are multiplied by.
    """
    groups, heads = options["n_groups"] * options["d_state"], channels // options["d_head"]
    rows, inner = [channels, channels, groups, groups, heads], channels + 2 * groups
    names = ("gate", "x", "B", "C", "dt")
    maps = t.take(f"{there}.in_proj.weight", sum(rows), d).split(rows)
    made = {f"W_{name}": part.T * time for name, part, time in zip(names, maps, times, strict=True)}
    made["b_dt"] = t.take(f"{there}.dt_bias", heads)
    if options["bias"]:
        of_in, of_out = biased or (True, True)
        parts = t.bias(f"{there}.in_proj.bias", of_in, sum(rows)).split(rows)
        biases = {name: part * time for name, part, time in zip(names, parts, times, strict=True)}
        made["b_dt"] = made["b_dt"] + biases.pop("dt")
        made |= {f"b_{name}": part for name, part in biases.items()}
        made["b_out"] = t.bias(f"{there}.out_proj.bias", of_out, d)
    if options["conv_bias"]:
        made["b_conv"] = t.take(f"{there}.conv1d.bias", inner)
    made |= {name: t.take(f"{there}.{name}", heads) for name in ("A_log", "D")}
    made["W_conv"] = t.take(f"{there}.conv1d.weight", inner, 1, options["d_conv"])[:, 0]
    if options.get("gate_norm", "after") is not None:
        made["norm.w"] = t.take(f"{there}.norm.weight", channels)
    made["W_out"] = t.take(f"{there}.out_proj.weight", d, channels).T
    return {f"{here}.mixer.{name}": value for name, value in made.items()}


# ---------------------------------------------------------------------- Bamba


def _bamba_options(config: Any) -> dict[str, Any]:
    return {
        "d_state": config.mamba_d_state,
        "d_conv": config.mamba_d_conv,
        "expand": config.mamba_expand,
        "d_head": config.mamba_d_head,
        "n_groups": config.mamba_n_groups,
        "conv_bias": config.mamba_conv_bias,
        "bias": config.mamba_proj_bias,
        "dt_limit": step_limit(config.time_step_limit),
    }


def bamba_shape(config: Any) -> HybridConfig:
    """Our config of Bamba's."""
    require(config, "hidden_act", "silu", "swish")
    attends = attention_options(config)
    require(config, "attn_rotary_emb", attends.get("rotary_dim"))
    layers = tuple(LAYERS[each] for each in config.layers_block_type)
    parts = {KIND: _bamba_options(config), ATTENTION: attends}
    mlps = {"d_mlp": config.intermediate_size, "activation": activation(config, "hidden_act"), "gated_mlp": True}
    return hybrid_config(config, layers, parts, config.rms_norm_eps, **mlps)


def bamba_weights(config: Any, t: Tensors) -> dict[str, Tensor]:
    """Our weights of Bamba's."""
    d = config.hidden_size
    final = t.take("final_layernorm.weight", d)
    made = ends(t, config.vocab_size, d, config.tie_word_embeddings, "embed_tokens.weight", final)
    for layer, kind in enumerate(config.layers_block_type):
        here, there = f"blocks.{layer}", f"layers.{layer}"
        before = t.take(f"{there}.input_layernorm.weight", d)
        made[f"{here}.ln2.w"] = t.take(f"{there}.pre_ff_layernorm.weight", d)
        sizes = d, config.intermediate_size
        made |= mlp(t, f"{there}.feed_forward", here, sizes, gated=True, biased=config.mlp_bias)
        if LAYERS[kind] == ATTENTION:
            made |= attention(t, f"{there}.self_attn", here, config) | {f"{here}.ln1.w": before}
        else:
            options = _bamba_options(config)
            made |= mamba2_layer(t, f"{there}.mamba", here, options, d, config.mamba_expand * d)
            made[f"{here}.norm.w"] = before
    return made


# ---------------------------------------------------------------------- Nemotron-H


def _blocks(config: Any) -> list[list[int]]:
    """Their layers that make each of our blocks: one that mixes, and the MLP or the experts behind it, if there are.

    Raises: UserError for an MLP, or experts, that follow no such layer.
    """
    found: list[list[int]] = []
    for layer, kind in enumerate(config.layers_block_type):
        if kind in LAYERS:
            found.append([layer])
        elif not found or len(found[-1]) == 2:
            raise UserError(
                f"layers_block_type must have every {kind} behind a Mamba-2 or attention layer; got layer {layer}, "
                "which follows none"
            )
        else:
            found[-1].append(layer)
    return found


def _nemotron_options(config: Any) -> dict[str, Any]:
    return {
        "d_state": config.ssm_state_size,
        "d_conv": config.conv_kernel,
        "d_inner": config.mamba_num_heads * config.mamba_head_dim,
        "d_head": config.mamba_head_dim,
        "n_groups": config.n_groups,
        "conv_bias": config.use_conv_bias,
        "bias": config.use_bias,
        "dt_limit": step_limit((config.time_step_min, float("inf"))),  # whatever its time_step_limit says
        "dt_min": config.time_step_min,
        "dt_max": max(config.time_step_min, config.time_step_max),
        "dt_floor": config.time_step_floor,
    }


def _behind(config: Any, blocks: list[list[int]]) -> dict[str, Any]:
    """Fields of our config for what stands behind the layers that mix."""
    widths = {"mlp": config.intermediate_size, "moe": config.moe_intermediate_size}
    kinds = [config.layers_block_type[block[1]] if len(block) == 2 else None for block in blocks]
    fields: dict[str, Any] = {"d_mlp": tuple(0 if kind is None else widths[kind] for kind in kinds)}
    if "moe" in kinds:
        require(config, "topk_group", config.n_group)
        fields |= {"n_experts": tuple(config.n_routed_experts if kind == "moe" else 0 for kind in kinds)}
        fields |= {"n_chosen": config.num_experts_per_tok, "renormalized": config.norm_topk_prob}
        fields |= {"d_shared": _shared_width(config), "shared_gate": False, "router": "sigmoid"}
        fields |= {"d_latent": config.moe_latent_size or 0}
    return fields


def _shared_width(config: Any) -> int:
    return config.moe_shared_expert_intermediate_size or config.intermediate_size


def nemotron_shape(config: Any) -> HybridConfig:
    """Our config of Nemotron-H's."""
    require(config, "mamba_hidden_act", "silu", "swish")
    require(config, "attention_head_dim", config.head_dim)
    require(config, "norm_eps", config.layer_norm_epsilon)
    blocks = _blocks(config)
    layers = tuple(LAYERS[config.layers_block_type[block[0]]] for block in blocks)
    parts = {KIND: _nemotron_options(config), ATTENTION: attention_options(config, rotary=False)}
    act = activation(config, "mlp_hidden_act")
    eps = config.layer_norm_epsilon
    return hybrid_config(config, layers, parts, eps, activation=act, **_behind(config, blocks))


def nemotron_weights(config: Any, t: Tensors) -> dict[str, Tensor]:
    """Our weights of Nemotron-H's."""
    d = config.hidden_size
    final = t.take("norm_f.weight", d)
    made = ends(t, config.vocab_size, d, config.tie_word_embeddings, "embeddings.weight", final)
    for layer, block in enumerate(_blocks(config)):
        here, there = f"blocks.{layer}", f"layers.{block[0]}"
        before = t.take(f"{there}.norm.weight", d)
        if LAYERS[config.layers_block_type[block[0]]] == ATTENTION:
            made |= attention(t, f"{there}.mixer", here, config) | {f"{here}.ln1.w": before}
        else:
            options = _nemotron_options(config)
            made |= mamba2_layer(t, f"{there}.mixer", here, options, d, options["d_inner"])
            made[f"{here}.norm.w"] = before
        for behind in block[1:]:
            made[f"{here}.ln2.w"] = t.take(f"layers.{behind}.norm.weight", d)
            sizes, there = (d, config.intermediate_size), f"layers.{behind}.mixer"
            if config.layers_block_type[behind] == "moe":
                made |= _experts(config, t, there, here)
            else:
                made |= mlp(t, there, here, sizes, gated=False, biased=config.mlp_bias)
    return made


def _experts(config: Any, t: Tensors, there: str, here: str) -> dict[str, Tensor]:
    d, n, width = config.hidden_size, config.n_routed_experts, config.moe_intermediate_size
    latent = config.moe_latent_size or 0
    made = {"W_router": t.take(f"{there}.gate.weight", n, d).T}
    made["b_choice"] = t.take(f"{there}.gate.e_score_correction_bias", n)
    for own, name, out, read in (("in", "up", width, latent or d), ("out", "down", latent or d, width)):
        each = [t.take(f"{there}.experts.{expert}.{name}_proj.weight", out, read).T for expert in range(n)]
        made[f"W_each_{own}"] = torch.stack(each)
    made["W_each_out"] = made["W_each_out"] * config.routed_scaling_factor
    if latent:
        for own, name, out, read in (("down", "fc1", latent, d), ("up", "fc2", d, latent)):
            made[f"W_{own}"] = t.take(f"{there}.{name}_latent_proj.weight", out, read).T
            made[f"b_{own}"] = t.bias(f"{there}.{name}_latent_proj.bias", config.mlp_bias, out)
    sizes = d, _shared_width(config)
    common = mlp(t, f"{there}.shared_experts", here, sizes, gated=False, biased=config.mlp_bias)
    made = {f"{here}.mlp.{name}": value for name, value in made.items()}
    return made | {name.replace(".mlp.", ".mlp.shared."): value for name, value in common.items()}


BAMBA = Kind(
    bamba_shape,
    bamba_weights,
    words(
        "attention_bias attn_layer_indices attn_rotary_emb head_dim hidden_act hidden_size "
        "initializer_range intermediate_size mamba_chunk_size mamba_conv_bias mamba_d_conv mamba_d_head "
        "mamba_d_state mamba_expand mamba_n_groups mamba_n_heads mamba_proj_bias mlp_bias "
        "num_attention_heads num_hidden_layers num_key_value_heads rms_norm_eps rope_parameters "
        "tie_word_embeddings time_step_limit use_mamba_kernels vocab_size z_loss_coefficient"
    ),
)
NEMOTRON_H = Kind(
    nemotron_shape,
    nemotron_weights,
    words(
        "attention_head_dim chunk_size conv_kernel expand head_dim hidden_size initializer_range "
        "intermediate_size layer_norm_epsilon layers_block_type mamba_head_dim mamba_hidden_act "
        "mamba_num_heads mamba_ssm_cache_dtype mlp_bias mlp_hidden_act moe_intermediate_size "
        "moe_latent_size moe_shared_expert_intermediate_size moe_shared_expert_overlap "
        "mtp_layers_block_type n_group n_groups n_routed_experts n_shared_experts norm_eps norm_topk_prob "
        "partial_rotary_factor rope_theta "
        "num_attention_heads num_experts_per_tok num_key_value_heads num_nextn_predict_layers rescale_prenorm_residual "
        "residual_in_fp32 rms_norm_eps routed_scaling_factor ssm_state_size time_step_floor time_step_max "
        "time_step_min time_step_rank topk_group use_bias use_conv_bias use_mamba_kernels vocab_size"
    ),
    passed_over=("mtp.",),
)
