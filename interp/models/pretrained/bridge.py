"""Pretrained Hugging Face language models, opened by TransformerLens's bridge.

Read config and weights, put the bridge over them, and try whether attention can be watched there at all; then what the
measurements need to know of such a model: which token begins a text, and which tokens are ordinary ones. Needs no
tokenizer; one that lies beside the model is taken along.
"""

import copy
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.sources import build_bridge_from_module
from transformer_lens.model_bridge.sources.transformers import determine_architecture_from_hf_config

from interp.base.errors import InterpError, UserError
from interp.base.files import read_json
from interp.base.paths import expanded, is_file, is_folder
from interp.models.checkpoint import warn_if_not_finite
from interp.models.pretrained.elsewhere import refuse_recurrent
from interp.models.pretrained.hub import first_line, only_local, read_tokenizer, refusals, refuse_strange_files


def load_bridge(
    path_or_name: str | Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    device_map: str | None = None,
) -> TransformerBridge:
    """A causal language model of the Hugging Face format, with the attention written out.

    Args:
        path_or_name: a folder that transformers' `save_pretrained` wrote, or a name on the Hugging Face hub.
        device: where it goes.
        dtype: what its weights are held and run in.
        device_map: how accelerate lays it over several devices (auto, ...); None: it goes to `device`.

    Raises:
        UserError: if there is no such model, or it is of a kind whose attention TransformerLens cannot open.
        InterpError: if the hub cannot be reached, or the files are damaged or incomplete.
    """
    name = str(expanded(path_or_name, "a model after hf:"))
    model = _read(name, dtype, device_map).eval()
    model = model if device_map else model.to(torch.device(device))
    warn_if_not_finite(model.state_dict(), name)
    return bridge_over(model, name, read_tokenizer(name))


def untrained_bridge(bridge: TransformerBridge, seed: int) -> TransformerBridge:
    """A model of the same config and device with fresh weights; the same seed gives the same weights."""
    from transformers import AutoModelForCausalLM

    config = copy.deepcopy(bridge.original_model.config)
    with torch.random.fork_rng(devices=[]):  # transformers draws from the global generator and takes no other
        torch.default_generator.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(
            config, attn_implementation="eager", dtype=bridge.cfg.dtype, trust_remote_code=False
        )
    return bridge_over(model.to(bridge.cfg.device).eval(), f"an untrained {bridge.cfg.model_name}", None)


@dataclass(frozen=True)
class Pretrained:
    """What is known of a pretrained model's token ids beside its weights."""

    name: str
    d_vocab: int
    """Rows of the embedding that are text; further ones fill it up."""
    special: tuple[tuple[int, ...], ...]
    """Tokens that begin a text, that end one, that fill it up, as the config names them."""
    tokenizer: Any = None

    @classmethod
    def of(cls, model: "TransformerBridge | Pretrained") -> "Pretrained":
        """A bridge knows it all itself."""
        if isinstance(model, Pretrained):
            return model
        original: Any = model.original_model
        special = special_ids(original.config.get_text_config())
        return cls(model.cfg.model_name, model.cfg.d_vocab, special, model.tokenizer)


def special_ids(config: Any) -> tuple[tuple[int, ...], ...]:
    """The special tokens of a config (or a tokenizer), see `Pretrained.special`."""
    values = [getattr(config, f"{role}_token_id", None) for role in ("bos", "eos", "pad")]
    return tuple(tuple(value) if isinstance(value, list) else () if value is None else (value,) for value in values)


def begin_token(model: TransformerBridge | Pretrained) -> int:
    """The token that stands before a text: BOS, or the end token in models that have none; the config's, or else the
    tokenizer's.

    Raises: UserError if neither names one.
    """
    known = Pretrained.of(model)
    for ids in (*known.special[:2], *special_ids(known.tokenizer)[:2]):
        for token in ids:
            if 0 <= token < known.d_vocab:
                return token
    raise UserError(
        f"{known.name} must name a token that begins a text; got none. Set bos_token_id in its "
        "config.json, or add a tokenizer that names one."
    )


