"""Tiny random models, saved by transformers itself, are the truth: their own attentions and logits."""

import json
import os
import warnings
from itertools import product
from pathlib import Path

import pytest
import torch

from interp.base.errors import InterpError, UserError
from interp.models.heads import HeadTable
from interp.models.pretrained.bridge import begin_token, load_bridge, ordinary_tokens, untrained_bridge
from interp.models.surface import device, n_ctx, patterns, visit_attention, vocab_size

transformers = pytest.importorskip("transformers")

SMALL = {"vocab_size": 50, "bos_token_id": 48, "eos_token_id": 49, "pad_token_id": None}
WIDE = {"num_hidden_layers": 3, "num_attention_heads": 4, "hidden_size": 32, "max_position_embeddings": 40} | SMALL
GROUPED = WIDE | {"num_key_value_heads": 2, "intermediate_size": 48}
CONFIGS = {
    "GPT2": transformers.GPT2Config(n_layer=3, n_head=4, n_embd=32, n_positions=40, **SMALL),
    "GPTNeoX": transformers.GPTNeoXConfig(intermediate_size=48, **WIDE),
    "Llama": transformers.LlamaConfig(**GROUPED),
    "Gemma2": transformers.Gemma2Config(head_dim=8, sliding_window=6, query_pre_attn_scalar=8, **GROUPED),
    "OPT": transformers.OPTConfig(ffn_dim=48, word_embed_proj_dim=32, **WIDE),
}
REBUILT = [name for name in CONFIGS if name != "OPT"]


@pytest.fixture(scope="module")
def folders(pretrained, tmp_path_factory) -> dict[str, Path]:
    folders = {name: tmp_path_factory.mktemp(name) for name in CONFIGS}
    for name, config in CONFIGS.items():
        pretrained(config, folders[name])
    return folders


@pytest.fixture(scope="module")
def bridges(folders):
    return {name: load_bridge(folder) for name, folder in folders.items()}


