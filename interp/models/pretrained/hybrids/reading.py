"""Read a hybrid of transformers into ours: config, then weights, each tensor held to what the config asks for."""

from pathlib import Path
from typing import Any

import torch

from interp.base.errors import UserError
from interp.base.files import read_json
from interp.base.paths import expanded
from interp.models.checkpoint import set_weights, warn_if_not_finite
from interp.models.pretrained.bridge import Pretrained, special_ids
from interp.models.pretrained.hub import find, first_line, read_tensors, read_tokenizer
from interp.models.pretrained.hybrids.kind import check_fields, words
from interp.models.pretrained.hybrids.kinds import KINDS
from interp.models.pretrained.hybrids.tensors import Tensors
from interp.models.recurrent.hybrid import HookedHybrid, HybridConfig

PREFIXES = ("model.language_model.", "model.", "backbone.")
"""What the names of a checkpoint's layers begin with."""
BESIDE_TEXT = words(
    "image_token_id language_model_only text_config tie_word_embeddings video_token_id vision_config "
    "vision_end_token_id vision_start_token_id"
)
"""Fields of a model that also sees pictures, none of which is of its text."""


def holds_hybrid(path_or_name: str | Path) -> bool:
    """Whether the config of a saved model is that of a kind that `open_hybrid` reads.

    Raises: as `hub.find`, for a model that has no config; InterpError for a damaged one.
    """
    config = read_json(find(str(expanded(path_or_name, "a model after hf:")), "config.json"), "a model's config")
    return isinstance(config, dict) and config.get("model_type") in KINDS


def open_hybrid(path_or_name: str | Path, device: torch.device | str = "cpu") -> tuple[HookedHybrid, Pretrained]:
    """Open a hybrid in our own model, in float32, with what is known about its tokens.

    Args:
        path_or_name: a folder or a name on the Hugging Face hub.
        device: where it goes.

    Raises: UserError for a model that is not there, of another kind, or with options that ours do not have, and where
        config and weights do not belong together; InterpError if the hub cannot be reached, or for damaged files.
    """
    name = str(expanded(path_or_name, "a model after hf:"))
    config, shape = _config(find(name, "config.json"))
    kind = KINDS[config.model_type]
    path, found = read_tensors(name)
    warn_if_not_finite(found, path)
    tensors = Tensors(found, path, PREFIXES)
    tensors.drop(kind.passed_over)
    with torch.device("meta"):
        model = HookedHybrid(shape)
    weights = kind.weights(config, tensors)
    tensors.require_empty()
    set_weights(model, {own: value.contiguous() for own, value in weights.items()})
    known = Pretrained(name, config.vocab_size, special_ids(config), read_tokenizer(name))
    return model.to(device).eval(), known


def _config(path: Path) -> tuple[Any, HybridConfig]:
    """Their config of the text's part of the model, and ours."""
    import transformers
    from huggingface_hub.errors import StrictDataclassError

    saved = read_json(path, "a model's config")
    try:
        config_class, left_out = transformers.CONFIG_MAPPING[saved["model_type"]], KINDS[saved["model_type"]].unread
        if left_out & saved.keys():
            whole: Any = config_class(**{name: value for name, value in saved.items() if name not in left_out})
        else:
            whole = config_class.from_json_file(path)
        config = whole.get_text_config()
        if config is not whole:
            config.tie_word_embeddings = whole.tie_word_embeddings
            check_fields(whole, BESIDE_TEXT)
        kind = KINDS[config.model_type]
        check_fields(config, kind.reads)
        return config, kind.shape(config)
    except (UserError, StrictDataclassError, TypeError, ValueError, AttributeError, KeyError) as error:
        why = " ".join(first_line(error).split()) or type(error).__name__
        raise UserError(
            f"{path} must describe a model that can be opened; got one that cannot ({why}). Choose another checkpoint."
        ) from None
