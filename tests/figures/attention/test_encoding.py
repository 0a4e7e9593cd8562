"""A view of attention in a page, read back: how far its weights are off, that all else is the same, how damage ends."""

import base64
import gzip
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from interp.base.budget import Budget
from interp.base.errors import InterpError, UserError
from interp.figures import attention_view, load_view
from interp.figures.attention.encoding import ERROR, SIGNED_ERROR, quantise, restore
from interp.results.attention import AttentionView, Strip

ROUNDING = 1e-6
"""The rounding error of single precision, in which weights come back."""


def rows_of(scores: np.ndarray) -> np.ndarray:
    """A pattern from scores: the softmax over the keys up to each query."""
    causal = np.tril(np.ones(scores.shape[-2:], dtype=bool))
    weight = np.where(causal, np.exp(scores - scores.max()), 0)
    return (weight / weight.sum(axis=-1, keepdims=True)).astype(np.float32)


def soft_noise(size: int) -> np.ndarray:
    return rows_of(np.random.default_rng(0).normal(0, 1, (2, size, size)))


def sharp_noise(size: int) -> np.ndarray:
    return rows_of(np.random.default_rng(1).normal(0, 6, (2, size, size)))


def uniform(size: int) -> np.ndarray:
    return rows_of(np.zeros((1, size, size)))


def one_hot(size: int) -> np.ndarray:
    pattern = np.zeros((1, size, size), dtype=np.float32)
    query = np.arange(size)
    pattern[0, query, np.random.default_rng(2).integers(0, query + 1)] = 1
    return pattern


def windowed(size: int) -> np.ndarray:
    """A head that sees the last five positions and nothing before them."""
    query, key = np.indices((size, size))
    return rows_of(np.where(query - key < 5, 0.0, -np.inf)[None])


PATTERNS = [soft_noise, sharp_noise, uniform, one_hot, windowed]


@pytest.mark.parametrize("size", [1, 2, 33, 512])
@pytest.mark.parametrize("make", PATTERNS, ids=lambda make: make.__name__)
def test_no_weight_is_off_by_more_than_the_error_and_no_row_by_more_than_a_hundredth(make, size):
    pattern = make(size)
    again = restore(quantise(pattern), size)
    assert np.abs(again - pattern).max() <= ERROR + ROUNDING
    np.testing.assert_allclose(again.sum(axis=2), pattern.sum(axis=2), rtol=0.01)
    assert not again[pattern == 0].any()


@settings(max_examples=150, deadline=None)
@given(
    arrays.arrays(
        np.float64,
        st.integers(1, 24).map(lambda n: (1, n, n)),
        elements=st.one_of(st.sampled_from([-np.inf, 0.0, 0.5]), st.floats(-9, 9, width=16)),
    )
)
def test_any_softmax_comes_back_within_the_error_its_rows_within_a_hundredth_and_its_zeros_as_zeros(scores):
    np.einsum("hqq->hq", scores)[:] = np.maximum(np.einsum("hqq->hq", scores), -9)  # every query sees itself
    pattern = rows_of(scores)
    again = restore(quantise(pattern), scores.shape[1])
    assert np.abs(again - pattern).max() <= ERROR + ROUNDING
    assert np.abs(again.sum(axis=2) - 1).max() <= 0.01
    assert not again[pattern == 0].any()


@settings(max_examples=100, deadline=None)
@given(arrays.arrays(np.float32, st.integers(1, 12).map(lambda n: (2, n, n)), elements=st.floats(-1, 1, width=32)))
def test_any_signed_weight_comes_back_within_its_error_and_never_with_the_other_sign(values):
    pattern = np.tril(values)
    again = restore(quantise(pattern, signed=True), len(values[0]), signed=True)
    assert np.abs(again - pattern).max() <= SIGNED_ERROR + ROUNDING
    assert (again * pattern >= 0).all() and not again[pattern == 0].any()