def ordinary_tokens(model: TransformerBridge | Pretrained) -> list[int]:
    """The token ids of text: no special or added tokens, and no rows that only fill up the embedding.

    Without a tokenizer the config's special tokens are all that can be left out.
    """
    known = Pretrained.of(model)
    special, size = {token for ids in known.special for token in ids}, known.d_vocab
    if (tokenizer := known.tokenizer) is not None:
        size = min(size, len(tokenizer))
        special |= {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    return [token for token in range(size) if token not in special]


# ---------------------------------------------------------------------- reading


def _read(name: str, dtype: torch.dtype, device_map: str | None) -> Any:
    """The weights in transformers' own model."""
    from transformers import AutoConfig, AutoModelForCausalLM

    _refuse(Path(name))
    options: Any = {"trust_remote_code": False, "local_files_only": only_local(name)}
    with refusals(name, "the model"):
        config = AutoConfig.from_pretrained(name, **options)
        refuse_recurrent(config.model_type, name)
        _architecture(config, name)
        _refuse_layers_without_weights(config, name)
        read: Any = AutoModelForCausalLM.from_pretrained(
            name,
            config=config,
            dtype=dtype,
            device_map=device_map,
            attn_implementation="eager",
            output_loading_info=True,
            **options,
        )
    model, found = read
    if missing := sorted(found["missing_keys"]):  # transformers would fill them with random numbers
        raise InterpError(
            f"the weights of {name} must be complete; got none for {', '.join(missing[:6])}. Fetch the model again."
        )
    return model


def _refuse(folder: Path) -> None:
    """Raises: UserError for a folder that is not a model's, or whose model needs code of its own."""
    if not is_folder(folder):
        return
    if not is_file(folder / "config.json"):
        raise UserError(f"the folder {folder} must hold a Hugging Face model; got no config.json in it.")
    refuse_strange_files(folder)
    config = read_json(folder / "config.json", "a model's config")
    kind = config.get("model_type") if isinstance(config, dict) else None
    if isinstance(config, dict) and "auto_map" in config and kind not in _known_kinds():
        raise UserError(
            f"the model of {folder} must be one whose code transformers has; got code that lies beside it, "
            "which is never run. Choose another model."
        )


def _known_kinds() -> Container[Any]:
    from transformers import CONFIG_MAPPING

    return CONFIG_MAPPING


def _refuse_layers_without_weights(config: Any, name: str) -> None:
    """Raises: UserError for more layers than there are tensors: building them would take hours before it failed."""
    files, layers = sorted(Path(name).glob("*.safetensors")), getattr(config, "num_hidden_layers", 0)
    if not files or not isinstance(layers, int):
        return
    tensors = 0
    for path in files:
        try:
            with safe_open(path, framework="pt") as file:
                tensors += len(list(file.keys()))
        except MemoryError as error:
            raise SafetensorError(str(error)) from error  # as of any other damaged file
    if layers > tensors:
        raise UserError(
            f"num_hidden_layers of {name} must be what its weights hold; got {layers} layers and only "
            f"{tensors} tensors. Fetch the model again."
        )


def _architecture(config: Any, name: str) -> str:
    try:
        return determine_architecture_from_hf_config(config)
    except ValueError:
        kinds = ", ".join(getattr(config, "architectures", None) or [config.model_type])
        raise _no_attention(name, f"TransformerLens cannot open a {kinds}") from None


# ---------------------------------------------------------------------- opening


def bridge_over(model: Any, name: str, tokenizer: Any) -> TransformerBridge:
    """Put the bridge over a model of transformers, which becomes part of it, and try its attention.

    Args:
        model: in evaluation mode, with attention written out (eager).
        name: in refusals.
        tokenizer: or None.

    Raises: UserError for a model whose attention the bridge cannot show.
    """
    architecture = _architecture(model.config, name)
    try:
        bridge = build_bridge_from_module(
            model, architecture, hf_config=model.config, tokenizer=tokenizer, model_name=name
        )
        _try_attention(bridge, name)
    except (InterpError, MemoryError):
        raise
    except Exception as error:  # the bridge checks nothing before it reaches into a model
        raise _no_attention(name, f"TransformerLens's bridge fails on {architecture} ({first_line(error)})") from None
    return bridge.eval()


def with_tokenizer(bridge: TransformerBridge, tokenizer: Any) -> TransformerBridge:
    """Give a bridge a tokenizer that lies in no folder; handed over before, it would be read anew from its name."""
    bridge.tokenizer = tokenizer
    return bridge


@torch.no_grad()
def _try_attention(bridge: TransformerBridge, name: str) -> None:
    """Run three tokens and see whether every layer shows a causal pattern and one vector per head."""
    layers, heads = range(bridge.cfg.n_layers), bridge.cfg.n_heads
    names = [f"blocks.{layer}.attn.{hook}" for layer in layers for hook in ("hook_pattern", "hook_z")]
    if bare := [hook for hook in names if hook not in bridge.hook_dict]:
        raise _no_attention(name, f"it has no {bare[0]}")
    _, cache = bridge.run_with_cache(torch.zeros(1, 3, dtype=torch.long, device=bridge.cfg.device), names_filter=names)
    for layer in layers:
        pattern, z = cache[f"blocks.{layer}.attn.hook_pattern"], cache[f"blocks.{layer}.attn.hook_z"]
        if pattern.shape != (1, heads, 3, 3) or z.shape[:3] != (1, 3, heads):
            raise _no_attention(name, f"layer {layer} does not show {heads} heads")
        if bool(pattern.triu(1).any()):
            raise _no_attention(name, f"layer {layer} also attends to later tokens")


def _no_attention(name: str, why: str) -> UserError:
    return UserError(
        f"{name} must show the causal attention of each of its heads; got a model that does not ({why}). "
        "Choose a decoder such as GPT-2 or Llama, or a Mamba."
    )
