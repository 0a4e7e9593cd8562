"""Which string is viewed, and what is said of prompts and heads that do not fit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers

from interp.base.errors import UserError
from interp.loading import Loaded, load
from interp.measure.heads.score import HeadSettings
from interp.models import build
from interp.results.attention import AttentionView
from interp.studies.attention.report import write_attention_report
from interp.studies.attention.result import AttentionStudy
from interp.studies.attention.run import attention_study, view_attention
from interp.studies.attention.run.string import LONGEST_DRAWN
from interp.studies.attention.settings import AttentionSettings
from interp.studies.scoring import find_heads, head_costs, strings_to_ablate
from interp.tasks.copy import CopyTask

SPEC = "planted:ngram?n=2&alphabet=8"


@pytest.fixture(scope="module")
def planted() -> Loaded:
    return load(SPEC)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory) -> Loaded:
    """A random GPT-2 with a tokenizer of words beside it."""
    folder = tmp_path_factory.mktemp("gpt2")
    tokenizers = pytest.importorskip("tokenizers")
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel({f"w{i}": i for i in range(40)}, unk_token="w0"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="w7", unk_token="w0").save_pretrained(
        folder
    )
    torch.manual_seed(0)
    shape = {"n_layer": 2, "n_head": 2, "n_embd": 16, "n_positions": 64, "vocab_size": 40, "eos_token_id": 7}
    config = transformers.GPT2Config(**shape, bos_token_id=7)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return load(f"hf:{folder}")


def test_a_prompt_is_the_string_to_copy_and_its_sources_are_the_tasks(planted):
    view = view_attention(planted, "cabbage")
    assert "".join(view.labels) == "$cabbage|cabbage" and view.following == "."
    assert view.source.tolist() == [-1] * 8 + [1, 2, 3, 4, 5, 6, 7, -1]
    lookup = next(i for i, head in enumerate(planted.planting.heads) if head.role == "lookup")
    assert view.on_source()[lookup] > 0.85  # the last letter asked after has no two letters before it
    assert view.variants[0].predicted[8:] == ("c", "a", "b", "b", "a", "g", "e", ".")


def test_a_study_keeps_what_its_page_has_no_room_for(planted, monkeypatch, tmp_path):
    whole = view_attention(planted, "cabbage")
    monkeypatch.setattr("interp.figures.attention.fitting.size", lambda _: 10**9)  # nothing fits a page
    study = attention_study(planted, settings=AttentionSettings(prompt="cabbage", plain=True))
    np.testing.assert_array_equal(study.view.variants[0].pattern, whole.variants[0].pattern)
    assert study.view.heads == whole.heads and study.view.least == 0
    page = write_attention_report(study, tmp_path).read_text(encoding="utf-8")
    assert f"{len(whole.heads) - 1} heads of {len(whole.heads)} that look up least are left out" in page
    assert AttentionStudy.load(tmp_path).view.heads == whole.heads


def test_roles_say_what_is_taken_away_and_the_gather_heads_blind_the_lookup_head():
    planted = load("planted:ngram?n=3")
    scores = find_heads(planted, settings=HeadSettings(longest=5, strings=16))
    strings = strings_to_ablate(planted, 0, 24, longest=5)
    view = view_attention(planted, "abcdefgh", scores=scores, ablations=head_costs(planted, scores, strings))
    assert [v.ablated for v in view.variants] == [(), scores.of_role("lookup"), scores.of_role("gather")]
    index = next(i for i, head in enumerate(view.heads) if head.found.role == "lookup")
    clean, without_lookup, without_gather = (view.on_source(i)[index] for i in range(3))
    assert clean == pytest.approx(without_lookup) and clean > 0.9 > 0.3 > without_gather
    cost = view.heads[index].cost
    assert cost.before - cost.after > 0.5 and cost.interval.low > 0.3


def test_a_view_goes_to_disk_and_comes_back_the_same(planted, tmp_path):
    view = view_attention(planted, "abcab", ablate=["L0H0"], kind="edges")
    again = AttentionView.load(view.save(tmp_path))
    assert again.heads == view.heads and again.labels == view.labels
    for one, other in zip(view.variants, again.variants, strict=True):
        np.testing.assert_array_equal(one.pattern, other.pattern)
        assert (one.name, one.ablated, one.kind) == (other.name, other.ablated, other.kind)


def test_a_string_is_drawn_alike_from_the_same_seed_and_as_long_as_those_of_training(planted):
    assert view_attention(planted, seed=3).labels == view_attention(planted, seed=3).labels
    assert view_attention(planted, seed=3).labels != view_attention(planted, seed=4).labels
    assert len(view_attention(planted).labels) == 2 * LONGEST_DRAWN + 2
    assert len(view_attention(planted, length=5).labels) == 12
    short = Loaded(planted.model, planted.task, {}, trained_lengths=(1, 6))
    assert len(view_attention(short).labels) == 14
    assert view_attention(short, length=9).notes == ("the string has 9 letters; the model was trained on 1 to 6",)


def test_only_the_named_heads_are_shown_in_their_order(planted):
    view, whole = view_attention(planted, "abcab", heads=["L1H2", "L0H1"]), view_attention(planted, "abcab")
    names = [head.name for head in whole.heads]
    assert [head.name for head in view.heads] == ["L1H2", "L0H1"]
    for index, head in enumerate(view.heads):
        np.testing.assert_array_equal(
            view.variants[0].pattern[index], whole.variants[0].pattern[names.index(head.name)]
        )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"prompt": "cabz"}, r"of the letters abcdefgh alone .*; got others, \['z'\]"),
        ({"prompt": "$ab|"}, r"got others, \['\$', '\|'\]"),
        ({"prompt": ""}, "got none"),
        ({"length": 0}, "length must be at least 1 letter; got 0"),
        ({"heads": ["L0H9"]}, "no head is called 'L0H9'"),
        ({"ablate": ["L9H0"]}, "no head is called 'L9H0'"),
        ({"ablate": ["L0H0"], "kind": "remove"}, "no kind of ablation is called 'remove'"),
        ({"prompt": "abc", "length": 3}, "length must be left out where a prompt is given"),
        ({"heads": "L0H0"}, r"heads must be a list, .*; got 'L0H0'"),
        ({"kind": "remove"}, "no kind of ablation is called 'remove'"),
        ({"length": 6000}, "a page must hold at most .* Use at most"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_a_sentence(planted, options, says):
    with pytest.raises(UserError, match=says):
        view_attention(planted, **options)


def test_a_model_without_heads_is_refused():
    model = build({"kind": "lstm", "d_model": 16, "d_vocab": 12})
    with pytest.raises(UserError, match="no heads"):
        view_attention(Loaded(model, CopyTask(8), {}), "abc")


def test_a_text_is_read_by_the_models_own_tokenizer(spoken):
    view = view_attention(spoken, "w3 w4 w5 w3 w4", ablate=["L0H1"], kind="zero")
    assert view.labels == ("w7", "w3", "w4", "w5", "w3", "w4") and view.following is None
    assert (view.source == -1).all() and np.isnan(view.on_source()).all()
    assert np.isnan(view.variants[0].probability[-1]) and not np.isnan(view.variants[0].probability[:-1]).any()
    assert view.notes == ("means and donors of ablations are those of this text alone",)
    assert np.abs(view.variants[1].pattern[2:] - view.variants[0].pattern[2:]).max() > 0  # layer 1 sees the change
    _, cache = spoken.model.run_with_cache(torch.tensor([[7, 3, 4, 5, 3, 4]]))
    expected = cache["blocks.1.attn.hook_pattern"][0, 1].numpy()
    np.testing.assert_allclose(view.variants[0].pattern[3], expected, atol=1e-6)


def test_without_a_prompt_a_pretrained_model_is_shown_a_string_of_its_tokens(spoken):
    view = view_attention(spoken, length=6)
    assert len(view.labels) == 12 and view.labels[1:7] == view.labels[6:12][:0] + view.labels[1:7]
    assert all(label.startswith("w") for label in view.labels)
    assert (view.source >= 0).sum() == 6


@pytest.mark.parametrize(("prompt", "length"), [("w1 " * 80, None), (None, 40)])
def test_what_a_context_does_not_hold_is_refused(spoken, prompt, length):
    with pytest.raises(UserError, match="at most 64 tokens, the context of this model"):
        view_attention(spoken, prompt, length=length)


def test_a_text_without_a_tokenizer_means_nothing(spoken):
    mute = replace(spoken, pretrained=replace(spoken.pretrained, tokenizer=None))
    with pytest.raises(UserError, match="must have a tokenizer"):
        view_attention(mute, "w1")


@pytest.mark.parametrize("kind", ["mean-per-position", "resample", "edges"])
def test_a_text_alone_is_not_ablated_in_ways_that_would_change_nothing(spoken, kind):
    with pytest.raises(UserError, match=f"kind must be zero or mean .*; got {kind}"):
        view_attention(spoken, "w3 w4", ablate=["L0H1"], kind=kind)


def test_a_head_that_is_named_twice_is_one_head(planted):
    view = view_attention(planted, "abcab", heads=["L0H0", "L0H0"], ablate=["L0H1", "L0H1"])
    assert [head.name for head in view.heads] == ["L0H0"]
    assert [variant.name for variant in view.variants] == ["clean", "without L0H1"]


def test_the_state_is_that_of_each_variant():
    model = build({"kind": "mamba", "d_model": 16, "d_vocab": 12}, seed=1)
    view = view_attention(Loaded(model, CopyTask(8), {}), "abcab", ablate=["L0H0"], kind="zero")
    clean, _, without, _ = (variant.strips for variant in view.variants)
    np.testing.assert_array_equal(clean[0].value, without[0].value)  # the layer's own state, before what it writes
    assert np.abs(clean[1].value - without[1].value).max() > 1e-3


def test_edges_cost_nothing_to_heads_whose_pattern_cannot_be_edited():
    shape = {"kind": "hybrid", "layers": ("mamba", "attention"), "d_model": 16, "d_vocab": 30}
    model = build({**shape, "attention": {"n_heads": 2}}, seed=1)
    loaded = Loaded(model, CopyTask(), {"spec": "fresh"})
    scores = find_heads(loaded, settings=HeadSettings(longest=2, strings=4, untrained=2))
    costs = head_costs(loaded, scores, strings_to_ablate(loaded, 0, 4, longest=2), kind="edges")
    assert [cost.heads for cost in costs] == [("L1H0",), ("L1H1",)]