@pytest.mark.parametrize("signed", [False, True])
def test_every_level_stands_for_a_weight_that_has_this_level(signed):
    levels = np.resize(np.arange(1, 256, dtype=np.uint8), (1, 23 * 24 // 2))
    np.testing.assert_array_equal(quantise(restore(levels, 23, signed), signed), levels)


def test_levels_found_a_few_heads_at_a_time_are_those_found_at_once(monkeypatch):
    pattern = np.concatenate([soft_noise(20), one_hot(20), windowed(20)])
    at_once = quantise(pattern)
    monkeypatch.setattr("interp.base.budget.CPU", Budget(cells=20 * 20 + 1))
    np.testing.assert_array_equal(quantise(pattern), at_once)


# ---------------------------------------------------------------------- whole views


@pytest.fixture
def view(studies) -> AttentionView:
    """Clean and without the lookup heads, signed ones of which one head is empty, a strip, probabilities with nan."""
    view = studies.hard_alibi().attention
    clean = view.variants[0]
    sums = np.tril(np.random.default_rng(3).normal(0, [[[20.0]], *[[[0.02]]] * 6, [[0.0]]], clean.pattern.shape))
    signed = replace(clean, name="sums", of=2, signed=True, pattern=sums.astype(np.float32))
    norms = Strip("layer 0: norm of the state", np.linspace(1e-9, 12345.678, len(view.labels)))
    variants = tuple(replace(variant, strips=(norms,)) for variant in (*view.variants, signed))
    return replace(view, variants=variants, notes=("a note", "and another"))


def test_a_view_comes_back_field_by_field(view, tmp_path):
    again = load_view(attention_view(view).save(tmp_path / "page.html"))
    for field in ("provenance", "model", "labels", "following", "heads", "notes"):
        assert getattr(again, field) == getattr(view, field), field
    for field in ("tokens", "source"):
        np.testing.assert_array_equal(getattr(again, field), getattr(view, field))
        assert getattr(again, field).dtype == getattr(view, field).dtype
    for one, other in zip(again.variants, view.variants, strict=True):
        assert [strip.name for strip in one.strips] == [strip.name for strip in other.strips]
        np.testing.assert_allclose(one.strips[0].value, other.strips[0].value, rtol=5e-6)  # six digits
    assert len(again.variants) == 3
    for one, other in zip(again.variants, view.variants, strict=True):
        for field in ("name", "of", "ablated", "kind", "signed", "predicted"):
            assert getattr(one, field) == getattr(other, field), field
        np.testing.assert_allclose(one.probability, other.probability, rtol=5e-6)
        assert np.isnan(one.probability[-1])
        assert one.pattern.dtype == np.float32
    for one, other in zip(again.variants[:2], view.variants, strict=False):
        assert np.abs(one.pattern - other.pattern).max() <= ERROR
    largest = np.abs(view.variants[2].pattern).max(axis=(1, 2), keepdims=True)
    off = np.abs(again.variants[2].pattern - view.variants[2].pattern)
    assert (off <= SIGNED_ERROR * largest + ROUNDING * largest).all()
    assert largest[0] > 500 * largest[1] and not again.variants[2].pattern[-1].any()


def test_what_is_read_can_be_written_and_reads_the_same(view, tmp_path):
    once = load_view(attention_view(view).save(tmp_path / "once.html"))
    twice = load_view(attention_view(once).save(tmp_path / "twice.html"))
    for one, other in zip(once.variants[:2], twice.variants, strict=False):
        np.testing.assert_array_equal(one.pattern, other.pattern)
    assert once.heads == twice.heads


def test_labels_of_any_text_come_back_as_they_were(studies, view, tmp_path):
    strange = (studies.HOSTILE, "</script>", "<!--<script>", "\r\n", "\x00", "\u202eabc", "&lt;", "", " ", "{{ 7*7 }}")
    labels = (*strange, "x" * 10_000, *view.labels[11:])
    page = attention_view(replace(view, labels=labels, following="</script>")).save(tmp_path / "page.html")
    again = load_view(page)
    assert again.labels == labels and again.following == "</script>"
    np.testing.assert_array_equal(again.variants[0].pattern, load_view(page, 0).variants[0].pattern)


def test_of_a_page_with_two_views_each_is_read_by_its_index(view, tmp_path):
    other = replace(view, model={"spec": "another"}, heads=view.heads[::-1], variants=view.variants[:1])
    both = attention_view(view).html + attention_view(other).html
    page = tmp_path / "both.html"
    page.write_text(both)
    first, second = load_view(page), load_view(page, 1)
    assert first.model == view.model and len(first.variants) == 3
    assert second.model == {"spec": "another"} and len(second.variants) == 1 and second.heads == view.heads[::-1]


# ---------------------------------------------------------------------- what is refused


@pytest.fixture
def page(view, tmp_path) -> Path:
    return attention_view(view).save(tmp_path / "page.html")


def test_no_file_no_view_and_an_index_too_far_are_refused(page, tmp_path):
    with pytest.raises(UserError, match=r"must be at .*absent\.html; got no such file"):
        load_view(tmp_path / "absent.html")
    for index in (1, -1):
        with pytest.raises(UserError, match=rf"which holds 1 \(the first is 0\); got {index}"):
            load_view(page, index)
    (tmp_path / "empty.html").write_text("<p>nothing</p>")
    with pytest.raises(UserError, match="which holds 0"):
        load_view(tmp_path / "empty.html")
    with pytest.raises(InterpError, match="must be a file; got a folder"):
        load_view(tmp_path)
    (tmp_path / "binary.html").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InterpError, match="got a damaged one"):
        load_view(tmp_path / "binary.html")


def of_json(change):
    """A page with its view's JSON changed."""

    def changed(text: str) -> str:
        found = re.search(r'(?<=class="view-json">).*?(?=</script>)', text, re.DOTALL)
        content = json.loads(found[0])
        change(content)
        return text.replace(found[0], json.dumps(content), 1)

    return changed


def of_pattern(new) -> object:
    """A page with its first pattern changed."""

    def changed(text: str) -> str:
        found = re.search(r'(?<=class="view-pattern">).*?(?=</script>)', text)
        return text.replace(found[0], new(found[0]), 1)

    return changed


DAMAGED = {
    "a later schema": (of_json(lambda c: c.update(schema="attnview/2")), "its schema is attnview/2, not attnview/1"),
    "no schema": (of_json(lambda c: c.pop("schema")), "schema"),
    "no heads": (of_json(lambda c: c["view"].pop("heads")), "heads"),
    "a variant too few": (of_json(lambda c: c["view"]["variants"].pop()), "zip"),
    "no scales": (of_json(lambda c: c.update(scales=[])), "."),
    "an array lost": (of_json(lambda c: c["arrays"].pop("source")), "source"),
    "a type that is none": (of_json(lambda c: c["arrays"]["source"].update(dtype="whole")), "whole"),
    "JSON cut off": (
        lambda text: re.sub(r'(class="view-json">.{200}).*?</script>', r"\1</script>", text, count=1),
        ".",
    ),
    "a pattern cut off": (of_pattern(lambda packed: packed[:100]), "."),
    "a pattern of something else": (of_pattern(lambda _: base64.b64encode(gzip.compress(b"abc")).decode()), "."),
    "a pattern that is not packed": (of_pattern(lambda _: "abcd"), "."),
    "a pattern before its view": (lambda text: text.replace("view-json", "view-jsn"), "."),
    "a page cut off": (lambda text: text[: text.index('class="view-pattern"') + 80], "."),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_ends_in_one_sentence(page, name):
    damage, says = DAMAGED[name]
    text = page.read_text()
    broken = damage(text)
    assert broken != text
    page.write_text(broken)
    with pytest.raises(
        InterpError, match=rf"the view in .*page.html must be as it was written; got a damaged one .*{says}"
    ) as caught:
        load_view(page)
    assert "\n" not in str(caught.value)
