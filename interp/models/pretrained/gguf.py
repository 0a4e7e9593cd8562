"""Language models in one GGUF file, as llama.cpp keeps them: read into transformers' own class, weights in float32.

Read the header, make the config of it, widen the tensors and give them transformers' names, and put the bridge over the
model. The file is parsed as numbers and text; nothing in it is run. Its tokenizer: `gguf_tokenizer`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from interp.base.errors import InterpError, UserError, shortened
from interp.base.paths import expanded, is_file, is_folder
from interp.models.checkpoint import warn_if_not_finite
from interp.models.pretrained.bridge import bridge_over, with_tokenizer
from interp.models.pretrained.gguf_tokenizer import check_splits, read_gguf_tokenizer
from interp.models.pretrained.hub import first_line

MAGIC = b"GGUF"
LIKE_LLAMA = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}
"""Architecture -> transformers' class; files of Mistral and SmolLM say llama, too."""
CONFIG = {
    "num_hidden_layers": "block_count",
    "hidden_size": "embedding_length",
    "intermediate_size": "feed_forward_length",
    "num_attention_heads": "attention.head_count",
    "rms_norm_eps": "attention.layer_norm_rms_epsilon",
    "max_position_embeddings": "context_length",
}
"""Field of transformers' config -> key of the file, after the architecture's name."""
OF_MODEL = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
OF_LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def load_gguf(path: str | Path, device: torch.device | str = "cpu") -> Any:
    """A causal language model out of a GGUF file, under TransformerLens's bridge; quantised weights are widened.

    Args:
        path: of the file.
        device: where the model goes.

    Raises:
        UserError: if there is no such file, it is not GGUF, or its model or tokenizer is of a kind that is not read.
        InterpError: if it is damaged.
    """
    file = _file(expanded(path, "a model after gguf:"))
    _reader_is_there()
    with _refusals(file):
        from gguf import GGUFReader

        reader: Any = GGUFReader(file)
        values = {key: field for key, field in reader.fields.items() if key.startswith(("general.", "tokenizer."))}
        architecture = str(_value(values, "general.architecture"))
    if architecture not in LIKE_LLAMA:
        raise UserError(
            f"general.architecture in {file} must be one of {', '.join(LIKE_LLAMA)}; got {architecture}. Choose "
            "another model, or fetch it in the Hugging Face format and pass hf:PATH."
        )
    _refuse_scaling(file, architecture, reader)
    with _refusals(file):
        check_splits(file, values)
        model = _model(file, architecture, reader)
        tokenizer = read_gguf_tokenizer(file, values)
    warn_if_not_finite(model.state_dict(), str(file))
    return with_tokenizer(bridge_over(model.to(torch.device(device)).eval(), str(file), None), tokenizer)


def _file(file: Path) -> Path:
    if not is_file(file):
        got = "a folder" if is_folder(file) else "no such file"
        name = shortened(str(file))
        raise UserError(f"a model after gguf: must be the path of a GGUF file; got {name}, {got}. Check the path.")
    try:
        with file.open("rb") as opened:
            begins = opened.read(4)
    except OSError as error:
        raise InterpError(f"{file} must be readable; got an error ({error.strerror or error}).") from error
    if begins != MAGIC:
        raise UserError(
            f"a model after gguf: must be a GGUF file, which begins with the letters GGUF; got {file}, which does not. "
            "Name another file."
        )
    return file


def _reader_is_there() -> None:
    from importlib.util import find_spec

    if find_spec("gguf") is None:
        raise UserError(
            "gguf:PATH must be read with the package gguf; got none installed. Install it: pip install 'interp[gguf]'."
        )


@contextmanager
def _refusals(file: Path) -> Iterator[None]:
    """Turn whatever the reader raises over a damaged file into one sentence."""
    try:
        yield
    except (InterpError, MemoryError):
        raise
    except Exception as error:  # counts that lie end in any of them, deep within the reader
        why = first_line(error) or type(error).__name__
        raise InterpError(
            f"{file} must be a whole GGUF file; got a damaged one ({why}). Fetch the file again."
        ) from None


