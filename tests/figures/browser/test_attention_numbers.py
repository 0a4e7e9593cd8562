"""What the attention view shows is what the model does: weights, differences, matches, and the state in a link."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
import torch

import interp
from interp.base.interval import Interval
from interp.figures import load_view
from interp.figures.attention.encoding import ERROR, SIGNED_ERROR
from interp.figures.theme import ABSENT
from interp.loading import Loaded
from interp.tasks.probes.matches import match_lengths

SVG = "{http://www.w3.org/2000/svg}"
MATCH_INK = "#00795a"
"""The colour of frames around matches on a light page."""
ROUNDING = 1e-6


@pytest.fixture(scope="module")
def planted() -> Loaded:
    return interp.load("planted:ngram?n=2&alphabet=8")


def test_every_weight_is_that_of_the_file_and_of_the_models_own_attention(show, planted):
    view = interp.view_attention(planted, "cabbagehead", ablate=["L0H0"])
    opened, size = show(view), len(view.labels)
    file = load_view(opened.file)
    _, cache = planted.model.run_with_cache(torch.tensor(view.tokens)[None])
    for index, head in enumerate(view.heads):
        layer, number = map(int, re.fullmatch(r"L(\d+)H(\d+)", head.name).groups())
        own = cache[f"blocks.{layer}.attn.hook_pattern"][0, number].numpy()
        cells = np.array(opened.cells(size, index))
        np.testing.assert_allclose(cells, file.variants[0].pattern[index], atol=ROUNDING)
        assert np.abs(cells - own).max() <= ERROR + ROUNDING, head.name


def test_the_difference_is_that_of_the_probabilities_head_by_head(show, planted):
    view = interp.view_attention(planted, "cabbagehead", ablate=["L0H0"], kind="zero")
    opened, size = show(view), len(view.labels)
    clean, without = (variant.pattern for variant in view.variants)
    assert np.abs(without - clean).max() > 0.5  # there is something to see
    opened.press("v", "d")
    opened.becomes(variant=1, difference=True)
    for index in range(len(view.heads)):
        assert np.abs(np.array(opened.cells(size, index)) - (without - clean)[index]).max() <= 2 * ERROR + ROUNDING


def test_signed_weights_keep_their_sign_and_their_heads_scale(show, view):
    clean, rng = view.variants[0], np.random.default_rng(0)
    spread = np.geomspace(20, 1e-3, 8)[:, None, None]
    sums = np.tril(rng.normal(0, spread, clean.pattern.shape)).astype(np.float32)
    opened = show(replace(view, variants=(replace(clean, signed=True, pattern=sums),)))
    for index in range(8):
        off = np.array(opened.cells(26, index)) - sums[index]
        assert np.abs(off).max() <= (SIGNED_ERROR + ROUNDING) * np.abs(sums[index]).max()
    assert opened.state("stretch")  # the smallest head would be blank beside the largest


@pytest.fixture
def repeats(view):
    """The view on a string of three letters, where matches of many lengths are."""
    letters = np.random.default_rng(5).integers(0, 3, 26)
    return replace(view, tokens=letters, labels=tuple("abc"[letter] for letter in letters))


@pytest.mark.parametrize("n", [1, 3])
def test_the_cells_that_are_outlined_are_those_behind_a_match_of_n_or_more(show, repeats, n):
    opened = show(repeats)
    opened.press(*"n" * n)
    opened.becomes(n=n)
    lengths = match_lengths(torch.tensor(repeats.tokens)[None], 30)[0]
    expected = {(query, key + 1) for query, key in (lengths >= n).nonzero().tolist()}
    assert len(expected) > 5
    assert outlined(opened) == expected
    row = {key for query, key in expected if query == opened.state("query")}
    assert underlined(opened) == row
    matched = {
        int(re.search(r"at (\d+)", key)[1]): length
        for key, length in zip(
            opened.page.locator(".keys th").all_inner_texts(),
            opened.page.locator(".keys td:nth-child(3)").all_inner_texts(),
            strict=True,
        )
    }
    assert len(matched) == 8
    for key, length in matched.items():
        known = int(lengths[opened.state("query"), key - 1]) if key else 0
        assert length == (str(known) if known else ABSENT)


def outlined(opened) -> set[tuple[int, int]]:
    """Queries and keys of the frames in the colour of matches, from the picture that is saved."""
    with opened.page.expect_download() as waiting:
        opened.page.click("[data-do=svg]")
    root = ET.parse(waiting.value.path()).getroot()
    cells = root.find(f"{SVG}image")
    left, top, width = (float(cells.get(name)) for name in ("x", "y", "width"))
    step = width / opened.state("window")["span"]
    frames = [frame for frame in root.iter(f"{SVG}rect") if frame.get("stroke") == MATCH_INK]
    middles = [{side: float(frame.get(side)) for side in ("x", "y", "width", "height")} for frame in frames]
    return {
        (int((box["y"] + box["height"] / 2 - top) / step), int((box["x"] + box["width"] / 2 - left) / step))
        for box in middles
    }


def underlined(opened) -> set[int]:
    marked = opened.page.evaluate(
        "[...document.querySelectorAll('.string li')].map((item) => getComputedStyle(item).textDecorationLine)"
    )
    return {position for position, line in enumerate(marked) if "underline" in line}


def test_the_side_says_what_is_known_of_the_head_and_what_the_model_answers(show, view):
    opened = show(view)
    opened.page.locator(".thumb", has_text="L1H5").click()
    opened.becomes(head=1)
    found, says = view.heads[1].found, opened.text(".head")
    assert "Lookup head, n = 4." in says
    score = f"{found.score:.3f} [{found.interval.low:.3f}, {found.interval.high:.3f}; 95%, {found.interval.method}]"
    assert f"On other strings: attention to the place copied from {score}, to another letter 0.034" in says
    assert "strings right go from 99.5% to 95.3%, drop [2%, 7%; 95%, Korn-Graubard]; without another head 98%." in says
    assert f"Mean weight on the place copied from, on this string: {load_view(opened.file).on_source()[1]:.3f}" in says
    weight = f"{load_view(opened.file).variants[0].pattern[1, 19, 7]:.3f}"
    length = 6  # kqvbtz: what stands before 7 and before 20
    assert opened.text(".now") == (
        f"From “z” at 19 to “a” at 7: {weight}, match of {length}. It is copied from here. "
        "Next is “a”; the model says “a” (99% for the right one)."
    )


def test_numbers_below_0_have_a_minus(show, view):
    cost = replace(view.heads[1].cost, interval=Interval(-0.004, 0.359, "Korn-Graubard"))
    opened = show(replace(view, heads=(view.heads[0], replace(view.heads[1], cost=cost), *view.heads[2:])))
    opened.page.locator(".thumb", has_text="L1H5").click()
    opened.becomes(head=1)
    assert "drop [\u22120.4%, 35.9%; 95%, Korn-Graubard]" in opened.text(".head")


def test_the_table_holds_the_strongest_keys_in_their_order(show, view):
    opened = show(view)
    row = load_view(opened.file).variants[0].pattern[opened.state("head"), 19]
    best = np.argsort(-row, kind="stable")[:8]
    keys = [int(re.search(r"at (\d+)", text)[1]) for text in opened.page.locator(".keys th").all_inner_texts()]
    weights = opened.page.locator(".keys td:nth-child(2)").all_inner_texts()
    assert weights == [f"{row[key]:.3f}" for key in best]
    assert [f"{row[key]:.3f}" for key in keys] == weights


# ---------------------------------------------------------------------- links


def test_a_link_opened_elsewhere_shows_the_same(show, view):
    opened = show(view)
    opened.page.select_option("[name=sort]", "layer")
    opened.press("v", "d", "n", "n", "n", "b", "c", "+", "ArrowUp", "]")
    opened.becomes(variant=1, difference=True, n=3, query=18, hideFirst=True, stretch=True)
    link = opened.page.locator("a.link").get_attribute("href")
    assert opened.page.url == opened.file.as_uri() + link
    again = show(opened.file, hash=link)
    assert again.state() == opened.state()
    assert again.state("window")["span"] == 13
    assert again.text(".name") == opened.text(".name")
    assert again.page.locator("canvas.pattern").screenshot() == opened.page.locator("canvas.pattern").screenshot()


def test_the_link_in_the_address_follows_and_a_changed_address_is_obeyed(show, view):
    opened = show(view)
    opened.press("ArrowDown")
    opened.becomes(query=20)
    assert "query=20" in opened.page.url
    opened.page.evaluate("location.hash = '#view=0&head=L0H1&query=3&key=2&n=2'")
    opened.becomes(query=3, key=2, n=2)
    assert opened.text(".name") == "L0H1, clean"


def test_a_link_followed_on_an_open_page_shows_what_it_shows_on_a_fresh_one(show, view):
    opened = show(view)
    first, link = opened.state(), opened.page.locator("a.link")
    address = link.get_attribute("href")
    assert "head=L1H7" in address  # of what is shown, before anything is touched
    assert opened.page.url == opened.file.as_uri()
    opened.press("c", "+", "v", "d", "n", "b")
    opened.becomes(stretch=True, variant=1, difference=True, n=1, hideFirst=True)
    assert opened.state("window")["span"] == 13
    opened.page.evaluate("address => { location.hash = address }", address)
    opened.becomes(**first)
    assert link.get_attribute("href") == address


@pytest.mark.parametrize(
    "hash",
    [
        "#view=0&head=L9H9&query=999&key=-4&variant=7&n=88&window=1 2 9999",
        "#view=0&query=x&key=&window=5",
        "#view=0&window=x y 10",
        "#view=3&query=1",
        "#top",
        "#%E0%A4%A&&==",
    ],
)
def test_a_link_that_makes_no_sense_is_brought_within_bounds(show, view, hash):
    opened = show(view, hash=hash)
    state = opened.state()
    assert 0 <= state["query"] < 26 and 0 <= state["key"] < 26 and state["variant"] in (0, 1) and state["n"] <= 8
    assert state["window"] == {"query": 0, "key": 0, "span": 26}
