"""Bits of a text that comes again: all of them of a planted memory that holds it, none of an untrained model."""

import numpy as np
import pytest
import torch
import transformers

import interp
from interp.base.errors import UserError
from interp.measure.language.text_bits import text_bits, text_transplants
from interp.results.language import TextBits
from interp.tasks.text import Corpus, Writer

K = 6
"""Letters that the planted memory holds."""


@pytest.fixture
def writer(words):
    return Writer(words, begin=26)


@pytest.fixture
def random_words(twenty_six):
    drawn = torch.randint(26, (4000,), generator=torch.Generator().manual_seed(0)).tolist()
    return Corpus(" ".join(twenty_six[i] for i in drawn))


def test_a_planted_memory_saves_all_bits_of_what_it_holds_and_no_more(writer, random_words):
    model = interp.load(f"planted:shift?k={K}").model
    found = text_bits(model, writer, random_words, (3, K, 2 * K), strings=24)
    np.testing.assert_allclose(found.used[:2], found.prior[:2], atol=0.05)
    held = K * np.log2(26)
    assert abs(found.used[2].mean() - held) < 0.15 * held
    assert (found.other.mean(axis=1) < 0.5).all(), "another text only misleads it"
    assert found.share[0] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("kind", ["Mamba", "Mamba2"])
def test_an_untrained_model_in_transformers_layout_saves_nothing(kind, byte_pairs, tmp_path):
    shape = {"vocab_size": 700, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8, "bos_token_id": 0}
    shape |= {"num_heads": 8, "head_dim": 8, "n_groups": 1} if kind == "Mamba2" else {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        cls = getattr(transformers, f"{kind}ForCausalLM")
        loaded = interp.open(cls(cls.config_class(**shape)), byte_pairs)
    writer = Writer(byte_pairs, begin=0)
    found = text_bits(loaded.model, writer, Corpus.read(), (8, 24), strings=12)
    assert (found.prior.mean(axis=1) / found.lengths).round() == pytest.approx(np.log2(700), abs=1)
    assert max(np.abs(found.share)) < 0.02
    np.testing.assert_array_equal(TextBits.load(found.save(tmp_path)).used, found.used)
    swaps = text_transplants(loaded.model, writer, Corpus.read(), 12, strings=4)
    assert swaps.parts == ("nothing", "whole state", "blocks.0", "blocks.1")
    assert np.abs(swaps.donor).max() < 0.05 * 12 * np.log2(700)


def test_with_the_whole_state_the_donors_text_is_predicted_and_the_hosts_is_not(writer, random_words):
    model = interp.load(f"planted:shift?k={K}").model
    found = text_transplants(model, writer, random_words, K, strings=8)
    whole = found.parts.index("whole state")
    assert (found.donor[0] == 0).all() and (found.host[0] == 0).all()
    assert (found.donor[whole] > K * np.log2(26) - 1).all() and (found.host[whole] < -1).all()
    alone = text_bits(model, writer, random_words, (K,), strings=8)
    assert alone.used.mean() > 0.9 * K * np.log2(26)


def test_no_mark_between_the_texts_is_needed(byte_pairs):
    config = transformers.LlamaConfig(
        vocab_size=700,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        bos_token_id=0,
        eos_token_id=1,
    )
    loaded = interp.open(transformers.LlamaForCausalLM(config), byte_pairs)
    found = text_bits(loaded.model, Writer(byte_pairs, 0), Corpus.read(), (10,), strings=6, between="")
    assert abs(found.share[0]) < 0.02


def test_what_cannot_be_measured_is_refused(writer, random_words, twenty_six):
    model = interp.load(f"planted:shift?k={K}").model
    with pytest.raises(
        UserError, match=r"strings must be at least 2, and every length at least 1 token; got 1 and \[3\]"
    ):
        text_bits(model, writer, random_words, (3,), strings=1)
    with pytest.raises(UserError, match="between at least one token; got 4 and 0 tokens"):
        text_transplants(model, writer, random_words, 3, strings=4, between="")
    with pytest.raises(UserError, match="text must hold two different pieces of 26 tokens"):
        text_bits(model, writer, Corpus(" ".join(twenty_six)), (26,), strings=2)