def _value(fields: Mapping[str, Any], key: str, default: Any = None) -> Any:
    return fields[key].contents() if key in fields else default


def _refuse_scaling(file: Path, architecture: str, reader: Any) -> None:
    """Raises: UserError for positions that are stretched, which the file's own runner alone knows how to do."""
    stretched = _value(reader.fields, f"{architecture}.rope.scaling.type", "none")
    if any(tensor.name == "rope_freqs.weight" for tensor in reader.tensors):
        stretched = "rope_freqs.weight"
    if stretched != "none":
        raise UserError(
            f"positions of the model in {file} must not be scaled (rope.scaling); got {stretched}. Fetch it in the "
            "Hugging Face format and pass hf:PATH."
        )


def _model(file: Path, architecture: str, reader: Any) -> Any:
    """Transformers' model with the weights of the file."""
    import transformers

    shapes = {tensor.name: tuple(int(size) for size in reversed(tensor.shape)) for tensor in reader.tensors}
    config = _config(architecture, reader.fields, shapes)
    if (layers := config.num_hidden_layers) > len(shapes):
        raise InterpError(
            f"{file} must hold the weights of its {layers} layers; got only {len(shapes)} tensors. Fetch the file "
            "again."
        )
    kind: Any = getattr(transformers, LIKE_LLAMA[architecture])
    with torch.random.fork_rng(devices=[]):  # first weights are drawn from the global generator, and replaced
        model = kind._from_config(config, attn_implementation="eager", dtype=torch.float32)
    weights = _weights(reader, model.config, architecture == "llama")
    wanted = {name for name in model.state_dict() if not (config.tie_word_embeddings and name == "lm_head.weight")}
    if lacking := sorted(wanted - set(weights)):
        raise InterpError(
            f"{file} must hold every weight of its model; got none for {', '.join(lacking[:6])}. Fetch the file again."
        )
    model.load_state_dict(weights, strict=False)
    if surplus := sorted(set(weights) - wanted):
        raise InterpError(f"{file} must hold the weights of its model alone; got {', '.join(surplus[:6])}, too.")
    return model


def _config(architecture: str, fields: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> Any:
    import transformers

    values = {name: _value(fields, f"{architecture}.{key}") for name, key in CONFIG.items()}
    heads, vocab = values["num_attention_heads"], shapes["token_embd.weight"][0]
    special = {
        f"{role}_token_id": _value(fields, f"tokenizer.ggml.{key}_token_id")
        for role, key in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"))
    }
    options = {
        "vocab_size": vocab,
        "num_key_value_heads": _value(fields, f"{architecture}.attention.head_count_kv", heads),
        "head_dim": _value(fields, f"{architecture}.attention.key_length", values["hidden_size"] // heads),
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": float(_value(fields, f"{architecture}.rope.freq_base", 10000.0)),
        },
        "tie_word_embeddings": "output.weight" not in shapes,
    }
    biased = {"attention_bias": "blk.0.attn_q.bias" in shapes} if architecture == "llama" else {}
    config_class: Any = getattr(transformers, LIKE_LLAMA[architecture]).config_class
    return config_class(**values, **options, **biased, **special)


def _weights(reader: Any, config: Any, turned: bool) -> dict[str, Tensor]:
    """Every tensor of the file in single precision, by transformers' names.

    Args:
        reader: of the file.
        config: of the model.
        turned: whether the rows of queries and keys stand pair by pair, as llama.cpp rotates them.
    """
    from gguf import dequantize

    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    found: dict[str, Tensor] = {}
    for tensor in reader.tensors:
        weight = torch.tensor(dequantize(tensor.data, tensor.tensor_type), dtype=torch.float32)
        if tensor.name in OF_MODEL:
            found[OF_MODEL[tensor.name]] = weight
            continue
        _, layer, part, leaf = tensor.name.split(".")
        if turned and part in heads:
            pairs = weight.view(heads[part], -1, 2, *weight.shape[1:])
            weight = pairs.transpose(1, 2).reshape(weight.shape)
        found[f"model.layers.{layer}.{OF_LAYER[part]}.{leaf}"] = weight
    return found
