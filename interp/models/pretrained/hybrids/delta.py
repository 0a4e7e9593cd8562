"""Gated DeltaNet with attention: Qwen3.5 and Olmo Hybrid.

Where fewer heads have keys than values, each of ours has a copy of its keys. Qwen's norms hold their scale less one.
"""

from typing import Any

import torch
from torch import Tensor

from interp.base.errors import UserError
from interp.models.pretrained.hybrids.kind import Kind, activation, require, shared, words
from interp.models.pretrained.hybrids.parts import attention, attention_options, head_width, mlp
from interp.models.pretrained.hybrids.tensors import Tensors, ends
from interp.models.recurrent.hybrid import ATTENTION, HybridConfig

KIND = "gated_deltanet"
LAYERS = {"linear_attention": KIND, "full_attention": ATTENTION}
READS = words(
    "attention_bias head_dim hidden_act hidden_size initializer_range intermediate_size layer_types "
    "linear_conv_kernel_dim linear_key_head_dim linear_num_key_heads linear_num_value_heads linear_value_head_dim "
    "num_attention_heads num_hidden_layers num_key_value_heads rms_norm_eps rope_parameters tie_word_embeddings "
    "vocab_size"
)
OLMO_EPS = 1e-5
"""What Olmo Hybrid's heads add to their mean squares, whatever its config says for other norms."""


def _shape(config: Any, delta: dict[str, Any], attends: dict[str, Any]) -> HybridConfig:
    require(config, "hidden_act", "silu", "swish")
    if config.linear_conv_kernel_dim < 2:
        raise UserError(f"linear_conv_kernel_dim must be at least 2; got {config.linear_conv_kernel_dim}")
    layers = tuple(LAYERS[each] for each in config.layer_types)
    options = {
        KIND: {
            "n_heads": config.linear_num_value_heads,
            "d_key": config.linear_key_head_dim,
            "d_value": config.linear_value_head_dim,
            "d_conv": config.linear_conv_kernel_dim,
            **delta,
        },
        ATTENTION: attention_options(config) | attends,
    }
    return HybridConfig(
        layers=layers,
        d_mlp=config.intermediate_size,
        activation=activation(config, "hidden_act"),
        gated_mlp=True,
        options={kind: options[kind] for kind in dict.fromkeys(layers)},
        **shared(config, config.rms_norm_eps),
    )


def qwen_shape(config: Any) -> HybridConfig:
    """Our config of Qwen3.5's."""
    if hasattr(config, "attn_output_gate"):
        require(config, "attn_output_gate", True)
    return _shape(config, {}, {"qk_norm": "head", "attention_gate": True})


def olmo_shape(config: Any) -> HybridConfig:
    """Our config of Olmo Hybrid's."""
    delta = {"negative_eigenvalues": config.linear_allow_neg_eigval, "head_norm_eps": OLMO_EPS}
    delta |= {"A_range": (max(config.linear_a_log_min, 0.01), max(config.linear_a_log_max, 0.01))}
    delta |= {"dt_min": config.linear_dt_min, "dt_max": config.linear_dt_max, "dt_floor": config.linear_dt_init_floor}
    return _shape(config, delta, {"qk_norm": "layer", "norm_after": True})


def repeated(rows: Tensor, config: Any) -> Tensor:
    """Rows of the heads of keys, [key_heads x d_key ...], once for every head of values."""
    each = config.linear_num_value_heads // config.linear_num_key_heads
    return rows.unflatten(0, (config.linear_num_key_heads, -1)).repeat_interleave(each, dim=0).flatten(0, 1)


def delta_layer(config: Any, here: str, maps: dict[str, Tensor], conv: Tensor) -> dict[str, Tensor]:
    """Our weights of a gated delta layer.

    Args:
        config: theirs.
        here: what our names begin with.
        maps: of our names without `W_`, as [out in]; q and k of the heads of keys.
        conv: of queries, keys and values, [inner width].
    """
    keys = config.linear_num_key_heads * config.linear_key_head_dim
    q, k, v = conv.split([keys, keys, len(conv) - 2 * keys])
    made = {f"W_{name}": value.T for name, value in maps.items()}
    made |= {f"W_{name}": repeated(maps[name], config).T for name in "qk"}
    made["W_conv"] = torch.cat([repeated(q, config), repeated(k, config), v])
    return {f"{here}.mixer.{name}": value for name, value in made.items()}


def qwen_weights(config: Any, t: Tensors) -> dict[str, Tensor]:
    """Our weights of Qwen3.5's."""
    d = config.hidden_size
    final = 1 + t.take("norm.weight", d)
    made = ends(t, config.vocab_size, d, config.tie_word_embeddings, "embed_tokens.weight", final)
    for layer, kind in enumerate(config.layer_types):
        here, there = f"blocks.{layer}", f"layers.{layer}"
        made[f"{here}.ln2.w"] = 1 + t.take(f"{there}.post_attention_layernorm.weight", d)
        before = 1 + t.take(f"{there}.input_layernorm.weight", d)
        made |= mlp(t, f"{there}.mlp", here, (d, config.intermediate_size), gated=True, biased=False)
        if LAYERS[kind] == ATTENTION:
            made[f"{here}.ln1.w"] = before
            made |= attention(t, f"{there}.self_attn", here, config, gated=True)
            for name in "qk":
                scale = 1 + t.take(f"{there}.self_attn.{name}_norm.weight", head_width(config))
                made[f"{here}.attn.{name}_norm.w"] = scale.repeat(config.num_attention_heads)
        else:
            made[f"{here}.norm.w"] = before
            made |= _qwen_delta(config, t, f"{there}.linear_attn", here)
    return made


