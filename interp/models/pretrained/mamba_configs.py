"""The configs of saved Mamba models, in either layout, as ours: Hugging Face's and that of state-spaces/mamba.

Options that would make another model are refused by name; those that only choose how it is computed are passed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interp.base.errors import UserError
from interp.base.files import read_json
from interp.models.pretrained import mamba_original
from interp.models.pretrained.bridge import special_ids
from interp.models.pretrained.hub import find, first_line
from interp.models.recurrent.mamba.model import MambaConfig
from interp.models.recurrent.mamba2.model import Mamba2Config

HUGGING_FACE = ("mamba", "mamba2", "falcon_mamba")
"""Values of model_type."""
FIELDS = {
    "vocab": "vocab_size",
    "d_model": "hidden_size",
    "channel": "expand (or intermediate_size)",
    "state": "state_size",
    "width": "conv_kernel",
    "rank": "time_step_rank",
    "head": "num_heads",
    "group": "n_groups or state_size",
}
"""Axis of a weight -> the field of Hugging Face's config that says how long it is."""


@dataclass(frozen=True)
class Saved:
    """What the config of a saved model says."""

    shape: MambaConfig | Mamba2Config
    embedding: str
    """The name of its embedding among the weights."""
    fields: Mapping[str, str]
    """Axis of a weight -> the field of the config that says how long it is."""
    special: tuple[tuple[int, ...], ...]
    """Special tokens, as in `Pretrained`."""
    d_text: int
    """The size of the vocabulary, without the rows that fill up the embedding."""


def layout(name: str) -> str | None:
    """One of `HUGGING_FACE`, "original", or None for a model of any other kind.

    Raises: as `hub.find`, for a model that has no config; InterpError for a damaged one.
    """
    config = _config(find(name, "config.json"))
    if "model_type" in config:
        return config["model_type"] if config["model_type"] in HUGGING_FACE else None
    return "original" if set(config) >= mamba_original.NEEDED else None


def read_saved(name: str) -> Saved:
    """The config of a model, a folder or a name on the hub.

    Raises: UserError for a model of another kind, or with options that ours do not have.
    """
    kind, path = layout(name), find(name, "config.json")
    config = _config(path)
    if kind is None:
        what = f"one of the kind {config['model_type']}" if "model_type" in config else "a config of neither"
        raise UserError(
            f"{name} must be a Mamba of transformers (mamba, mamba2, falcon_mamba) or in the layout of "
            f"state-spaces/mamba; got {what}."
        )
    try:
        return _hugging_face(path, kind) if kind in HUGGING_FACE else _original(config)
    except (UserError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} must describe a model that can be opened; got one that cannot ({first_line(error)}). "
            "Choose another checkpoint."
        ) from None


def _config(path: Path) -> dict[str, Any]:
    config = read_json(path, "a model's config")
    return config if isinstance(config, dict) else {}


def _original(config: dict[str, Any]) -> Saved:
    shape, special = mamba_original.shape_of(config), mamba_original.special_tokens(config)
    return Saved(shape, "backbone.embedding.weight", mamba_original.FIELDS, special, config["vocab_size"])


def _hugging_face(path: Path, kind: str) -> Saved:
    import transformers
    from huggingface_hub.errors import StrictDataclassError

    config_class = transformers.CONFIG_MAPPING[kind]
    try:
        config: Any = config_class.from_json_file(path)
    except StrictDataclassError as error:
        raise UserError(" ".join(str(error).split())) from None
    if config.hidden_act not in ("silu", "swish"):
        raise UserError(f"hidden_act must be silu; got {config.hidden_act}")
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
    if kind != "mamba2":
        inner_eps = config.mixer_rms_eps if kind == "falcon_mamba" else None
        own = {"d_inner": config.intermediate_size, "dt_rank": config.time_step_rank, "inner_eps": inner_eps}
        shape = MambaConfig(**shared, **own)
    else:
        limit = mamba_original.step_limit(config.time_step_limit)
        shape = Mamba2Config(**shared, d_head=config.head_dim, n_groups=config.n_groups, dt_limit=limit)
    return Saved(shape, "backbone.embeddings.weight", FIELDS, special_ids(config), config.vocab_size)