@pytest.fixture
def tokens():
    return torch.randint(0, 48, (3, 12), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", CONFIGS)
@torch.no_grad()
def test_logits_and_patterns_are_those_of_transformers(name, folders, bridges, tokens):
    own = transformers.AutoModelForCausalLM.from_pretrained(folders[name], attn_implementation="eager")
    want = own(tokens, output_attentions=True)
    bridge, seen = bridges[name], {}
    visit_attention(bridge, tokens, lambda layer, pattern, _: seen.update({layer: pattern}))
    torch.testing.assert_close(bridge(tokens), want.logits, atol=1e-4, rtol=1e-4)
    assert list(seen) == [0, 1, 2]
    for layer, attention in enumerate(want.attentions):
        torch.testing.assert_close(seen[layer], attention, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(patterns(bridge, tokens, layer), attention, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_shape_is_that_of_the_config(name, bridges):
    bridge = bridges[name]
    assert HeadTable.of(bridge).names == tuple(f"L{layer}H{head}" for layer, head in product(range(3), range(4)))
    assert (vocab_size(bridge), n_ctx(bridge)) == (50, 40)
    assert device(bridge) == torch.device("cpu")


@pytest.mark.parametrize("name", REBUILT)
def test_scores_are_those_before_the_softmax(name, bridges, tokens):
    assert HeadTable.of(bridges[name]).editable == HeadTable.of(bridges[name]).heads
    seen = []
    visit_attention(bridges[name], tokens, lambda _, pattern, scores: seen.append((pattern, scores)))
    for pattern, scores in seen:
        assert torch.isneginf(scores).equal(pattern == 0)
        torch.testing.assert_close(scores.softmax(dim=-1), pattern)


def test_probabilities_under_the_name_of_scores_are_not_taken_for_scores(bridges, tokens):
    assert HeadTable.of(bridges["OPT"]).editable == ()
    visit_attention(bridges["OPT"], tokens, lambda _, pattern, scores: _assert(pattern is not None and scores is None))


@pytest.mark.parametrize("name", CONFIGS)
@torch.no_grad()
def test_an_edit_of_one_heads_z_takes_away_what_it_writes_and_no_more(name, bridges, tokens):
    bridge = bridges[name]
    _, cache = bridge.run_with_cache(tokens)

    def zero(z, **_):
        z = z.clone()
        z[:, :, 1] = 0
        return z

    written = []
    bridge.run_with_hooks(
        tokens,
        fwd_hooks=[("blocks.1.attn.hook_z", zero), ("blocks.1.hook_attn_out", lambda out, **_: written.append(out))],
    )
    head = cache["blocks.1.attn.hook_z"][:, :, 1] @ bridge.W_O[1, 1]
    if name == "Gemma2":  # the block normalises what attention writes; the change is not the head's own output
        assert not torch.allclose(written[0], cache["blocks.1.hook_attn_out"])
    else:
        torch.testing.assert_close(cache["blocks.1.hook_attn_out"] - written[0], head, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
@torch.no_grad()
def test_an_edit_of_the_pattern_has_an_effect_where_there_are_true_scores_and_nowhere_else(name, bridges, tokens):
    def even(pattern, **_):
        return torch.ones_like(pattern).tril() / torch.arange(1, pattern.shape[-1] + 1)[:, None]

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        edited = bridges[name].run_with_hooks(tokens, fwd_hooks=[("blocks.0.attn.hook_pattern", even)])
    changed = not torch.allclose(edited, bridges[name](tokens), atol=1e-3)
    assert changed == bool(HeadTable.of(bridges[name]).editable)
    assert changed or "edit is discarded" in str(said[0].message)


@torch.no_grad()
def test_an_untrained_model_has_the_shape_and_not_the_weights(bridges, tokens):
    bridge = bridges["Llama"]
    before, state = bridge(tokens), torch.get_rng_state()
    first, again, other = (untrained_bridge(bridge, seed) for seed in (3, 3, 4))
    assert HeadTable.of(first) == HeadTable.of(bridge)
    assert torch.equal(first(tokens), again(tokens))
    assert not torch.allclose(first(tokens), other(tokens))
    assert not torch.allclose(first(tokens), before)
    assert torch.equal(bridge(tokens), before), "the model that was asked is unchanged"
    assert torch.equal(torch.get_rng_state(), state), "the global generator is unchanged"


def test_special_tokens_are_not_ordinary(bridges):
    assert begin_token(bridges["GPT2"]) == 48
    assert ordinary_tokens(bridges["GPT2"]) == list(range(48))


def test_a_tokenizer_beside_the_model_says_which_rows_of_the_embedding_are_text(folders, tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    words = {f"w{i}": i for i in range(40)}
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="w0"))
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="w7", unk_token="w0")
    _copy(folders["GPT2"], tmp_path)
    tokenizer.save_pretrained(tmp_path)
    bridge = load_bridge(tmp_path)
    assert ordinary_tokens(bridge) == [i for i in range(40) if i not in (0, 7)]


def test_a_model_that_names_no_beginning_is_refused(tmp_path):
    config = transformers.GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=20, bos_token_id=None, eos_token_id=None)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="must name a token that begins a text"):
        begin_token(load_bridge(tmp_path))


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/no/such/folder", "/no/such/folder must be a folder or a name"),
        ("two words", "no name that the hub allows"),
    ],
)
def test_a_model_that_is_nowhere_is_the_users_mistake(name, why):
    with pytest.raises(UserError, match=why) as caught:
        load_bridge(name)
    assert caught.value.__suppress_context__, "no chain of tracebacks from transformers"


def test_a_hub_out_of_reach_is_not_the_users_mistake(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InterpError, match="hub could not be reached") as caught:
        load_bridge("someone/some-model")
    assert not isinstance(caught.value, UserError)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("RepositoryNotFoundError", "got neither. Check the name"),
        ("GatedRepoError", "must be accepted on the Hugging Face hub"),
    ],
)
def test_what_the_hub_refuses_is_told_in_a_sentence(kind, told, monkeypatch, tmp_path):
    def refuse(*_, **__):
        response = httpx.Response(404, request=httpx.Request("HEAD", "https://hub"))
        raise OSError("many lines") from getattr(huggingface_hub.errors, kind)("no", response=response)

    httpx, huggingface_hub = pytest.importorskip("httpx"), pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", refuse)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=told):
        load_bridge("someone/some-model")


