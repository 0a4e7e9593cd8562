"""Falcon-H1: attention and Mamba-2 side by side, each layer two of ours, with multipliers that our weights hold.

Every multiplier stands behind or before a linear map, y = c W x + c b, so that the map can hold it: the layers here
compute what theirs do with none. Of a tied model the final norm holds those of embedding and unembedding.
"""

import math
from dataclasses import replace
from typing import Any

from torch import Tensor

from interp.base.errors import UserError, shown
from interp.models.pretrained.hybrids.kind import Kind, activation, hybrid_config, require, words
from interp.models.pretrained.hybrids.parts import attention, attention_options, mlp
from interp.models.pretrained.hybrids.ssd import mamba2_layer
from interp.models.pretrained.hybrids.tensors import Tensors, ends
from interp.models.pretrained.mamba_original import step_limit
from interp.models.recurrent.hybrid import ATTENTION, HybridConfig

KIND = "mamba2"
MULTIPLIERS = {
    **{f"{part}_multiplier": 0 for part in ("embedding", "lm_head", "key", "attention_in", "attention_out")},
    **{"ssm_in_multiplier": 0, "ssm_out_multiplier": 0, "mlp_multipliers": 2, "ssm_multipliers": 5},
}
"""Field -> how many numbers are in its list; 0: it is a number."""


def _check_multipliers(config: Any) -> None:
    for name, size in MULTIPLIERS.items():
        value = getattr(config, name)
        numbers = list(value) if size and isinstance(value, list | tuple) else [value]
        plain = all(isinstance(each, int | float) and math.isfinite(each) and each != 0 for each in numbers)
        if not plain or len(numbers) != max(size, 1):
            want = f"a list of {size} finite numbers" if size else "a finite number"
            raise UserError(f"{name} must be {want} other than 0; got {shown(value)}")


def _options(config: Any) -> dict[str, Any]:
    where = "before" if config.mamba_norm_before_gate else "after"
    return {
        "d_state": config.mamba_d_state,
        "d_conv": config.mamba_d_conv,
        "d_inner": config.mamba_n_heads * config.mamba_d_head,
        "d_head": config.mamba_d_head,
        "n_groups": config.mamba_n_groups,
        "conv_bias": config.mamba_conv_bias,
        "bias": config.mamba_proj_bias or config.projectors_bias,
        "gate_norm": where if config.mamba_rms_norm else None,
        "dt_limit": step_limit(config.time_step_limit),
    }


def shape(config: Any) -> HybridConfig:
    """Our config of Falcon-H1's."""
    require(config, "hidden_act", "silu", "swish")
    require(config, "mamba_use_mlp", True)
    _check_multipliers(config)
    n = config.num_hidden_layers
    made = hybrid_config(
        config,
        (ATTENTION, KIND) * n,
        {ATTENTION: attention_options(config), KIND: _options(config)},
        config.rms_norm_eps,
        beside=tuple(range(1, 2 * n, 2)),
        d_mlp=(0, config.intermediate_size) * n,
        activation=activation(config, "hidden_act"),
        gated_mlp=True,
    )
    return replace(made, embedding_std=made.embedding_std * abs(config.embedding_multiplier))


def weights(config: Any, t: Tensors) -> dict[str, Tensor]:
    """Our weights of Falcon-H1's."""
    d, options, by_gate, by_down = config.hidden_size, _options(config), *config.mlp_multipliers
    made = ends(
        *(t, config.vocab_size, d, config.tie_word_embeddings, "embed_tokens.weight"),
        t.take("final_layernorm.weight", d),
    )
    by_embedding, by_head = config.embedding_multiplier, config.lm_head_multiplier
    made["embed.W_E"] = made["embed.W_E"] * by_embedding
    made["ln_final.w"] = made["ln_final.w"] * (by_head / by_embedding if config.tie_word_embeddings else by_head)
    biased = config.mamba_proj_bias, config.projectors_bias
    for layer in range(config.num_hidden_layers):
        there, attends, recurs = f"layers.{layer}", f"blocks.{2 * layer}", f"blocks.{2 * layer + 1}"
        before = t.take(f"{there}.input_layernorm.weight", d)
        made |= {f"{attends}.ln1.w": before, f"{recurs}.norm.w": before.clone()}
        made |= _times(config, attention(t, f"{there}.self_attn", attends, config), f"{attends}.attn")
        times = tuple(config.ssm_multipliers)
        mixer = mamba2_layer(t, f"{there}.mamba", recurs, options, d, options["d_inner"], biased, times)
        for name in ("W_gate", "W_x", "W_B", "W_C", "W_dt"):
            mixer[f"{recurs}.mixer.{name}"] *= config.ssm_in_multiplier
        for name in ("W_out", "b_out"):
            if f"{recurs}.mixer.{name}" in mixer:
                mixer[f"{recurs}.mixer.{name}"] = mixer[f"{recurs}.mixer.{name}"] * config.ssm_out_multiplier
        made |= mixer
        made[f"{recurs}.ln2.w"] = t.take(f"{there}.pre_ff_layernorm.weight", d)
        sizes = d, config.intermediate_size
        behind = mlp(t, f"{there}.feed_forward", recurs, sizes, gated=True, biased=config.mlp_bias)
        for own, by in (("gate", by_gate), ("out", by_down)):
            for name in (f"{recurs}.mlp.W_{own}", f"{recurs}.mlp.b_{own}"):
                behind[name] = behind[name] * by
        made |= behind
    return made


def _times(config: Any, made: dict[str, Tensor], here: str) -> dict[str, Tensor]:
    """An attention layer's weights, with what its input, its keys and its output are multiplied by."""
    by_in, by_key, by_out = config.attention_in_multiplier, config.key_multiplier, config.attention_out_multiplier
    W_KV, b_KV = made[f"{here}.W_KV"].clone() * by_in, made[f"{here}.b_KV"].clone()
    W_KV[:, 0] *= by_key
    b_KV[0] *= by_key
    return made | {
        f"{here}.W_queries": made[f"{here}.W_queries"] * by_in,
        f"{here}.W_KV": W_KV,
        f"{here}.b_KV": b_KV,
        f"{here}.W_O": made[f"{here}.W_O"] * by_out,
        f"{here}.b_O": made[f"{here}.b_O"] * by_out,
    }


FALCON_H1 = Kind(
    shape,
    weights,
    words(
        "attention_bias attn_layer_indices head_dim hidden_act hidden_size initializer_range intermediate_size "
        "mamba_chunk_size mamba_conv_bias mamba_d_conv mamba_d_head mamba_d_ssm mamba_d_state mamba_expand "
        "mamba_n_groups mamba_n_heads mamba_norm_before_gate mamba_proj_bias mamba_rms_norm mamba_use_mlp mlp_bias "
        "mlp_expansion_factor num_attention_heads num_hidden_layers num_key_value_heads projectors_bias rms_norm_eps "
        "rope_parameters tie_word_embeddings time_step_floor time_step_limit time_step_max time_step_min "
        "time_step_rank vocab_size"
    )
    | frozenset(MULTIPLIERS),
)
