"""xLSTM: mLSTM layers with capped gates and centring norms, MLPs, capped logits."""

from typing import Any

from torch import Tensor

from interp.base.errors import UserError
from interp.models.pretrained.hybrids.kind import Kind, require, words
from interp.models.pretrained.hybrids.tensors import Tensors, ends
from interp.models.recurrent.hybrid import HybridConfig

KIND = "mlstm"


def _sizes(config: Any) -> tuple[int, int, int]:
    """Numbers in all keys and in all values, and the hidden width of the MLPs."""
    keys, values = (int(config.hidden_size * factor) for factor in (config.qk_dim_factor, config.v_dim_factor))
    step = config.ffn_round_up_to_multiple_of
    return keys, values, int((config.hidden_size * config.ffn_proj_factor + step - 1) // step * step)


def shape(config: Any) -> HybridConfig:
    """Our config of xLSTM's."""
    for name, want in {
        "use_bias": False,
        "add_out_norm": True,
        "weight_mode": "single",
        "embedding_dim": config.hidden_size,
        "num_blocks": config.num_hidden_layers,
        "tie_word_embeddings": False,
        **{"add_qk_norm": False, "add_post_norm": False, "add_post_blocks_norm": True},
        "cell_norm_eps": config.norm_eps,
    }.items():
        require(config, name, want)
    keys, values, width = _sizes(config)
    for name, all_heads in (("qk_dim_factor", keys), ("v_dim_factor", values)):
        if all_heads < config.num_heads or all_heads % config.num_heads:
            raise UserError(
                f"{name} must give each of {config.num_heads} heads a whole number of columns; got {all_heads} in all"
            )
    require(config, "head_dim", values // config.num_heads)
    mlstm = {
        "n_heads": config.num_heads,
        "d_key": keys // config.num_heads,
        "d_value": values // config.num_heads,
        "gate_cap": config.gate_soft_cap,
        "normalizer_eps": config.eps,
        "head_norm_centred": True,
    }
    return HybridConfig(
        layers=(KIND,) * config.num_hidden_layers,
        d_model=config.hidden_size,
        d_vocab=config.vocab_size,
        norm_eps=config.norm_eps,
        tied=False,
        embedding_std=(0.4 / config.hidden_size) ** 0.5,  # as the authors draw it
        d_mlp=width,
        activation="silu",
        gated_mlp=True,
        logit_cap=config.output_logit_soft_cap,
        options={KIND: mlstm},
    )


def weights(config: Any, t: Tensors) -> dict[str, Tensor]:
    """Our weights of xLSTM's."""
    d, heads = config.hidden_size, config.num_heads
    keys, values, width = _sizes(config)
    final = t.take("out_norm.weight", d)
    made = ends(t, config.vocab_size, d, False, "embeddings.weight", final)
    maps = {
        "q": ("q", keys),
        "k": ("k", keys),
        "v": ("v", values),
        "gate": ("ogate_preact", values),
        "i": ("igate_preact", heads),
        "f": ("fgate_preact", heads),
    }
    ffn = {"gate": ("proj_up_gate", width, d), "in": ("proj_up", width, d), "out": ("proj_down", d, width)}
    for layer in range(config.num_hidden_layers):
        here, there = f"blocks.{layer}", f"blocks.{layer}.mlstm_layer"
        for own, (name, rows) in maps.items():
            made[f"{here}.mixer.W_{own}"] = t.take(f"{there}.{name}.weight", rows, d).T
            if own in ("i", "f"):
                made[f"{here}.mixer.b_{own}"] = t.take(f"{there}.{name}.bias", rows)
        made[f"{here}.mixer.norm.w"] = t.take(f"{there}.multihead_norm.weight", values)
        made[f"{here}.mixer.W_out"] = t.take(f"{there}.out_proj.weight", d, values).T
        made[f"{here}.norm.w"] = t.take(f"{here}.norm_mlstm.weight", d)
        made[f"{here}.ln2.w"] = t.take(f"{here}.norm_ffn.weight", d)
        for own, (name, rows, columns) in ffn.items():
            made[f"{here}.mlp.W_{own}"] = t.take(f"{here}.ffn.{name}.weight", rows, columns).T
            made[f"{here}.mlp.b_{own}"] = t.bias("", False, rows)
    return made


XLSTM = Kind(
    shape,
    weights,
    words(
        "add_embedding_dropout add_forward_backend_padding add_post_blocks_norm add_post_norm add_qk_norm "
        "cell_norm_eps force_bos_token_insert igate_bias_init_range mlstm_round_up_to_multiple_of "
        "add_out_norm autocast_kernel_dtype chunk_size chunkwise_kernel embedding_dim eps ffn_proj_factor "
        "ffn_round_up_to_multiple_of gate_soft_cap hidden_size inference_state_dtype max_inference_chunksize mode "
        "norm_eps norm_reduction_force_float32 num_blocks num_heads num_hidden_layers output_logit_soft_cap "
        "qk_dim_factor return_last_states sequence_kernel step_kernel tie_word_embeddings use_bias v_dim_factor "
        "vocab_size weight_mode head_dim"
    ),
    unread=words("chunkwise_kernel sequence_kernel step_kernel"),  # Triton's, which transformers lacks by itself
)
