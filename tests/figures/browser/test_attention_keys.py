"""Every key of the attention view does what it says, and nothing where it should not."""

import re
from dataclasses import replace

import pytest

from interp.figures import attention_view

LAST = 25
WHOLE = {"query": 0, "key": 0, "span": 26}


def test_it_opens_on_the_strongest_head_in_the_middle_of_what_is_copied(show, view):
    opened = show(view)
    best = max(range(8), key=lambda head: view.heads[head].found.score)
    expected = {"variant": 0, "difference": False, "head": best, "query": 19, "key": 7, "n": 0}
    assert opened.state(*expected) == expected
    assert view.source[19] == 7
    assert opened.text(".name") == "L1H7, clean"


def test_arrows_move_the_query_and_the_key_and_stop_at_the_edges(show, view):
    opened = show(view)
    opened.press("ArrowUp")
    opened.becomes(query=18, key=7)
    opened.press("ArrowLeft", "ArrowLeft")
    opened.becomes(query=18, key=5)
    opened.press("ArrowDown", "ArrowRight")
    opened.becomes(query=19, key=6)
    opened.press(*["ArrowDown"] * 20, *["ArrowLeft"] * 20)
    opened.becomes(query=LAST, key=0)
    assert opened.text(".now").startswith(f"From “d” at {LAST} to “$” at 0: ")
    opened.press(*["ArrowUp"] * 30, *["ArrowRight"] * 30)
    opened.becomes(query=0, key=LAST)
    assert "not visible" in opened.text(".now")


def test_brackets_step_through_heads_in_the_order_that_is_shown_and_around(show, view):
    opened = show(view)
    names = opened.page.locator(".thumb b").all_inner_texts()
    score = {head.name: head.found.score for head in view.heads}
    assert names == sorted(names, key=lambda name: -score[name]) and len(names) == 8
    index = {head.name: number for number, head in enumerate(view.heads)}
    for name in [*names[1:], names[0]]:
        opened.press("]")
        opened.becomes(head=index[name])
        assert opened.text(".name").startswith(name)
    opened.press("[")
    opened.becomes(head=index[names[-1]])
    opened.page.select_option("[name=sort]", "layer")
    opened.becomes(sort="layer")
    assert opened.page.locator(".thumb b").all_inner_texts() == [head.name for head in view.heads]
    opened.press("]")
    opened.becomes(head=(index[names[-1]] + 1) % 8)


def test_j_and_k_step_through_the_letters_that_are_copied_with_the_key_at_their_source(show, view):
    opened = show(view)
    asked = [query for query in range(26) if view.source[query] >= 0]
    at = asked.index(19)
    for query in [*asked[at + 1 :], asked[0]]:
        opened.press("j")
        opened.becomes(query=query, key=int(view.source[query]))
        assert "It is copied from here." in opened.text(".now")
    for query in asked[::-1]:
        opened.press("k")
        opened.becomes(query=query, key=int(view.source[query]))


def test_s_goes_to_the_strongest_key(show, view):
    opened = show(view)
    head = opened.state("head")
    for query in (0, 4, 11, 25):
        opened.page.evaluate("query => document.querySelector('.attention-view').state.query = query", query)
        opened.press("s")
        opened.becomes(query=query, key=int(view.variants[0].pattern[head, query].argmax()))


def test_the_strongest_key_is_one_that_is_shown(show, view):
    clean = view.variants[0]
    pattern = clean.pattern.copy()
    pattern[:, :, 1:] *= 0.3
    pattern[:, :, 0] = 1 - pattern[:, :, 1:].sum(axis=-1)
    sink = replace(view, variants=(replace(clean, pattern=pattern), *view.variants[1:]))
    opened = show(sink)
    head = opened.state("head")
    opened.press("s")
    opened.becomes(query=19, key=0)
    opened.press("b", "s")
    opened.becomes(query=19, key=1 + int(pattern[head, 19, 1:].argmax()))


def test_v_steps_through_the_variants_and_d_subtracts_the_clean_one_where_there_is_something_to_subtract(show, view):
    opened = show(view)
    assert opened.page.locator("[name=difference]").is_disabled()
    opened.press("v")
    opened.becomes(variant=1, difference=False)
    assert opened.text(".name") == "L1H7, without the lookup heads"
    opened.press("d")
    opened.becomes(variant=1, difference=True)
    assert opened.text(".name") == "L1H7, without the lookup heads, minus clean"
    assert opened.page.locator("[name=difference]").is_checked()
    opened.press("v")
    opened.becomes(variant=0)
    assert opened.text(".name") == "L1H7, clean"


def test_n_goes_through_the_lengths_of_matches_b_hides_position_0_and_c_stretches_colours(show, view):
    opened = show(view)
    for n in [*range(1, 9), 0]:
        opened.press("n")
        opened.becomes(n=n)
        assert opened.page.locator("[name=n]").input_value() == str(n)
    for key, name in (("b", "hideFirst"), ("c", "stretch")):
        for value in (True, False):
            opened.press(key)
            opened.becomes(**{name: value})
            assert opened.page.locator(f"[name={name}]").is_checked() == value


def test_plus_minus_and_0_zoom_and_the_window_follows_the_cursor(show, view):
    opened = show(view)
    opened.press("+", "n")  # the latter to wait for
    opened.becomes(n=1)
    window = opened.state("window")
    assert window["span"] == 13
    assert window["query"] <= 19 < window["query"] + 13 and window["key"] <= 7 < window["key"] + 13
    opened.press("+", "+")
    opened.becomes(query=19)
    opened.press(*["ArrowDown"] * 6, *["ArrowLeft"] * 7)
    opened.becomes(query=25, key=0, window={"query": 18, "key": 0, "span": 8})
    opened.press("-")
    opened.becomes(window={"query": 10, "key": 0, "span": 16})
    opened.press("0")
    opened.becomes(window=WHOLE)
    opened.press("-")
    opened.becomes(window=WHOLE)


