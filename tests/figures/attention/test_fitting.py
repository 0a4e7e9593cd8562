"""Views that are too large for a page: which weights and heads are left out, and that the page says so."""

from dataclasses import replace

import numpy as np
import pytest

from interp.figures import attention_view, load_view
from interp.figures.attention.encoding import ERROR, quantise
from interp.figures.attention.fitting import FLOORS, fitted, size
from interp.results.attention import AttentionView


@pytest.fixture
def view(studies) -> AttentionView:
    """Eight heads whose weights are all different, so that they hardly compress."""
    found = studies.hard_alibi().attention
    n_pos = len(found.labels)
    noise = np.exp(np.random.default_rng(0).normal(0, 2, (8, n_pos, n_pos))) * np.tril(np.ones((n_pos, n_pos)))
    pattern = (noise / noise.sum(axis=2, keepdims=True)).astype(np.float32)
    return replace(found, variants=(replace(found.variants[0], pattern=pattern),))


def bytes_of(view: AttentionView) -> int:
    return size([quantise(variant.pattern) for variant in view.variants])


def test_a_view_that_fits_is_left_as_it_is(view):
    assert fitted(view) is view
    assert fitted(view, bytes_of(view)) is view


def test_the_smallest_weights_go_first_by_the_lowest_floor_that_will_do(view):
    most = bytes_of(view) * 9 // 10
    smaller = fitted(view, most)
    assert bytes_of(smaller) <= most and smaller.least in FLOORS and smaller.heads == view.heads
    before, after = view.variants[0].pattern, smaller.variants[0].pattern
    gone = (after == 0) & (before > 0)
    assert gone.any() and before[gone].max() < smaller.least + ERROR
    assert np.abs(after - before)[~gone].max() <= ERROR + 1e-6
    lower = FLOORS[: FLOORS.index(smaller.least)]
    for floor in lower:
        kept = np.where(quantise(before) < 255 * floor**0.5, np.uint8(0), quantise(before))
        assert size([kept]) > most, f"{floor} would not have done"


def test_a_page_of_it_says_what_is_left_out_and_is_no_larger_than_asked(view):
    smaller = fitted(view, bytes_of(view) * 9 // 10)
    page = attention_view(smaller)
    assert f"weights below {smaller.least} are left out" in page.html
    assert "are left out" not in attention_view(view).html


def test_what_a_page_holds_of_a_smaller_view_is_that_view_exactly(view, tmp_path):
    smaller = fitted(view, bytes_of(view) * 9 // 10)
    again = load_view(attention_view(smaller).save(tmp_path / "page.html"))
    np.testing.assert_array_equal(again.variants[0].pattern, smaller.variants[0].pattern)
    assert again.least == smaller.least


def test_heads_that_look_up_least_go_last_and_the_page_says_how_many(view):
    smaller = fitted(view, bytes_of(view) // 8)
    assert bytes_of(smaller) <= bytes_of(view) // 8 and smaller.least == FLOORS[-1]
    scores = {head.name: head.found.score for head in view.heads}
    kept = [head.name for head in smaller.heads]
    assert 0 < len(kept) < 8 and kept == [head.name for head in view.heads if head.name in kept]
    assert min(scores[name] for name in kept) >= max(scores[name] for name in scores if name not in kept)
    assert f"{8 - len(kept)} heads of 8 that look up least are left out" in attention_view(smaller).html
    assert len(smaller.variants[0].pattern) == len(kept)


def test_heads_without_scores_are_kept_for_looking_at_what_followed_an_earlier_token(view):
    """One head attends there and nowhere else; the others are noise."""
    tokens = np.arange(len(view.labels)) % 5
    query, key = np.indices((len(tokens), len(tokens)))
    induction = ((key == np.maximum(query - 4, 0)) & (key <= query)).astype(np.float32)
    pattern = view.variants[0].pattern.copy()
    pattern[3] = induction / induction.sum(axis=1, keepdims=True)
    bare = tuple(replace(head, found=None) for head in view.heads)
    whole = replace(view, tokens=tokens, heads=bare, variants=(replace(view.variants[0], pattern=pattern),))
    assert view.heads[3].name in [head.name for head in fitted(whole, bytes_of(whole) // 16).heads]
