"""The config of the layout in which Mamba's authors publish it (state-spaces/mamba), as ours."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch

from interp.base.errors import UserError, shown, unknown
from interp.models.recurrent.mamba.model import MambaConfig
from interp.models.recurrent.mamba2.model import Mamba2Config

NEEDED = {"d_model", "n_layer", "vocab_size"}
"""What a config of the original layout has, beside no model_type."""
OPTIONS = {"ssm_cfg", "rms_norm", "pad_vocab_size_multiple", "tie_embeddings", "residual_in_fp32", "fused_add_norm"}
WITHOUT = {"d_intermediate": "MLPs", "attn_layer_idx": "attention layers"}
"""Options of the original layout that add what these models do not have; `attn_cfg` is then idle."""


@dataclass(frozen=True)
class Layer:
    """What `ssm_cfg` can say of a kind of layer."""

    config: Any
    """Our config class."""
    defaults: dict[str, Any]
    options: dict[str, str]
    """Its options -> ours."""
    idle: set[str]
    """Options that only choose how the model is computed, or first drawn."""
    fixed: dict[str, Any] = field(default_factory=dict)
    """Options that ours has not -> the one value that is ours."""


SHARED = {name: name for name in ("d_state", "d_conv", "expand", "conv_bias", "bias", "dt_min", "dt_max")}
SHARED["dt_init_floor"] = "dt_floor"
LAYERS = {
    "Mamba1": Layer(
        MambaConfig,
        {"d_state": 16, "d_conv": 4, "expand": 2},
        SHARED | {"dt_rank": "dt_rank"},
        {"dt_init", "dt_scale", "use_fast_path"},
    ),
    "Mamba2": Layer(
        Mamba2Config,
        {"d_state": 128, "d_conv": 4, "expand": 2, "headdim": 64, "ngroups": 1},
        SHARED | {"headdim": "d_head", "ngroups": "n_groups", "dt_limit": "dt_limit", "A_init_range": "A_range"},
        {"chunk_size", "conv_init", "use_mem_eff_path", "process_group", "sequence_parallel"},
        {"d_ssm": None, "D_has_hdim": False, "rmsnorm": True, "norm_before_gate": False},
    ),
}
"""Layers by the name that `ssm_cfg` has for them."""

GPT_NEOX_SIZE, GPT_NEOX_SPECIAL = 50277, ((0,), (0,), (1,))
"""Special tokens of GPT-NeoX's tokenizer: 0 ends a text, and stands before one; 1 is padding."""
FIELDS = {
    "vocab": "vocab_size",
    "d_model": "d_model",
    "channel": "expand",
    "state": "d_state",
    "width": "d_conv",
    "rank": "dt_rank",
    "head": "headdim",
    "group": "ngroups or d_state",
}
"""Axis of a weight -> the field of the config that says how long it is."""


def shape_of(config: dict[str, Any]) -> MambaConfig | Mamba2Config:
    """Our config; defaults are those of mamba_ssm's `config_mamba.py`, `mixer_seq_simple.py` and its two modules.

    Raises: UserError for options that ours do not have.
    """
    for option, what in WITHOUT.items():
        if config.get(option):
            raise UserError(
                f"{option} must be left out, as it asks for {what} beside the Mamba layers; got {config[option]}"
            )
    if strange := sorted(set(config) - NEEDED - OPTIONS - {*WITHOUT, "attn_cfg"}):
        raise unknown("option of the original layout", strange[0], NEEDED | OPTIONS)
    multiple = config.get("pad_vocab_size_multiple", 8)
    _require_counts(config | {"pad_vocab_size_multiple": multiple}, *sorted(NEEDED), "pad_vocab_size_multiple")
    return _layer(
        config.get("ssm_cfg") or {},
        n_layers=config["n_layer"],
        d_model=config["d_model"],
        d_vocab=-(-config["vocab_size"] // multiple) * multiple,
        normalization="RMS" if config.get("rms_norm", True) else "LN",
        norm_eps=1e-5,
        tied=config.get("tie_embeddings", True),
    )


def special_tokens(config: dict[str, Any]) -> tuple[tuple[int, ...], ...]:
    """Find the special tokens, as in `Pretrained`. These configs name none; those of GPT-NeoX are known by the size of
    their vocabulary."""
    return GPT_NEOX_SPECIAL if config["vocab_size"] == GPT_NEOX_SIZE else ((), (), ())


def step_limit(pair: Any) -> tuple[float, float] | None:
    """Bounds of Delta; None if all that a softplus can give lies within.

    Infinity, which JSON lacks, becomes the largest number that every dtype has.
    """
    low, high = (float(bound) for bound in pair)
    return None if low <= 0 and math.isinf(high) else (low, min(high, torch.finfo(torch.float16).max))


def _layer(ssm_cfg: dict[str, Any], **shared: Any) -> MambaConfig | Mamba2Config:
    """Our config of the layers that `ssm_cfg` describes."""
    kind = ssm_cfg.get("layer", "Mamba1")
    if kind not in LAYERS:
        raise unknown("layer of ssm_cfg", str(kind), LAYERS)
    layer = LAYERS[kind]
    said = layer.defaults | {name: value for name, value in ssm_cfg.items() if (name, value) != ("dt_rank", "auto")}
    said.pop("layer", None)
    for name, value in said.items():
        if name not in {*layer.options, *layer.fixed, *layer.idle}:
            raise unknown(f"option of {kind} in ssm_cfg", name, {*layer.options, *layer.fixed})
        if name in layer.fixed and value != layer.fixed[name]:
            raise UserError(f"{name} in ssm_cfg must be {layer.fixed[name]}; got {value}")
    _require_counts(said, *layer.defaults, "dt_rank")
    chosen = {layer.options[name]: value for name, value in said.items() if name in layer.options}
    for name, read in (("dt_limit", step_limit), ("A_range", tuple)):
        if name in chosen:
            chosen[name] = read(chosen[name])
    return layer.config(**shared, **chosen)


def _require_counts(config: dict[str, Any], *names: str) -> None:
    for name in names:
        if type(config.get(name, 1)) is not int or config.get(name, 1) < 1:
            raise UserError(f"{name} must be an integer of at least 1; got {shown(config[name])}")
