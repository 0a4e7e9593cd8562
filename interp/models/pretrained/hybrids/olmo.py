"""Olmo Hybrid: gated DeltaNet layers with their norms before them, attention layers with their norms after them."""

from typing import Any

import torch
from torch import Tensor

from interp.models.pretrained.hybrids.delta import LAYERS, READS, delta_layer, delta_shape, sizes
from interp.models.pretrained.hybrids.kind import Kind, words
from interp.models.pretrained.hybrids.parts import attention, head_width, mlp
from interp.models.pretrained.hybrids.tensors import Tensors, ends
from interp.models.recurrent.hybrid import ATTENTION, HybridConfig

HEAD_EPS = 1e-5
"""What its heads add to their mean squares, whatever the config says for other norms."""


def shape(config: Any) -> HybridConfig:
    """Our config of Olmo Hybrid's."""
    delta = {"negative_eigenvalues": config.linear_allow_neg_eigval, "head_norm_eps": HEAD_EPS}
    delta |= {"A_range": (max(config.linear_a_log_min, 0.01), max(config.linear_a_log_max, 0.01))}
    delta |= {"dt_min": config.linear_dt_min, "dt_max": config.linear_dt_max, "dt_floor": config.linear_dt_init_floor}
    return delta_shape(config, delta, {"qk_norm": "layer", "norm_after": True}, d_mlp=config.intermediate_size)


def weights(config: Any, t: Tensors) -> dict[str, Tensor]:
    """Our weights of Olmo Hybrid's."""
    d, n, shared_by = config.hidden_size, config.num_attention_heads, config.num_key_value_heads
    final = t.take("norm.weight", d)
    made = ends(t, config.vocab_size, d, config.tie_word_embeddings, "embed_tokens.weight", final)
    for layer, kind in enumerate(config.layer_types):
        here, there = f"blocks.{layer}", f"layers.{layer}"
        made |= mlp(t, f"{there}.mlp", here, (d, config.intermediate_size), gated=True, biased=False)
        if LAYERS[kind] != ATTENTION:
            made[f"{here}.norm.w"] = _either(t, there, ("attention_layer_norm", "input_layernorm"), d)
            made[f"{here}.ln2.w"] = _either(t, there, ("feedforward_layer_norm", "post_attention_layernorm"), d)
            made |= _delta(config, t, f"{there}.linear_attn", here)
            continue
        made[f"{here}.ln1_post.w"] = _either(t, there, ("post_attention_layernorm", "feedforward_layer_norm"), d)
        made[f"{here}.ln2_post.w"] = t.take(f"{there}.post_feedforward_layernorm.weight", d)
        made |= attention(t, f"{there}.self_attn", here, config)
        made[f"{here}.attn.q_norm.w"] = t.take(f"{there}.self_attn.q_norm.weight", n * head_width(config))
        scale = t.take(f"{there}.self_attn.k_norm.weight", shared_by * head_width(config)).unflatten(0, (shared_by, -1))
        made[f"{here}.attn.k_norm.w"] = scale.repeat_interleave(n // shared_by, dim=0).flatten()
    return made


def _either(t: Tensors, there: str, names: tuple[str, str], size: int) -> Tensor:
    """A norm that is saved under the first or the second name: transformers renames some of them."""
    name = names[0] if t.has(f"{there}.{names[0]}.weight") else names[1]
    return t.take(f"{there}.{name}.weight", size)


def _delta(config: Any, t: Tensors, there: str, here: str) -> dict[str, Tensor]:
    d, (keys, values, heads) = config.hidden_size, sizes(config)
    rows = {"q": keys, "k": keys, "v": values, "g": values, "a": heads, "b": heads}
    ours = {"g": "gate", "a": "alpha", "b": "beta"}
    maps = {ours.get(name, name): t.take(f"{there}.{name}_proj.weight", size, d) for name, size in rows.items()}
    maps["out"] = t.take(f"{there}.o_proj.weight", d, values)
    conv = _conv(t, there, 2 * keys + values, config.linear_conv_kernel_dim)
    return delta_layer(config, t, there, here, maps, conv, "o_norm")


def _conv(t: Tensors, there: str, rows: int, width: int) -> Tensor:
    """The convolution, which transformers saves in three pieces of about equal size, whatever queries, keys and values
    measure."""
    whole, pieces = f"{there}.conv1d.weight", [f"{there}.{part}_conv1d.weight" for part in "qkv"]
    if all(map(t.has, pieces)):
        t.tensors[t.prefix + whole] = torch.cat([t.tensors.pop(t.prefix + piece) for piece in pieces])
    return t.take(whole, rows, 1, width)[:, 0]


OLMO_HYBRID = Kind(
    shape,
    weights,
    READS
    | words(
        "intermediate_size linear_a_log_max linear_a_log_min linear_allow_neg_eigval linear_dt_init_floor "
        "linear_dt_max linear_dt_min"
    ),
)
