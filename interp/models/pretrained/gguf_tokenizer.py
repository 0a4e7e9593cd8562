"""The tokenizer of a GGUF file, with text split before merging as the file says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interp.base.errors import UserError

WORDS = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CASELESS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPLITS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("default", "gpt-2", "mpt", "olmo"), (WORDS,)),
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell"), (r"\p{N}", WORDS)),
    **dict.fromkeys(("llama3", "llama-bpe", "smaug-bpe"), (CASELESS % r"\p{N}{1,3}",)),
    "qwen2": (CASELESS % r"\p{N}",),
}
"""`tokenizer.ggml.pre` -> the patterns by which text is split before its bytes are merged, one after the other."""
WHOLE_FIRST = ("llama3", "llama-bpe", "smaug-bpe")
"""Where a piece that is a token as it stands is not merged from its bytes."""
CONTROL, BY_USER = 3, 4
"""Types of tokens that are no text, or that stand whole wherever they occur."""


def check_splits(file: Path, values: Mapping[str, Any]) -> None:
    """Raises: UserError for a file whose way of splitting text is not known."""
    if _kind(values) == "gpt2" and (pre := _pre(values)) not in SPLITS:
        raise UserError(
            f"tokenizer.ggml.pre in {file} must be one of {', '.join(SPLITS)}; got {pre}. Choose another model, or "
            "fetch it in the Hugging Face format and pass hf:PATH."
        )


def read_gguf_tokenizer(file: Path, values: Mapping[str, Any]) -> Any:
    """Make the tokenizer of a file: byte pairs from its merges, anything else as transformers converts it.

    Args:
        file: where it is.
        values: the fields of its header.

    Returns: a tokenizer of transformers; None for a file without one.
    """
    if (kind := _kind(values)) is None:
        return None
    if kind == "gpt2":
        return _byte_pairs(values)
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(
        file.parent, gguf_file=file.name, local_files_only=True, trust_remote_code=False
    )


def _byte_pairs(values: Mapping[str, Any]) -> Any:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens: list[str] = values["tokenizer.ggml.tokens"].contents()
    kinds: list[int] = values["tokenizer.ggml.token_type"].contents()
    merges = [tuple(merge.split(" ", 1)) for merge in values["tokenizer.ggml.merges"].contents()]
    pre, vocabulary = _pre(values), {token: i for i, token in enumerate(tokens)}
    made: Any = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=pre in WHOLE_FIRST))
    split = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in SPLITS[pre]]
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.pre_tokenizer, made.decoder = pre_tokenizers.Sequence([*split, plain]), decoders.ByteLevel()
    for of_kind in (CONTROL, BY_USER):
        whole = [AddedToken(t, special=of_kind == CONTROL) for t, k in zip(tokens, kinds, strict=True) if k == of_kind]
        made.add_special_tokens(whole) if of_kind == CONTROL else made.add_tokens(whole)
    roles = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}
    ids = {role: values.get(f"tokenizer.ggml.{key}_token_id") for role, key in roles.items()}
    special = {f"{role}_token": tokens[int(field.contents())] for role, field in ids.items() if field is not None}
    return PreTrainedTokenizerFast(tokenizer_object=made, clean_up_tokenization_spaces=False, **special)


def _kind(values: Mapping[str, Any]) -> str | None:
    field = values.get("tokenizer.ggml.model")
    return None if field is None else str(field.contents())


def _pre(values: Mapping[str, Any]) -> str:
    field = values.get("tokenizer.ggml.pre")
    return "default" if field is None else str(field.contents())
