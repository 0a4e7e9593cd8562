"""The attention view on the tokens of a language model, whose characters are split over tokens of bytes."""

from typing import Any

import pytest
import torch
import transformers

import interp
from interp.results.attention import AttentionView

pytest.importorskip("tokenizers")
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

TEXT = "caf\u00e9 \N{GRINNING FACE}:\n\tcaf\u00e9 \N{GRINNING FACE}"
TIMES = 8


@pytest.fixture(scope="module")
def text_view() -> AttentionView:
    pieces = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({piece: number for number, piece in enumerate(pieces)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken("<|end|>", special=True)])
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<|end|>")
    torch.manual_seed(0)
    shape: dict[str, Any] = {"n_layer": 2, "n_head": 2, "n_embd": 16, "n_positions": 512, "vocab_size": len(tokenizer)}
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**shape, bos_token_id=256, eos_token_id=256))
    return interp.view_attention(interp.open(model, tokenizer), TIMES * TEXT)


def test_characters_are_joined_and_signs_are_told_from_letters(show, text_view):
    opened = show(text_view)
    shown = opened.page.locator(".string li").all_text_contents()
    once = ["c", "a", "f", "\u00e9", "\u22efA9", "\u2423", "\N{GRINNING FACE}", "\u22ef9F", "\u22ef98", "\u22ef80"]
    assert shown == ["<|end|>", *(TIMES * [*once, ":", "\u21b5", "\u21e5", *once])]
    signs = opened.page.locator(".string .sign").all_text_contents()
    assert set(signs) == {"\u2423", "\u21b5", "\u21e5", *(sign for sign in once if sign.startswith("\u22ef"))}
    colours = "['.string li', '.string .sign'].map((of) => getComputedStyle(document.querySelector(of)).color)"
    letter, sign = opened.page.evaluate(colours)
    assert letter != sign
    title = opened.page.locator(".string li").nth(4).get_attribute("title")
    assert title == f"4: \u00e9 (token {text_view.tokens[4]})"
    assert "caf\u00e9 \N{GRINNING FACE}:\u21b5\u21e5caf\u00e9" in opened.text("figcaption")


def test_matches_are_those_of_token_ids(show, text_view):
    """The last four tokens are the bytes of a face, and only one other place follows the same four."""
    opened = show(text_view, hash="#view=0&query=23&key=1&n=4")
    ids = text_view.tokens.tolist()
    expected = {key for key in range(4, 24) if ids[key - 4 : key] == ids[20:24]}
    marked = opened.page.locator(".string li").evaluate_all("(all) => all.map((li) => li.className.includes('match'))")
    assert {position for position, match in enumerate(marked) if match} == expected == {11}


@pytest.mark.parametrize("width", [400, 1300])
def test_a_long_text_scrolls_in_its_own_box(show, text_view, width):
    opened = show(text_view, viewport={"width": width, "height": 900})
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    box = opened.page.evaluate(
        "(({scrollHeight, clientHeight}) => [scrollHeight, clientHeight])(document.querySelector('.string'))"
    )
    assert box[0] > box[1] and box[1] < 300
