"""Files that the gguf package wrote, of tiny random models: transformers' own reader of the format is the truth."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from interp.base.errors import InterpError, UserError
from interp.models.pretrained.bridge import begin_token, ordinary_tokens
from interp.models.pretrained.gguf import load_gguf
from interp.models.pretrained.gguf_tokenizer import SPLITS

gguf = pytest.importorskip("gguf")

WORDS = ["<s>", "</s>", *"abcdefgh0123456789", "\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}", "\u010a", "ab", "abc"]
LAYERS, D, HEADS, GROUPS, MLP = 2, 64, 4, 2, 96


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.3, shape).astype(np.float32)


def tensors(biased: bool) -> dict[str, np.ndarray]:
    """The weights of a model with grouped queries, by llama.cpp's names."""
    d_head, found = D // HEADS, {"token_embd.weight": numbers(len(WORDS), D), "output_norm.weight": numbers(D)}
    widths = {"attn_q": HEADS * d_head, "attn_k": GROUPS * d_head, "attn_v": GROUPS * d_head}
    for layer in range(LAYERS):
        shapes = {name: (width, D) for name, width in widths.items()}
        shapes |= {"attn_output": (D, HEADS * d_head), "attn_norm": (D,), "ffn_norm": (D,)}
        shapes |= {"ffn_gate": (MLP, D), "ffn_up": (MLP, D), "ffn_down": (D, MLP)}
        for i, (name, shape) in enumerate(shapes.items()):
            found[f"blk.{layer}.{name}.weight"] = numbers(*shape, seed=10 * layer + i)
        if biased:
            found |= {f"blk.{layer}.{name}.bias": numbers(width) for name, width in widths.items()}
    return found


def write(path: Path, architecture: str = "llama", quantised: bool = False, pre: str = "gpt-2", **more) -> Path:
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(more.get("layers", LAYERS))
    writer.add_embedding_length(D)
    writer.add_feed_forward_length(MLP)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(GROUPS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_context_length(32)
    writer.add_rope_freq_base(500.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(WORDS)
    writer.add_token_types([3, 3] + [1] * (len(WORDS) - 2))
    writer.add_token_merges(["a b", "ab c"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    for name, weight in tensors(architecture == "qwen2").items():
        if quantised and weight.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quantize(weight, kind), raw_dtype=kind)
        elif name != more.get("without"):
            writer.add_tensor(name, weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def reference(path: Path, tokens: torch.Tensor):
    options = {"gguf_file": path.name, "dtype": torch.float32, "attn_implementation": "eager"}
    return transformers.AutoModelForCausalLM.from_pretrained(path.parent, **options)(tokens, output_attentions=True)


@pytest.mark.filterwarnings("ignore")  # transformers' own reader warns of its arrays
@pytest.mark.parametrize(("architecture", "quantised"), [("llama", False), ("llama", True), ("qwen2", False)])
@torch.no_grad()
def test_logits_and_attention_are_those_of_transformers_reader(tmp_path, architecture, quantised):
    path = write(tmp_path / "model.gguf", architecture, quantised)
    tokens = torch.randint(2, len(WORDS), (2, 9), generator=torch.Generator().manual_seed(0))
    want = reference(path, tokens)
    bridge = load_gguf(path)
    logits, cache = bridge.run_with_cache(tokens, names_filter=lambda name: name.endswith("hook_pattern"))
    torch.testing.assert_close(logits, want.logits, atol=1e-5, rtol=1e-5)
    for layer, attention in enumerate(want.attentions):
        torch.testing.assert_close(cache[f"blocks.{layer}.attn.hook_pattern"], attention, atol=1e-5, rtol=1e-5)


def test_the_tokenizer_merges_bytes_and_knows_which_tokens_are_no_text(tmp_path):
    bridge = load_gguf(write(tmp_path / "model.gguf"))
    tokenizer = bridge.tokenizer
    ids = tokenizer.encode("abcd 12\nab", add_special_tokens=False)
    assert tokenizer.convert_ids_to_tokens(ids) == ["abc", "d", WORDS[20], "1", "2", WORDS[21], "ab"]
    assert tokenizer.decode(ids) == "abcd 12\nab"
    assert begin_token(bridge) == 0
    assert ordinary_tokens(bridge) == list(range(2, len(WORDS)))


@pytest.mark.parametrize(
    ("pre", "text", "pieces"),
    [
        ("gpt-2", "It's  12 cafés\n\nok", ["It", "'s", " ", " 12", " cafés", "\n", "\n", "ok"]),
        ("smollm", "a  12", ["a", "  ", "1", "2"]),
        ("llama-bpe", "In 12345 days!\n\nOk", ["In", " ", "123", "45", " days", "!\n\n", "Ok"]),
        ("qwen2", "IT'S 123", ["IT", "'S", " ", "1", "2", "3"]),
    ],
)
def test_text_is_split_as_the_file_says(pre, text, pieces):
    from tokenizers import Regex, pre_tokenizers

    split = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in SPLITS[pre]])
    assert [piece for piece, _ in split.pre_tokenize_str(text)] == pieces


def test_what_is_no_such_file_is_refused_in_a_sentence(tmp_path):
    other = tmp_path / "other.gguf"
    other.write_bytes(b"PK\x03\x04 not a model")
    with pytest.raises(UserError, match=r"which begins with the letters GGUF; got .*other.gguf"):
        load_gguf(other)
    with pytest.raises(UserError, match=r"must be the path of a GGUF file; got .*, a folder"):
        load_gguf(tmp_path)
    with pytest.raises(UserError, match=r"got .*none.gguf, no such file"):
        load_gguf(tmp_path / "none.gguf")


@pytest.mark.parametrize("share", [0.01, 0.2, 0.6, 0.99])
def test_a_file_that_was_cut_off_is_damaged(tmp_path, share):
    path = write(tmp_path / "model.gguf")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InterpError, match=r"must be a whole GGUF file; got a damaged one"):
        load_gguf(path)


def test_other_architectures_and_splits_are_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=r"must be one of llama, qwen2, qwen3; got rwkv7"):
        load_gguf(write(tmp_path / "rwkv.gguf", "rwkv7"))
    with pytest.raises(UserError, match=r"tokenizer.ggml.pre in .* got tekken"):
        load_gguf(write(tmp_path / "tekken.gguf", pre="tekken"))


def test_a_file_without_some_weights_is_refused(tmp_path):
    lacking = write(tmp_path / "lacking.gguf", without="blk.1.attn_k.weight")
    with pytest.raises(InterpError, match=r"got none for model.layers.1.self_attn.k_proj.weight"):
        load_gguf(lacking)
    with pytest.raises(InterpError, match=r"its 1000000 layers; got only 20 tensors"):
        load_gguf(write(tmp_path / "layers.gguf", layers=1_000_000))
