"""Models in memory: what is opened answers as transformers' own does, and the model that was given stays as it was."""

import pytest
import torch
import transformers

import interp
from interp.base.errors import UserError
from interp.models import build
from interp.models.pretrained.mamba import as_transformers

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 60, "bos_token_id": 59, "eos_token_id": 58}
GROUPED = SMALL | {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48}


def made(kind: str, **options):
    config = getattr(transformers, f"{kind}ForCausalLM").config_class(**options)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return getattr(transformers, f"{kind}ForCausalLM")(config).eval()


def letters_and_digits():
    """A tokenizer of a sign a token."""
    from tokenizers import Tokenizer, models

    signs = {sign: i for i, sign in enumerate("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUV")}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE(signs, [])))


@pytest.fixture
def tokens():
    return torch.randint(0, 58, (2, 9), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("kind", "options"),
    [("Llama", GROUPED), ("Mamba", SMALL | {"state_size": 8}), ("Qwen3", GROUPED | {"head_dim": 8})],
)
@torch.no_grad()
def test_a_model_in_half_precision_is_measured_in_single_and_stays_as_it_is(kind, options, tokens):
    model = made(kind, **options).to(torch.bfloat16)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    opened = interp.open(model).model
    assert next(opened.parameters()).dtype == torch.float32
    assert next(model.parameters()).dtype == torch.bfloat16
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    logits = opened.run_with_hooks(tokens, return_type="logits")
    exact = made(kind, **options)  # the half-precision model has also rounded the frequencies of its positions
    exact.load_state_dict(before)
    torch.testing.assert_close(logits, exact(tokens).logits, atol=1e-5, rtol=1e-4)


@pytest.mark.filterwarnings("ignore::nnsight.NNsightDeprecationWarning")
@torch.no_grad()
def test_what_nnsight_wraps_is_opened_with_its_tokenizer(tokens):
    nnsight = pytest.importorskip("nnsight", reason="needs the extra nnsight")
    model = made("Llama", **GROUPED)
    want, tokenizer = model(tokens).logits, letters_and_digits()
    loaded = interp.open(nnsight.NNsight(model), tokenizer)
    torch.testing.assert_close(loaded.model(tokens), want, atol=1e-5, rtol=1e-4)
    assert loaded.pretrained.tokenizer is tokenizer


@pytest.mark.filterwarnings("ignore::nnsight.NNsightDeprecationWarning")
@torch.no_grad()
def test_a_language_model_of_nnsight_brings_its_own_tokenizer(tokens):
    nnsight = pytest.importorskip("nnsight", reason="needs the extra nnsight")
    model, tokenizer = made("Llama", **GROUPED), letters_and_digits()
    want = model(tokens).logits
    loaded = interp.open(nnsight.LanguageModel(model, tokenizer=tokenizer))
    torch.testing.assert_close(loaded.model(tokens), want, atol=1e-5, rtol=1e-4)
    assert loaded.pretrained.tokenizer is tokenizer and loaded.description["edits_act"]
    assert loaded.description["spec"] == "a LanguageModel in memory"


def test_a_bridge_is_taken_as_it_is_and_says_what_was_tried():
    bridge = interp.open(made("Llama", **GROUPED)).model
    loaded = interp.open(bridge, name="mine")
    assert loaded.model is bridge
    about = loaded.description
    assert (about["spec"], about["heads_per_layer"], about["key_value_heads"]) == ("mine", 4, 2)
    assert about["rows_sum_to_one"] and about["edits_act"] and about["not_measured"] == []


def test_edits_that_do_not_act_are_found_when_a_model_is_opened():
    config = transformers.OPTConfig(
        vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, ffn_dim=48, word_embed_proj_dim=32
    )
    about = interp.open(transformers.OPTForCausalLM(config)).description
    assert not about["edits_act"]
    assert "edits of its patterns do not reach the logits" in about["not_measured"][0]


def test_anything_else_is_refused_in_a_sentence():
    with pytest.raises(UserError, match=r"nnsight LanguageModel or a TransformerBridge; got 'Linear'"):
        interp.open(torch.nn.Linear(2, 2))
    with pytest.raises(UserError, match=r"tokenizer must be one of transformers; got 'str'"):
        interp.open(made("Llama", **GROUPED), "gpt2")
    with torch.device("meta"):
        absent = transformers.LlamaForCausalLM(transformers.LlamaConfig(**GROUPED))
    with pytest.raises(UserError, match=r"must be in memory; got a model on meta"):
        interp.open(absent)
    with pytest.raises(UserError, match=r"float32, as rounding would decide .* bfloat16"):
        interp.open(interp.open(made("Llama", **GROUPED)).model.to(torch.bfloat16))
    with pytest.raises(UserError, match=r"the RwkvForCausalLM in memory must show the causal attention"):
        interp.open(made("Rwkv", **SMALL, attention_hidden_size=32))


def test_a_model_of_this_package_is_opened_as_it_is_with_the_tokenizer_that_is_passed():
    ours = interp.load("planted:shift?k=2").model
    words = letters_and_digits()
    words.add_special_tokens({"bos_token": "<s>"})
    with pytest.raises(UserError, match=r"at most 30 tokens, as many as the model's embedding has rows; got one of 58"):
        interp.open(ours, words)
    with pytest.raises(UserError, match=r"tokenizer must be given for a model of this package; got none"):
        interp.open(ours)
    mamba = build({"kind": "mamba", "d_vocab": 60, "d_model": 16})
    loaded = interp.open(mamba, words, name="mine")
    with pytest.raises(UserError, match=r"float32, as rounding would decide .* got a HookedMamba in bfloat16"):
        interp.open(build({"kind": "mamba", "d_vocab": 60, "d_model": 16}).to(torch.bfloat16), words)
    assert loaded.model is mamba and loaded.pretrained.tokenizer is words
    assert loaded.task.vocabulary.bos == words.bos_token_id and loaded.description["config"]["kind"] == "mamba"


@torch.no_grad()
def test_a_mamba_of_ours_is_one_of_transformers_with_the_same_answers(tokens, tmp_path):
    ours = build({"kind": "mamba", "d_vocab": 60, "d_model": 16, "initialization": "mimetic"}, seed=3)
    theirs = as_transformers(ours, bos_token_id=0)
    torch.testing.assert_close(theirs(tokens).logits, ours(tokens), atol=1e-5, rtol=1e-4)
    theirs.save_pretrained(tmp_path)
    torch.testing.assert_close(interp.load(f"hf:{tmp_path}").model(tokens), ours(tokens), atol=1e-5, rtol=1e-4)
    falcon = build({"kind": "mamba", "d_vocab": 60, "d_model": 16, "inner_eps": 1e-6})
    with pytest.raises(UserError, match=r"must be a Mamba as transformers has it, .* inner_eps 1e-06"):
        as_transformers(falcon)
    untied = build({"kind": "mamba", "d_vocab": 60, "d_model": 16, "tied": False}, seed=3)
    torch.testing.assert_close(as_transformers(untied)(tokens).logits, untied(tokens), atol=1e-5, rtol=1e-4)
    untied.unembed.b_U[3] = 0.5
    with pytest.raises(UserError, match=r"unembed.b_U must be 0, as the unembedding of a MambaForCausalLM has no bias"):
        as_transformers(untied)
