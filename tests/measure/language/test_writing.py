"""Prompts of several lengths, continued together as each would be alone, by transformers' own model."""

import pytest
import torch
import transformers

import interp
from interp.base.errors import UserError
from interp.measure.language.answers import text_accuracy
from interp.measure.language.text_bits import text_bits
from interp.measure.language.writing import continued, predicted
from interp.tasks.text import Corpus, TextCopy, Writer

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 60, "bos_token_id": 59, "eos_token_id": 58}
GROUPED = SMALL | {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48}
MODELS = {
    "Llama": GROUPED,
    "GPT2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 60, "n_positions": 64},
    "GPTNeoX": {key: value for key, value in GROUPED.items() if key != "num_key_value_heads"},
    "Gemma2": GROUPED | {"head_dim": 8, "sliding_window": 6, "query_pre_attn_scalar": 8},
    "Qwen3": GROUPED | {"head_dim": 8},
    "Mistral": GROUPED | {"sliding_window": 6},
    "OPT": SMALL | {"num_attention_heads": 4, "ffn_dim": 48, "word_embed_proj_dim": 32},
    "Mamba": SMALL | {"state_size": 8},
    "Mamba2": SMALL | {"state_size": 8, "num_heads": 8, "head_dim": 8, "n_groups": 2},
}


def made(kind: str, **more):
    name = "GPT2LMHeadModel" if kind == "GPT2" else f"{kind}ForCausalLM"
    special = {"bos_token_id": 59, "eos_token_id": 58, "pad_token_id": 58}
    cls = getattr(transformers, name)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = cls(cls.config_class(**MODELS[kind] | special | more)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:  # so that answers depend on what was read
                parameter.mul_(3)
    return model


def alone(model, prompt: list[int], most: int) -> list[int]:
    """One prompt, every token read anew at each step: no padding, no cache."""
    tokens = torch.tensor([prompt])
    for _ in range(most):
        tokens = torch.cat([tokens, model(tokens, use_cache=False).logits[:, -1:].argmax(dim=-1)], dim=1)
    return tokens[0, len(prompt) :].tolist()


@pytest.mark.parametrize("kind", MODELS)
@torch.no_grad()
def test_prompts_of_several_lengths_are_continued_as_each_would_be_alone(kind):
    model, drawn = made(kind), torch.Generator().manual_seed(1)
    prompts = [torch.randint(0, 58, (n,), generator=drawn).tolist() for n in (9, 3, 14, 3)]
    want = [alone(model, prompt, 6) for prompt in prompts]
    assert len(set(map(tuple, want))) > 1
    assert continued(interp.open(model).model, prompts, 6) == want


@pytest.mark.parametrize("kind", ["Llama", "Gemma2", "Mamba"])
@torch.no_grad()
def test_predictions_of_strings_padded_behind_are_those_of_each_alone(kind):
    model = made(kind)
    tokens = torch.randint(0, 58, (3, 12), generator=torch.Generator().manual_seed(2))
    tokens[1, 7:] = 58
    found = predicted(interp.open(model).model, tokens, 4)
    assert bool((found[:, :4] == -1).all())
    for row, size in ((0, 12), (1, 7)):
        want = model(tokens[row : row + 1, :size]).logits.argmax(dim=-1)[0]
        assert found[row, 4:size].tolist() == want[4:].tolist()


def test_a_prompt_beyond_the_context_is_refused():
    bridge = interp.open(made("GPT2")).model
    with pytest.raises(UserError, match=r"at most 64 tokens, the context of this model; got 70"):
        continued(bridge, [[1] * 60], 10)


@pytest.mark.parametrize("kind", ["GPT2", "Llama"])
def test_a_begin_token_that_the_model_lacks_is_refused_in_a_sentence(kind, byte_pairs):
    bridge, task = interp.open(made(kind, vocab_size=700)).model, TextCopy(Writer(byte_pairs, begin=900))
    refused = pytest.raises(UserError, match=r"token ids must be from 0 to 699 for this model; got 900\.")
    for free in (False, True):
        with refused:
            text_accuracy(bridge, task, "copy", (6,), strings=2, free=free)
    with refused:
        text_bits(bridge, task.writer, Corpus.read(), (6,), strings=2)


def test_a_planted_copier_that_reads_words_copies_every_text_as_the_ideal_one_does(words, twenty_six):
    """It hashes three words; texts of words that do not recur are copied whole, those with a trap are not."""
    model, _ = interp.planted_copier(n=3)
    writer = Writer(words, begin=26)
    unique = TextCopy(writer, Corpus(" ".join(twenty_six)), form="plain")
    for free in (False, True):
        found = text_accuracy(model, unique, "copy", (5, 20), strings=6, free=free)
        assert found.right.all() and (found.share == 1).all() and found.free == free
    trap = " ".join([*twenty_six[:3], twenty_six[10], *twenty_six[5:8], *twenty_six[:3], twenty_six[11]])
    trapped = TextCopy(writer, Corpus(trap), form="plain")
    assert not text_accuracy(model, trapped, "copy", (11,), strings=4).right.any()


def test_writing_freely_and_reading_the_right_answer_agree_on_which_copies_are_right(byte_pairs):
    config = transformers.LlamaConfig(**GROUPED | {"vocab_size": 700, "bos_token_id": 0, "eos_token_id": 1})
    loaded = interp.open(transformers.LlamaForCausalLM(config), byte_pairs)
    task = TextCopy(Writer(byte_pairs, 0))
    forced, free = (text_accuracy(loaded.model, task, "copy", (8,), strings=4, free=free) for free in (False, True))
    assert forced.right.tolist() == free.right.tolist()
    assert forced.tokens == free.tokens and [e.right for e in forced.examples] == [e.right for e in free.examples]