def test_a_folder_without_a_config_holds_no_model(tmp_path):
    with pytest.raises(UserError, match=r"got no config\.json in it"):
        load_bridge(tmp_path)


def test_a_folder_without_weights_holds_no_whole_model(folders, tmp_path):
    _copy(folders["GPT2"], tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(UserError, match="must hold a whole Hugging Face model"):
        load_bridge(tmp_path)


def test_truncated_weights_are_refused(folders, tmp_path):
    _copy(folders["GPT2"], tmp_path)
    weights = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(InterpError, match=r"got a damaged one"):
        load_bridge(tmp_path)


def test_weights_that_are_missing_are_not_made_up(folders, tmp_path):
    _copy(folders["Llama"], tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 4}))
    with pytest.raises(InterpError, match=r"must be complete; got none for model\.layers\.3"):
        load_bridge(tmp_path)


def test_weights_of_another_shape_are_refused(folders, tmp_path):
    _copy(folders["Llama"], tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"hidden_size": 64}))
    with pytest.raises(InterpError, match=r"got a damaged one|must be complete"):
        load_bridge(tmp_path)


@pytest.mark.parametrize(
    "config",
    [
        transformers.MambaConfig(num_hidden_layers=1, hidden_size=16, vocab_size=20),
        transformers.Olmo2Config(num_hidden_layers=1, num_attention_heads=2, hidden_size=16, intermediate_size=16),
        transformers.T5Config(num_layers=1, d_model=16, num_heads=2, d_kv=8, d_ff=16, vocab_size=20),
    ],
    ids=["no attention", "unknown to TransformerLens", "no causal language model"],
)
def test_a_model_without_heads_to_watch_is_refused(config, tmp_path):
    transformers.AutoModel.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"must show the causal attention|must be one that transformers can open"):
        load_bridge(tmp_path)


def test_code_beside_a_model_is_never_run_and_nobody_is_asked(folders, tmp_path, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("somebody was asked"))
    for place, change in {
        "model": {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}},
        "tokenizer": {},
    }.items():
        folder = tmp_path / place
        folder.mkdir()
        _copy(folders["Llama"], folder)
        (folder / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nConfig = Tokenizer = object\n")
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | change))
        mine = {"tokenizer_class": "Mine", "auto_map": {"AutoTokenizer": ["mine.Tokenizer", None]}}
        (folder / "tokenizer_config.json").write_text(json.dumps(mine))
        with pytest.raises(UserError, match="never run" if place == "model" else "the tokenizer of"):
            load_bridge(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"num_hidden_layers": "1"},
        {"num_hidden_layers": 10**6},
        {"hidden_act": "gelu_mine"},
        {"num_attention_heads": 0},
        {"vocab_size": -1},
        {"rope_parameters": {"rope_type": "mine"}},
        {"model_type": None},
        {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}},
    ],
    ids=str,
)
def test_an_odd_config_ends_in_one_sentence(change, folders, tmp_path):
    _copy(folders["Llama"], tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(InterpError) as caught:
        load_bridge(tmp_path)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["null", "[" * 100_000, '{"model": null}', "\x00"], ids=["null", "deep", "odd", "bad"])
def test_a_damaged_tokenizer_ends_in_one_sentence(text, folders, tmp_path):
    _copy(folders["Llama"], tmp_path)
    (tmp_path / "tokenizer.json").write_text(text)
    (tmp_path / "tokenizer_config.json").write_text(text)
    with pytest.raises(UserError, match="the tokenizer of"):
        load_bridge(tmp_path)


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(folders, tmp_path):
    _copy(folders["Llama"], tmp_path)
    os.mkfifo(tmp_path / "generation_config.json.part")
    with pytest.raises(UserError, match="must be a file"):
        load_bridge(tmp_path)


def _copy(source: Path, target: Path) -> None:
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())


def _assert(fact: bool) -> None:
    assert fact
