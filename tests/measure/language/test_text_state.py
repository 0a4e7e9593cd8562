"""The state behind a text: a planted memory of six words shows six in every measure, untrained models show nothing."""

import numpy as np
import pytest
import torch
import transformers

import interp
from interp.base.errors import UserError
from interp.figures.tables import state_shape_rows, text_state_rows
from interp.figures.text_state import state_figures
from interp.measure.language.text_bits import text_bits, text_transplants
from interp.measure.language.text_state import text_remembrance, text_state
from interp.measure.state.ablations import state_ablations
from interp.measure.state.size import effective_size
from interp.measure.state.transplant import transplants
from interp.models.recurrent.hybrid import HookedHybrid, HybridConfig
from interp.results.text_state import TextState
from interp.tasks.text import Corpus, TextAgain, Writer

K = 6
"""Letters that the planted memory holds."""
SHAPE = {"vocab_size": 700, "hidden_size": 16, "num_hidden_layers": 2, "bos_token_id": 0, "eos_token_id": 1}


@pytest.fixture
def writer(words):
    return Writer(words, begin=26)


@pytest.fixture
def random_words(twenty_six):
    drawn = torch.randint(26, (4000,), generator=torch.Generator().manual_seed(0)).tolist()
    return Corpus(" ".join(twenty_six[i] for i in drawn))


def made(kind: str, **more):
    cls = getattr(transformers, f"{kind}ForCausalLM")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return cls(cls.config_class(**SHAPE | more))


def test_a_planted_memory_remembers_its_last_words_alone_each_for_its_own_copy(writer, random_words):
    model = interp.load(f"planted:shift?k={K}").model
    found = text_remembrance(model, writer, random_words, (K, 2 * K), strings=8)
    assert (found.effect[0, :K] > 0.99).all() and (found.elsewhere[0, :K] < 0.01).all()
    np.testing.assert_allclose(found.effect[1, :K], 0, atol=0.01)
    assert (found.effect[1, K:] > 0.9).all()


def test_the_state_of_a_planted_memory_is_full_at_six_words_and_moves_with_them(writer, random_words, tmp_path):
    loaded = interp.open(interp.load(f"planted:shift?k={K}").model, writer.tokenizer, name="shift")
    found = text_state(loaded.model, writer, random_words, (2, 4, K, 8, 10, 12), strings=16)
    assert found.saturation.value == pytest.approx(K, rel=0.1)
    assert found.bits.used[2].mean() == pytest.approx(K * np.log2(26), abs=0.1)
    whole = found.transplants.parts.index("whole state")
    assert found.transplants.length in (K, 8, 10, 12) and found.transplants.donor[whole].mean() > 20
    assert found.size.floats == (found.size.floats[0],) * 6, "a memory of constant size"
    assert found.share_of_state[2] == pytest.approx(K * np.log2(26) / found.size.bits[2], rel=0.01)
    assert all(found.bits.share_interval(i).low <= found.bits.share[i] for i in range(6))
    again = TextState.load(found.save(tmp_path))
    np.testing.assert_array_equal(again.transplants.donor, found.transplants.donor)
    assert again.saturation == found.saturation and again.not_measured == ()
    assert list(state_figures([("shift", again)])) == ["state_shares", "state_bits", "state_far", "state_swaps"]
    assert len(text_state_rows("shift", again)) == 6
    assert {row["part"] for row in state_shape_rows("shift", again)} == {*found.geometry.layers}


@pytest.mark.parametrize("kind", ["Mamba", "Mamba2"])
def test_the_state_of_an_untrained_model_keeps_nothing_and_its_tokens_hardly_count(kind, byte_pairs):
    more = {"num_heads": 4, "head_dim": 8, "n_groups": 1} if kind == "Mamba2" else {}
    loaded = interp.open(made(kind, state_size=4, **more), byte_pairs)
    found = text_state(loaded.model, Writer(byte_pairs, 0), Corpus.read(), (4, 12), strings=8)
    assert max(np.abs(found.bits.share)) < 0.02 and found.saturation is None
    assert np.nanmax(found.remembrance.effect) < 0.1
    assert (found.geometry.participation_ratio > 0).any() and len(found.geometry.layers) == 4


def test_a_hybrids_state_is_that_of_all_its_layers(byte_pairs):
    config = HybridConfig(
        d_model=16, d_vocab=700, layers=("mamba", "attention"), mamba={"d_state": 4}, attention={"n_heads": 2}
    )
    loaded = interp.open(HookedHybrid(config), byte_pairs, name="a hybrid")
    found = text_state(loaded.model, Writer(byte_pairs, 0), Corpus.read(), (4, 8), strings=6)
    assert found.transplants.parts == ("nothing", "whole state", "blocks.0", "blocks.1")
    assert {"blocks.0.h", "blocks.1.keys"} <= {*found.geometry.layers}
    assert found.size.floats[1] - found.size.floats[0] == 4 * 2 * 16, "keys and values grow with the text"


def test_of_a_model_that_keeps_its_state_to_itself_bits_and_remembrance_are_measured_and_it_is_said(byte_pairs):
    llama = made("Llama", num_attention_heads=2, intermediate_size=16)
    loaded, writer = interp.open(llama, byte_pairs), Writer(byte_pairs, 0)
    found = text_state(loaded.model, writer, Corpus.read(), (4, 8), strings=4)
    assert found.size is None and found.transplants is None and found.share_of_state is None
    assert "TransformerBridge keeps what it carries to itself" in found.not_measured[0]
    assert list(state_figures([("llama", found)])) == ["state_shares", "state_bits", "state_far"]
    with pytest.raises(UserError, match=r"model must carry a state .* got a TransformerBridge"):
        text_transplants(loaded.model, writer, Corpus.read(), 4)


def test_texts_beyond_the_context_are_refused(byte_pairs):
    llama = made("Llama", num_attention_heads=2, intermediate_size=16, max_position_embeddings=64)
    writer = Writer(byte_pairs, 0, 64)
    with pytest.raises(UserError, match="at most 64 tokens, the context of this model; got 8"):
        text_bits(interp.open(llama, byte_pairs).model, writer, Corpus.read(), (40,), 4)


def test_few_strings_and_texts_of_one_token_are_refused(writer, twenty_six):
    model, same = interp.load("planted:shift?k=2").model, Corpus(f"{twenty_six[0]} " * 40)
    with pytest.raises(UserError, match="strings must be at least 4 to measure the spread of states; got 3"):
        text_state(model, writer, same, (3,), strings=3)
    with pytest.raises(UserError, match="text must have at least two different tokens; got a text"):
        text_remembrance(model, writer, same, (3,), strings=2)


def test_measures_that_need_a_separator_are_taken_on_text(writer, random_words):
    """A memory of six words, asked to write six again: nothing is left without it, and all comes with a donor's."""
    model, task = interp.load(f"planted:shift?k={K}").model, TextAgain(writer, corpus=random_words)
    whole = state_ablations(model, task, K, 12, 0, kinds=("zero",))[0]
    assert whole.letter_accuracy_before == 1 and whole.letter_accuracy_after < 0.2
    found = effective_size(model, task, (K,), 12, 0, bits=(1, 8), directions=(4,))
    assert found.clean == (1,) and found.quantised[0, -1] == 1 and found.projected[0, 0] < 1
    swap = transplants(model, task, K, 12, 0, directions=(), calibration=32)[0]
    assert (swap.name, swap.follows_donor, swap.follows_host) == ("whole", 1, 0) and swap.largest_difference < 1e-4
