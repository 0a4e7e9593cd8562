"""The attention view for who works by keyboard or listens, and on long strings: names, sizes of files, 2,048 tokens."""

from dataclasses import replace

import numpy as np
import pytest

from interp.figures import attention_view
from interp.figures.attention.view import AttentionPage
from interp.results.attention import AttentionView, ViewedHead

MEGABYTE = 2**20


def test_every_control_has_a_name(show, view):
    opened = show(view)
    session = opened.page.context.new_cdp_session(opened.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    named = [
        (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")
    ]
    wanted = {"button": 14, "combobox": 3, "checkbox": 3, "link": 1, "application": 1, "figure": 1, "table": 1}
    for role, at_least in wanted.items():
        names = [name for kind, name in named if kind == role]
        assert len(names) >= at_least and all(names), role
        assert len(set(names)) == len(names), role
    pictures = [name for kind, name in named if kind == "image"]
    assert pictures and all(pictures)


def test_thumbnails_are_buttons_of_which_one_is_pressed_and_one_is_in_the_order_of_tab(show, view):
    opened = show(view)
    for _ in range(3):
        opened.press("]")
    opened.press("n")
    opened.becomes(n=1)
    found = opened.page.evaluate(
        "[...document.querySelectorAll('.thumb')].map((t) => [t.tagName, t.ariaPressed, t.tabIndex, t.ariaLabel])"
    )
    assert {tag for tag, *_ in found} == {"BUTTON"} and len(found) == 8
    pressed = [row for row in found if row[1] == "true"]
    assert len(pressed) == 1 and pressed[0][3] == "L1H4, lookup, n is 4, attention"
    assert [row for row in found if row[2] == 0] == pressed


def test_what_is_selected_is_spoken_politely_and_what_the_picture_shows_is_its_name(show, view):
    opened = show(view)
    assert opened.page.locator("[aria-live=polite]").count() == 1
    said = opened.text("[aria-live=polite]")
    opened.press("ArrowUp")
    opened.becomes(query=18)
    assert opened.text("[aria-live=polite]").startswith("From “t” at 18 to “a” at 7: ") and said.startswith(
        "From “z” at 19"
    )
    name = opened.page.locator("canvas.pattern").get_attribute("aria-label")
    assert name.startswith("Attention of L1H7, clean: query down, key across. From “t” at 18 to “a” at 7")


def test_tab_alone_leads_to_the_pattern_and_to_every_control(show, view):
    opened = show(view)
    reached = []
    while "BODY" not in reached and len(reached) < 40:
        opened.press("Tab")
        reached.append(
            opened.page.evaluate("(n => n.name || n.dataset.do || n.className || n.tagName)(document.activeElement)")
        )
    for control in ("variant", "n", "sort", "hideFirst", "stretch", "in", "out", "fit", "theme", "png", "svg", "link"):
        assert control in reached, control
    assert {"thumb", "pattern"} <= set(reached) and reached.count("thumb") == 1


def test_without_scripts_a_sentence_says_what_the_patterns_show(browser, view, tmp_path):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(attention_view(view).save(tmp_path / "page.html").as_uri())
    assert page.locator("figcaption").inner_text().startswith("Attention of 8 heads on the string $kqvbtzahwmnd|kqvb")
    assert page.locator(".noscript").is_visible() and not page.locator(".view-controls").is_visible()
    page.context.close()


# ---------------------------------------------------------------------- long strings


def long_view(view: AttentionView, pattern: np.ndarray) -> AttentionView:
    """Patterns of many heads on a string of random letters and its copy."""
    heads, size = pattern.shape[:2]
    half = size // 2
    letters = np.resize(np.random.default_rng(0).integers(97, 123, half), size)
    source = np.where(np.arange(size) >= half - 1, np.arange(size) - half + 1, -1)
    variant = replace(
        view.variants[0], pattern=pattern, probability=np.full(size, 0.5), predicted=tuple(map(chr, letters))
    )
    return replace(
        view,
        tokens=letters,
        labels=tuple(map(chr, letters)),
        source=source,
        heads=tuple(ViewedHead(f"L{head // 8}H{head % 8}", "attention") for head in range(heads)),
        variants=(variant,),
    )


def softmax(scores: np.ndarray) -> np.ndarray:
    weight = np.tril(np.exp(scores - scores.max(axis=-1, keepdims=True)))
    return (weight / weight.sum(axis=-1, keepdims=True)).astype(np.float32)


def copier(heads: int, size: int) -> np.ndarray:
    """As a copier's heads look: a quarter each gather a window, look up, decay with distance, and are soft noise."""
    rng, half = np.random.default_rng(1), size // 2
    query, key = np.indices((size, size))
    made = []
    for head in range(heads):
        kind = head % 4
        if kind == 0:
            scores = np.where((query - key < 2 + head) & (query >= key), 0.0, -50.0)
        elif kind == 1:
            scores = rng.normal(0, 1, (size, size)) + 12.0 * (query - key == half - 1)
        elif kind == 2:
            scores = -0.05 * (1 + head) * (query - key)
        else:
            scores = rng.normal(0, 1, (size, size))
        made.append(softmax(np.where(key > query, -np.inf, scores)))
    return np.array(made)


def test_the_file_of_16_heads_on_512_tokens_is_a_megabyte_at_most_and_of_noise_two(view):
    noise = np.random.default_rng(0).normal(0, 1, (16, 512, 512))
    sizes = {
        "copier": len(attention_view(long_view(view, copier(16, 512))).html.encode()),
        "noise": len(attention_view(long_view(view, softmax(np.where(np.tri(512), noise, -np.inf)))).html.encode()),
    }
    assert sizes["copier"] <= MEGABYTE and sizes["noise"] <= 2 * MEGABYTE, sizes


@pytest.fixture
def longest(view) -> AttentionPage:
    """2,048 tokens and 8 heads that look back by 1, 2, 4, ... or to the source."""
    size = 2048
    pattern = np.zeros((8, size, size), dtype=np.float32)
    for head in range(8):
        query = np.arange(2**head, size)
        pattern[head, query, query - 2**head] = 0.75
    return attention_view(long_view(view, pattern))


def test_2048_tokens_open_and_obey_keys(show, longest):
    opened = show(longest)
    assert opened.page.locator(".string li").count() == 2048 and opened.page.locator(".thumb").count() == 8
    opened.page.locator(".thumb", has_text="L0H3").click()
    opened.press("s", "n")
    query = opened.state("query")
    opened.becomes(head=3, key=query - 8, n=1)
    assert f"From “{opened.text(f'.string li:nth-child({query + 1})')}” at {query}" in opened.text(".now")
    opened.press("+", "+", "+", "+", "+")
    opened.becomes(query=query)
    opened.press("0")
    opened.becomes(window={"query": 0, "key": 0, "span": 2048})
