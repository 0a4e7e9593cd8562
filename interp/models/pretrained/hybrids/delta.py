"""What kinds with gated DeltaNet layers share: their config's options, and the weights of such a layer.

Where fewer heads have keys than values, each of ours has a copy of its keys.
"""

from typing import Any

import torch
from torch import Tensor

from interp.base.errors import UserError
from interp.models.pretrained.hybrids.kind import activation, hybrid_config, require, words
from interp.models.pretrained.hybrids.parts import attention_options
from interp.models.pretrained.hybrids.tensors import Tensors
from interp.models.recurrent.hybrid import ATTENTION, HybridConfig

KIND = "gated_deltanet"
LAYERS = {"linear_attention": KIND, "full_attention": ATTENTION}
READS = words(
    "attention_bias head_dim hidden_act hidden_size initializer_range layer_types linear_conv_kernel_dim "
    "linear_key_head_dim linear_num_key_heads linear_num_value_heads linear_value_head_dim num_attention_heads "
    "num_hidden_layers num_key_value_heads rms_norm_eps rope_parameters tie_word_embeddings vocab_size"
)


def delta_shape(config: Any, delta: dict[str, Any], attends: dict[str, Any], **mlps: Any) -> HybridConfig:
    """Our config of such a kind's.

    Args:
        config: theirs.
        delta, attends: further options of its gated DeltaNet and attention layers.
        mlps: fields of a `HybridConfig` for its MLPs or experts.

    Raises: UserError for options that ours do not have.
    """
    require(config, "hidden_act", "silu", "swish")
    if config.linear_conv_kernel_dim < 2:
        raise UserError(f"linear_conv_kernel_dim must be at least 2; got {config.linear_conv_kernel_dim}")
    layers = tuple(LAYERS[each] for each in config.layer_types)
    parts = {
        KIND: {
            "n_heads": config.linear_num_value_heads,
            "d_key": config.linear_key_head_dim,
            "d_value": config.linear_value_head_dim,
            "d_conv": config.linear_conv_kernel_dim,
            **delta,
        },
        ATTENTION: attention_options(config) | attends,
    }
    mlps |= {"activation": activation(config, "hidden_act"), "gated_mlp": True}
    return hybrid_config(config, layers, parts, config.rms_norm_eps, **mlps)


def sizes(config: Any) -> tuple[int, int, int]:
    """Numbers in all keys, in all values, and heads of values."""
    keys = config.linear_num_key_heads * config.linear_key_head_dim
    return keys, config.linear_num_value_heads * config.linear_value_head_dim, config.linear_num_value_heads


def delta_layer(
    config: Any, t: Tensors, there: str, here: str, maps: dict[str, Tensor], conv: Tensor, norm: str
) -> dict[str, Tensor]:
    """Our weights of a gated delta layer.

    Args:
        config: theirs.
        t: the checkpoint's.
        there, here: what their names and ours begin with.
        maps: of our names without `W_`, as [out in]; q and k of the heads of keys.
        conv: of queries, keys and values, [inner width].
        norm: their name of its norm.
    """
    keys, values, heads = sizes(config)
    q, k, v = conv.split([keys, keys, values])
    made = {f"W_{name}": value.T for name, value in maps.items()}
    made |= {f"W_{name}": _repeated(maps[name], config).T for name in "qk"}
    made["W_conv"] = torch.cat([_repeated(q, config), _repeated(k, config), v])
    made["norm.w"] = t.take(f"{there}.{norm}.weight", config.linear_value_head_dim).repeat(heads)
    made |= {"b_alpha": t.take(f"{there}.dt_bias", heads), "A_log": t.take(f"{there}.A_log", heads)}
    return {f"{here}.mixer.{name}": value for name, value in made.items()}


def _repeated(rows: Tensor, config: Any) -> Tensor:
    """Rows of the heads of keys, [key_heads x d_key ...], once for every head of values."""
    each = config.linear_num_value_heads // config.linear_num_key_heads
    return rows.unflatten(0, (config.linear_num_key_heads, -1)).repeat_interleave(each, dim=0).flatten(0, 1)
