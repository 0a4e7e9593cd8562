"""Models that are already in memory, opened as `hf:` opens those on a disk: a copy in float32, the original untouched.

A model of transformers, one that nnsight wraps (`LanguageModel`), a `TransformerBridge` or a model of this package;
the last two are taken as they are.
"""

import copy
import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn
from transformer_lens.model_bridge import TransformerBridge

from interp.base.errors import InterpError, UserError, shown
from interp.models.checkpoint import warn_if_not_finite
from interp.models.hooks.model import HookedModel
from interp.models.pretrained.bridge import Pretrained, bridge_over, special_ids, with_tokenizer
from interp.models.pretrained.hub import first_line
from interp.models.pretrained.hybrids.kinds import KINDS
from interp.models.pretrained.hybrids.reading import open_hybrid
from interp.models.pretrained.mamba import open_mamba
from interp.models.pretrained.mamba_configs import HUGGING_FACE


def open_in_memory(model: object, tokenizer: Any = None) -> tuple[Any, Pretrained]:
    """Open a model that is in memory.

    Args:
        model: a causal language model of transformers, an nnsight `LanguageModel` around one, a `TransformerBridge`, or
            one of this package.
        tokenizer: its tokenizer; None: the one that a bridge or nnsight has.

    Returns: a model of ours or a bridge, and what is known of its tokens.

    Raises: UserError for any other object or tokenizer, a bridge in half precision, weights that are elsewhere
        (on meta), or an architecture that cannot be opened.
    """
    if tokenizer is not None and not (hasattr(tokenizer, "convert_ids_to_tokens") and hasattr(tokenizer, "__len__")):
        raise UserError(
            f"tokenizer must be one of transformers; got {shown(type(tokenizer).__name__)}. Pass what "
            "AutoTokenizer.from_pretrained returns, or nothing."
        )
    if isinstance(model, HookedModel | TransformerBridge):
        opened = _as_it_is(model, tokenizer) if isinstance(model, HookedModel) else _bridge(model, tokenizer)
        return _check_tokens(*opened)
    if isinstance(model, str | Path):
        raise UserError(
            f"model must be in memory; got {shown(str(model))}. Pass it to interp.load, or what holds a result to "
            "interp.load_result."
        )
    inner, own = _unwrapped(model)
    if not isinstance(inner, nn.Module) or not hasattr(getattr(inner, "config", None), "model_type"):
        raise UserError(
            f"model must be a causal language model of transformers, an nnsight LanguageModel or a TransformerBridge; "
            f"got {shown(type(model).__name__)}. Pass interp.loading.Loaded(model, task, {{}}) for any other."
        )
    tokenizer = own if tokenizer is None else tokenizer
    if any(parameter.is_meta for parameter in inner.parameters()):
        raise UserError(
            f"weights of the {type(inner).__name__} must be in memory; got a model on meta. Load them first (nnsight: "
            "dispatch=True)."
        )
    kind = str(getattr(inner.config, "model_type", None))
    opened = _ours(inner, tokenizer) if kind in (*HUGGING_FACE, *KINDS) else _copied(inner, tokenizer)
    return _check_tokens(*opened)


def _check_tokens(model: Any, known: Pretrained) -> tuple[Any, Pretrained]:
    """Raises: UserError for a tokenizer whose text has tokens that the model has no embedding of: another model's."""
    size = getattr(known.tokenizer, "vocab_size", 0) or 0  # without the tokens that were added to it
    if size > known.d_vocab:
        raise UserError(
            f"tokenizer must have at most {known.d_vocab} tokens, as many as the model's embedding has rows; got one "
            f"of {size}. Pass the model's own."
        )
    return model, known