def test_the_controls_do_what_their_keys_do(show, view):
    opened = show(view)
    opened.page.select_option("[name=variant]", "1")
    opened.page.check("[name=difference]")
    opened.page.select_option("[name=n]", "3")
    opened.page.check("[name=hideFirst]")
    opened.page.check("[name=stretch]")
    opened.becomes(variant=1, difference=True, n=3, hideFirst=True, stretch=True)
    opened.page.click("[data-do=in]")
    opened.page.click("[data-do=fit]")
    opened.becomes(window=WHOLE)
    opened.page.locator(".string li").nth(15).click()
    opened.becomes(query=15, key=int(view.source[15]))
    opened.page.locator(".thumb", has_text="L0H2").click()
    opened.becomes(head=[head.name for head in view.heads].index("L0H2"))


def test_a_click_on_a_cell_selects_it_and_a_drag_moves_the_window(show, view):
    opened = show(view)
    box = opened.page.locator("canvas.pattern").bounding_box()
    step = (box["width"] - 54) / 26  # what is left of the canvas beside its margins, 46 and 8
    place = (box["x"] + 46 + 3.5 * step, box["y"] + 8 + 20.5 * step)
    opened.page.mouse.move(*place)
    assert opened.text(".hover").startswith("a at 20 → v at 3: ")
    opened.page.mouse.click(*place)
    opened.becomes(query=20, key=3)
    opened.press("+")
    opened.becomes(query=20)
    before = opened.state("window")
    opened.page.mouse.move(*place)
    opened.page.mouse.down()
    opened.page.mouse.move(place[0] + 100, place[1] + 100, steps=4)
    opened.page.mouse.up()
    opened.settle()
    after = opened.state("window")
    assert after["span"] == before["span"] and after["query"] < before["query"]
    assert opened.state("query", "key") == {"query": 20, "key": 3}


def test_keys_with_ctrl_and_keys_in_a_field_are_left_to_the_browser(show, view):
    opened = show(view)
    before = opened.state()
    opened.press("Control+v", "Alt+ArrowDown", "Meta+d")
    opened.page.locator("[name=sort]").focus()
    opened.press("n", "b", "c", "ArrowLeft")
    opened.page.wait_for_timeout(100)
    assert opened.state() == before


def test_arrows_on_a_thumbnail_step_through_heads_and_the_focus_goes_along(show, view):
    opened = show(view)
    opened.page.locator(".thumb[aria-pressed=true]").focus()
    opened.press("ArrowRight")
    second = opened.page.locator(".thumb b").nth(1).inner_text()
    focused = "name => document.activeElement.querySelector('b')?.textContent === name"
    assert opened.holds(focused, second)
    assert opened.state("query") == 19
    assert opened.page.locator(".thumb[aria-pressed=true] b").all_inner_texts() == [second]


def test_keys_that_are_struck_in_haste_are_obeyed_in_their_order(show, view):
    opened = show(view)
    first = opened.state("head")
    # All at once: what the last ones mean hangs on a variant that is still to be unpacked.
    strike = "(key) => document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}))"
    opened.page.evaluate(f"(keys) => keys.forEach({strike})", ["v", "s", "d", "[", "s"])
    last = [head.name for head in view.heads].index(opened.page.locator(".thumb b").nth(-1).inner_text())
    change = abs(view.variants[1].pattern[last, 19] - view.variants[0].pattern[last, 19])
    assert change.argmax() != view.variants[0].pattern[first, 19].argmax()
    opened.becomes(variant=1, difference=True, head=last, key=int(change.argmax()))


def test_of_two_views_on_a_page_the_one_with_the_focus_obeys_and_a_link_is_for_one(show, view, tmp_path):
    text = attention_view(view).html
    figure = re.search(r'<figure class="attention-view".*?</figure>', text, re.DOTALL)[0]
    page = tmp_path / "both.html"
    page.write_text(text.replace(figure, figure + figure.replace('id="attention-view', 'id="other-view')))
    opened = show(page, hash="#view=1&query=3&key=1")
    queries = "[...document.querySelectorAll('.attention-view')].map((each) => each.state.query)"
    assert opened.page.evaluate(queries) == [19, 3]
    opened.press("ArrowUp")  # whose, is not known
    opened.page.locator("canvas.pattern").nth(1).focus()
    opened.press("ArrowDown", "ArrowDown")
    assert opened.holds(f"{queries}[1] === 5")
    opened.page.locator("canvas.pattern").nth(0).focus()
    opened.press("ArrowUp")
    assert opened.holds(f"{queries}[0] === 18")
    assert opened.page.evaluate(queries) == [18, 5]
    assert "view=0" in opened.page.url and "query=18" in opened.page.url


@pytest.mark.parametrize("size", [1, 2, 9])
def test_short_strings_obey_every_key(show, view, size):
    def cut(array):
        return array[..., :size] if array.ndim == 1 else array[:, :size, :size]

    variants = tuple(
        replace(v, pattern=cut(v.pattern), probability=cut(v.probability), predicted=v.predicted[:size])
        for v in view.variants
    )
    short = replace(
        view, tokens=view.tokens[:size], labels=view.labels[:size], source=view.source[:size], variants=variants
    )
    opened = show(short)
    opened.press("ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "[", "]", *"jksvdnbc", "+", "-", "0")
    opened.becomes(variant=1, n=1, window={"query": 0, "key": 0, "span": size})
