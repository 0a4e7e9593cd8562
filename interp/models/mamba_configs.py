"""The configs of saved Mamba models, in either layout, as ours: Hugging Face's and that of state-spaces/mamba.

Options that would make another model are refused by name; those that only choose how it is computed are passed over.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interp.errors import UserError, unknown
from interp.files import read_json
from interp.models.hub import find, first_line
from interp.models.mamba import MambaConfig
from interp.models.mamba2 import Mamba2Config
from interp.models.pretrained import special_ids

HUGGING_FACE = ("mamba", "mamba2")
"""Values of model_type."""
ORIGINAL = {"d_model", "n_layer", "vocab_size"}
"""What a config of the original layout has, beside no model_type."""
OPTIONS = {"ssm_cfg", "rms_norm", "pad_vocab_size_multiple", "tie_embeddings", "residual_in_fp32", "fused_add_norm"}
WITHOUT = {"d_intermediate": "MLPs", "attn_layer_idx": "attention layers"}
"""Options of the original layout that add what these models do not have; `attn_cfg` is then idle."""

SHARED = {
    "d_state": "d_state",
    "d_conv": "d_conv",
    "expand": "expand",
    "conv_bias": "conv_bias",
    "bias": "bias",
    "dt_min": "dt_min",
    "dt_max": "dt_max",
    "dt_init_floor": "dt_floor",
}
LAYERS: dict[str, tuple[Any, dict[str, str], dict[str, Any], set[str]]] = {
    "Mamba1": (MambaConfig, SHARED | {"dt_rank": "dt_rank"}, {}, {"dt_init", "dt_scale", "use_fast_path"}),
    "Mamba2": (
        Mamba2Config,
        SHARED | {"headdim": "d_head", "ngroups": "n_groups", "dt_limit": "dt_limit", "A_init_range": "A_range"},
        {"d_ssm": None, "D_has_hdim": False, "rmsnorm": True, "norm_before_gate": False},
        {"chunk_size", "conv_init", "use_mem_eff_path", "process_group", "sequence_parallel"},
    ),
}
"""`layer` of ssm_cfg -> our config; its options as ours name them; those that must have one value; those that only
choose how the model is computed or first drawn."""
AUTHORS_DEFAULTS = {"Mamba1": {}, "Mamba2": {"d_state": 128, "headdim": 64}}

GPT_NEOX_SIZE, GPT_NEOX_SPECIAL = 50277, ((0,), (0,), (1,))
"""The authors' checkpoints name no special tokens; a vocabulary of this size is that of GPT-NeoX's tokenizer, in which
0 ends a text, and stands before one, and 1 fills up."""


@dataclass(frozen=True)
class Saved:
    """What the config of a saved model says."""

    shape: MambaConfig | Mamba2Config
    embedding: str
    """The name of its embedding among the weights."""
    fields: Mapping[str, str]
    """Axis of a weight -> the field of the config that says how long it is."""
    special: tuple[tuple[int, ...], ...]
    """As in `Pretrained`."""
    d_text: int
    """The size of the vocabulary, without the rows that fill up the embedding."""


def layout(name: str) -> str | None:
    """One of `HUGGING_FACE`, "original", or None for a model of any other kind.

    Raises: as `hub.find`, for a model that has no config; InterpError for a damaged one.
    """
    config = read_json(find(name, "config.json"), "a model's config")
    if not isinstance(config, dict):
        return None
    if "model_type" in config:
        return config["model_type"] if config["model_type"] in HUGGING_FACE else None
    return "original" if set(config) >= ORIGINAL else None


def read_saved(name: str) -> Saved:
    """The config of a model, a folder or a name on the hub.

    Raises: UserError for a model of another kind, or with options that ours do not have.
    """
    kind, path = layout(name), find(name, "config.json")
    if kind is None:
        config = read_json(path, "a model's config")
        other = config.get("model_type") if isinstance(config, dict) else None
        what = "holds no Mamba that is known" if other is None else f"is of the kind {other}"
        raise UserError(f"{name} {what}; mamba, mamba2 and the layout of state-spaces/mamba can be read.")
    try:
        return _original(read_json(path, "a model's config")) if kind == "original" else _hugging_face(path, kind)
    except (UserError, TypeError) as error:
        raise UserError(f"{path} describes no model that can be opened: {first_line(error)}.") from None


# ---------------------------------------------------------------------- Hugging Face


def _hugging_face(path: Path, kind: str) -> Saved:
    import transformers
    from huggingface_hub.errors import StrictDataclassError

    config_class = transformers.MambaConfig if kind == "mamba" else transformers.Mamba2Config
    try:
        config: Any = config_class.from_json_file(path)
    except StrictDataclassError as error:
        raise UserError(" ".join(str(error).split())) from None
    if config.hidden_act not in ("silu", "swish"):
        raise UserError(f"hidden_act {config.hidden_act} is not supported; Mamba has silu")
    shared = {
        "n_layers": config.num_hidden_layers,
        "d_model": config.hidden_size,
        "d_vocab": config.vocab_size,
        "d_state": config.state_size,
        "d_conv": config.conv_kernel,
        "expand": config.expand,
        "conv_bias": config.use_conv_bias,
        "bias": config.use_bias,
        "dt_min": config.time_step_min,
        "dt_max": config.time_step_max,
        "dt_floor": config.time_step_floor,
        "norm_eps": config.layer_norm_epsilon,
        "tied": config.tie_word_embeddings,
        "embedding_std": config.initializer_range,
    }
    if kind == "mamba":
        shape = MambaConfig(**shared, d_inner=config.intermediate_size, dt_rank=config.time_step_rank)
    else:
        limit = _limit(config.time_step_limit)
        shape = Mamba2Config(**shared, d_head=config.head_dim, n_groups=config.n_groups, dt_limit=limit)
    fields = {
        "vocab": "vocab_size",
        "d_model": "hidden_size",
        "channel": "intermediate_size" if kind == "mamba" else "expand",
        "state": "state_size",
        "width": "conv_kernel",
        "rank": "time_step_rank",
        "head": "num_heads",
        "group": "n_groups or state_size",
    }
    return Saved(shape, "backbone.embeddings.weight", fields, special_ids(config), config.vocab_size)


def _limit(pair: Any) -> tuple[float, float] | None:
    """Bounds of Delta; None if all that a softplus can give lies within."""
    low, high = (float(bound) for bound in pair)
    return None if low <= 0 and math.isinf(high) else (low, high)


# ---------------------------------------------------------------------- the original layout


def _original(config: dict[str, Any]) -> Saved:
    """Fields and defaults as in mamba_ssm's `config_mamba.py`, `mixer_seq_simple.py` and the two modules."""
    for option, what in WITHOUT.items():
        if config.get(option):
            raise UserError(f"{option} {config[option]} is not supported: it asks for {what} beside the Mamba layers")
    if strange := sorted(set(config) - ORIGINAL - OPTIONS - {*WITHOUT, "attn_cfg"}):
        raise unknown("option of the original layout", strange[0], ORIGINAL | OPTIONS)
    multiple = config.get("pad_vocab_size_multiple", 8)
    shape = _ssm(
        config.get("ssm_cfg") or {},
        n_layers=config["n_layer"],
        d_model=config["d_model"],
        d_vocab=math.ceil(config["vocab_size"] / multiple) * multiple,
        normalization="RMS" if config.get("rms_norm", True) else "LN",
        tied=config.get("tie_embeddings", True),
    )
    fields = {
        "vocab": "vocab_size",
        "d_model": "d_model",
        "channel": "expand",
        "state": "d_state",
        "width": "d_conv",
        "rank": "dt_rank",
        "head": "headdim",
        "group": "ngroups or d_state",
    }
    special = GPT_NEOX_SPECIAL if config["vocab_size"] == GPT_NEOX_SIZE else ()
    return Saved(shape, "backbone.embedding.weight", fields, special, config["vocab_size"])


def _ssm(options: dict[str, Any], **shared: Any) -> MambaConfig | Mamba2Config:
    """Our config of the layers that `ssm_cfg` describes."""
    layer = options.get("layer", "Mamba1")
    if layer not in LAYERS:
        raise unknown("layer of ssm_cfg", str(layer), LAYERS)
    config_class, ours, fixed, idle = LAYERS[layer]
    options = AUTHORS_DEFAULTS[layer] | {name: value for name, value in options.items() if name != "layer"}
    for name, value in options.items():
        if name in fixed and value != fixed[name]:
            raise UserError(f"{name} {value} of ssm_cfg is not supported; it must be {fixed[name]}")
        if name not in {*ours, *fixed, *idle}:
            raise unknown(f"option of {layer} in ssm_cfg", name, {*ours, *fixed, *idle})
    chosen = {ours[name]: value for name, value in options.items() if name in ours}
    if chosen.get("dt_rank") == "auto":
        del chosen["dt_rank"]
    if "dt_limit" in chosen:
        chosen["dt_limit"] = _limit(chosen["dt_limit"])
    if "A_range" in chosen:
        chosen["A_range"] = tuple(float(bound) for bound in chosen["A_range"])
    return config_class(**shared, **chosen)