def _as_it_is(model: HookedModel, tokenizer: Any) -> tuple[HookedModel, Pretrained]:
    """A model of this package as it is, whose tokens are those of the tokenizer."""
    if tokenizer is None:
        raise UserError(
            f"tokenizer must be given for a model of this package; got none for a {type(model).__name__}. Pass the one "
            "whose tokens it was trained on; of letters a model is asked without: interp.load."
        )
    _require_single(model)
    name = f"the {type(model).__name__} in memory"
    return model, Pretrained(name, model.cfg.d_vocab, special_ids(tokenizer), tokenizer)


def _unwrapped(model: object) -> tuple[object, Any]:
    """The module within an nnsight model and its tokenizer; anything else as it is."""
    nnsight: Any = sys.modules.get("nnsight")  # whoever has such a model has imported it
    if nnsight is None or not isinstance(model, nnsight.Envoy):
        return model, None
    wrapped: Any = model
    return wrapped._module, vars(wrapped).get("tokenizer")


def _require_single(model: nn.Module) -> None:
    """Raises: UserError for a model in half precision that is not copied."""
    if (dtype := next(model.parameters()).dtype) not in (torch.float32, torch.float64):
        raise UserError(
            f"model must be in float32, as rounding would decide between heads that are near; got a "
            f"{type(model).__name__} in {str(dtype).removeprefix('torch.')}. Make it with dtype=torch.float32, or "
            "call .float() on it."
        )


def _bridge(bridge: TransformerBridge, tokenizer: Any) -> tuple[Any, Pretrained]:
    _require_single(bridge)
    known = Pretrained.of(bridge)
    tokenizer = known.tokenizer if tokenizer is None else tokenizer
    return bridge, Pretrained(known.name, known.d_vocab, known.special, tokenizer)


def _copied(model: Any, tokenizer: Any) -> tuple[Any, Pretrained]:
    """A copy of its weights in float32, in a new model of its class, under a bridge."""
    name, config = f"the {type(model).__name__} in memory", copy.deepcopy(model.config)
    device = next(model.parameters()).device
    try:
        with torch.random.fork_rng(devices=[]):  # first weights are drawn from the global generator, and replaced
            fresh = type(model)._from_config(config, attn_implementation="eager", dtype=torch.float32)
        fresh.load_state_dict(model.state_dict())
        fresh.config.architectures = [type(model).__name__]  # a file names its class, a config that was made does not
    except (InterpError, MemoryError):
        raise
    except Exception as error:  # a quantised model, or one with modules of its own
        raise UserError(
            f"{name} must be one that its config builds anew; got an error ({first_line(error)}). Open it from its "
            "folder: hf:PATH."
        ) from None
    warn_if_not_finite(fresh.state_dict(), name)
    bridge = with_tokenizer(bridge_over(fresh.to(device).eval(), name, None), tokenizer)
    return bridge, Pretrained.of(bridge)


def _ours(model: Any, tokenizer: Any) -> tuple[Any, Pretrained]:
    """A Mamba or a hybrid goes through the files that `hf:` reads."""
    device = next(model.parameters()).device
    read = open_hybrid if model.config.model_type in KINDS else open_mamba
    with TemporaryDirectory() as folder:
        with _without_bars():
            _twin(model).save_pretrained(folder)
        ours, known = read(folder, device)
    name = f"the {type(model).__name__} in memory"
    return ours, Pretrained(name, known.d_vocab, special_ids(model.config), tokenizer)


@contextmanager
def _without_bars() -> Iterator[None]:
    """While it is open, transformers draws no progress bars: nobody asked for a file."""
    from transformers.utils import logging

    if not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()


def _twin(model: Any) -> Any:
    """The same weights with a config of their own: saving writes into it, and refuses what is of generation in it."""
    import transformers

    twin, config = copy.copy(model), copy.deepcopy(model.config)
    declared = {field.name for field in dataclasses.fields(config)}
    for name in (vars(config).keys() & vars(transformers.GenerationConfig()).keys()) - declared:
        delattr(config, name)
    twin.config, twin.generation_config = config, transformers.GenerationConfig()
    return twin