def _sizes(config: Any) -> tuple[int, int, int]:
    """Numbers in all keys, in all values, and heads of values."""
    keys = config.linear_num_key_heads * config.linear_key_head_dim
    return keys, config.linear_num_value_heads * config.linear_value_head_dim, config.linear_num_value_heads


def _rest(t: Tensors, there: str, here: str, config: Any, norm: str) -> dict[str, Tensor]:
    """What all gated delta layers hold by one name, but for their norm's."""
    heads = config.linear_num_value_heads
    scale = t.take(f"{there}.{norm}.weight", config.linear_value_head_dim).repeat(heads)
    made = {"norm.w": scale, "b_alpha": t.take(f"{there}.dt_bias", heads), "A_log": t.take(f"{there}.A_log", heads)}
    return {f"{here}.mixer.{name}": value for name, value in made.items()}


def _qwen_delta(config: Any, t: Tensors, there: str, here: str) -> dict[str, Tensor]:
    d, width, (keys, values, heads) = config.hidden_size, config.linear_conv_kernel_dim, _sizes(config)
    q, k, v = t.take(f"{there}.in_proj_qkv.weight", 2 * keys + values, d).split([keys, keys, values])
    maps = {"q": q, "k": k, "v": v, "gate": t.take(f"{there}.in_proj_z.weight", values, d)}
    maps |= {own: t.take(f"{there}.in_proj_{name}.weight", heads, d) for name, own in (("b", "beta"), ("a", "alpha"))}
    maps["out"] = t.take(f"{there}.out_proj.weight", d, values)
    conv = t.take(f"{there}.conv1d.weight", 2 * keys + values, 1, width)[:, 0]
    return delta_layer(config, here, maps, conv) | _rest(t, there, here, config, "norm")


def olmo_weights(config: Any, t: Tensors) -> dict[str, Tensor]:
    """Our weights of Olmo Hybrid's, whose attention layers have their norms after them."""
    d, n, shared_by = config.hidden_size, config.num_attention_heads, config.num_key_value_heads
    final = t.take("norm.weight", d)
    made = ends(t, config.vocab_size, d, config.tie_word_embeddings, "embed_tokens.weight", final)
    for layer, kind in enumerate(config.layer_types):
        here, there = f"blocks.{layer}", f"layers.{layer}"
        made |= mlp(t, f"{there}.mlp", here, (d, config.intermediate_size), gated=True, biased=False)
        if LAYERS[kind] != ATTENTION:
            made[f"{here}.norm.w"] = _either(t, there, ("attention_layer_norm", "input_layernorm"), d)
            made[f"{here}.ln2.w"] = _either(t, there, ("feedforward_layer_norm", "post_attention_layernorm"), d)
            made |= _olmo_delta(config, t, f"{there}.linear_attn", here)
            continue
        made[f"{here}.ln1_post.w"] = _either(t, there, ("post_attention_layernorm", "feedforward_layer_norm"), d)
        made[f"{here}.ln2_post.w"] = t.take(f"{there}.post_feedforward_layernorm.weight", d)
        made |= attention(t, f"{there}.self_attn", here, config)
        made[f"{here}.attn.q_norm.w"] = t.take(f"{there}.self_attn.q_norm.weight", n * head_width(config))
        scale = t.take(f"{there}.self_attn.k_norm.weight", shared_by * head_width(config)).unflatten(0, (shared_by, -1))
        made[f"{here}.attn.k_norm.w"] = scale.repeat_interleave(n // shared_by, dim=0).flatten()
    return made


def _either(t: Tensors, there: str, names: tuple[str, str], size: int) -> Tensor:
    """A norm that transformers saves under the first or the second name."""
    name = names[0] if t.has(f"{there}.{names[0]}.weight") else names[1]
    return t.take(f"{there}.{name}.weight", size)


def _olmo_delta(config: Any, t: Tensors, there: str, here: str) -> dict[str, Tensor]:
    d, (keys, values, heads) = config.hidden_size, _sizes(config)
    rows = {"q": keys, "k": keys, "v": values, "g": values, "a": heads, "b": heads}
    ours = {"g": "gate", "a": "alpha", "b": "beta"}
    maps = {ours.get(name, name): t.take(f"{there}.{name}_proj.weight", size, d) for name, size in rows.items()}
    maps["out"] = t.take(f"{there}.o_proj.weight", d, values)
    conv = _olmo_conv(t, there, 2 * keys + values, config.linear_conv_kernel_dim)
    return delta_layer(config, here, maps, conv) | _rest(t, there, here, config, "o_norm")


def _olmo_conv(t: Tensors, there: str, rows: int, width: int) -> Tensor:
    """The convolution, which transformers saves in three pieces of about equal size, whatever queries, keys and values
    measure."""
    if t.has(f"{there}.conv1d.weight"):
        return t.take(f"{there}.conv1d.weight", rows, 1, width)[:, 0]
    names = [f"{t.prefix}{there}.{part}_conv1d.weight" for part in "qkv"]
    pieces = [t.tensors.pop(name) for name in names if name in t.tensors]
    t.tensors[f"{t.prefix}{there}.conv1d.weight"] = torch.cat(pieces) if len(pieces) == len(names) else torch.empty(0)
    return t.take(f"{there}.conv1d.weight", rows, 1, width)[:, 0]


OLMO = words(
    "linear_a_log_max linear_a_log_min linear_allow_neg_eigval linear_dt_init_floor linear_dt_max linear_dt_min"
)
QWEN = words("attn_output_gate full_attention_interval mamba_ssm_dtype mtp_num_hidden_layers")
QWEN3_5 = Kind(qwen_shape, qwen_weights, READS | QWEN, passed_over=("mtp.", "model.visual."))
OLMO_HYBRID = Kind(olmo_shape, olmo_weights, READS | OLMO)
