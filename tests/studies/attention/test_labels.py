"""How tokens of language models are written: compared with the text that they were made of."""

import re

import pytest

pytest.importorskip("tokenizers")
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from interp.results.attention import GOES_ON
from interp.studies.attention.run.labels import token_labels

SMILE = "\N{GRINNING FACE}"
BLANK = "\N{LOWER ONE EIGHTH BLOCK}"


def byte_level(*merges: tuple[str, str]) -> PreTrainedTokenizerFast:
    """GPT-2's kind: a piece for every byte, and what is merged of them."""
    pieces = sorted(pre_tokenizers.ByteLevel.alphabet()) + [one + other for one, other in merges]
    vocab = {piece: number for number, piece in enumerate(pieces)}
    backend = Tokenizer(models.BPE(vocab, list(merges)))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken("<|end|>", special=True)])
    # Of the tokenizers of older releases: " ." alone would be decoded without its blank.
    return PreTrainedTokenizerFast(tokenizer_object=backend, clean_up_tokenization_spaces=True)


def labels(tokenizer: PreTrainedTokenizerFast, text: str) -> tuple[str, ...]:
    return token_labels(tokenizer, tokenizer.encode(text, add_special_tokens=False))


def test_blanks_line_ends_and_tabs_are_themselves_and_special_tokens_have_their_names():
    tokenizer = byte_level(("\u0120", "a"), ("\u0120", "."))
    assert labels(tokenizer, "a a .\n\t<|end|>b") == ("a", " a", " .", "\n", "\t", "<|end|>", "b")


def test_a_split_character_stands_on_its_first_token_and_bytes_on_the_others():
    tokenizer = byte_level()
    assert labels(tokenizer, "\u00e9") == ("\u00e9", f"{GOES_ON}A9")
    assert labels(tokenizer, f"x{SMILE}{SMILE}") == ("x", *(2 * (SMILE, "\u22ef9F", "\u22ef98", "\u22ef80")))


def test_a_token_may_hold_a_blank_before_and_the_middle_of_a_character():
    first, second, third, last = (piece for piece in byte_level().convert_ids_to_tokens(byte_level().encode(SMILE)))
    tokenizer = byte_level(("\u0120", first), (second, third))
    assert labels(tokenizer, f"a {SMILE}") == ("a", f" {SMILE}", "\u22ef9F98", "\u22ef80")
    merged = byte_level((last, first), (second, third))
    assert labels(merged, 2 * SMILE)[:2] == (SMILE, "\u22ef9F98")


def test_a_token_that_ends_one_character_and_begins_the_next_shows_both():
    two = "\u00e9\u00e8"  # C3 A9 C3 A8: the middle bytes are one token
    tokenizer = byte_level(("\u00a9", "\u00c3"))
    assert labels(tokenizer, two) == ("\u00e9", "\u22efA9\u00e8", "\u22efA8")


def test_bytes_that_make_no_character_are_hexadecimal_and_never_other_letters():
    tokenizer = byte_level()
    ids = tokenizer.encode(SMILE)
    assert token_labels(tokenizer, ids[:2]) == ("<0xF0>", "<0x9F>")
    assert token_labels(tokenizer, [ids[1], *tokenizer.encode("a")]) == ("<0x9F>", "a")
    cut = [*ids[:1], *ids]  # the first is not a part of the character that follows
    assert token_labels(tokenizer, cut) == ("<0xF0>", SMILE, "\u22ef9F", "\u22ef98", "\u22ef80")


@pytest.mark.parametrize(
    "text", ["caf\u00e9 na\u00efve", f" {SMILE}\n\n\u4f60\u597d \u0627\u0628\t!", "\ufffd \u22efA9"]
)
def test_labels_without_the_marks_are_the_text(text):
    for tokenizer in (byte_level(), byte_level(("\u0120", "\u00f0"), ("\u00c3", "\u00a9"), ("n", "a"))):
        written = labels(tokenizer, text)
        kept = [label for label in written if len(label) == 1 or not re.match("\u22ef[0-9A-F]{2}", label)]
        assert "".join(kept) == text and len(written) == len(tokenizer.encode(text))


def test_what_has_no_text_is_named():
    tokenizer = byte_level()
    assert token_labels(tokenizer, [50_000]) == ("<50000>",)
    assert token_labels(tokenizer, []) == ()


def test_an_empty_piece_is_empty():
    backend = Tokenizer(models.WordLevel({"": 0, "a": 1}, unk_token=""))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend)
    assert token_labels(tokenizer, [0, 1]) == ("", "a")


def test_sentencepiece_keeps_its_blanks_and_joins_its_bytes():
    """Its tokens lose their blank when they are decoded alone."""
    pieces = ["<unk>", "<s>", "</s>", BLANK, "cat", f"{BLANK}cat", "ca", *"cat"]
    pieces += [f"<0x{byte:02X}>" for byte in range(256)]
    merges = [("c", "a"), ("ca", "t"), (BLANK, "cat")]
    vocab = {piece: number for number, piece in enumerate(pieces)}
    backend = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", byte_fallback=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend(BLANK), normalizers.Replace(" ", BLANK)])
    steps = [decoders.Replace(BLANK, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    backend.decoder = decoders.Sequence(steps)
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, **special)
    snow = labels(tokenizer, "catcat cat\N{SNOWMAN}\n")
    assert snow == (" cat", "cat", " cat", "\N{SNOWMAN}", "\u22ef98", "\u22ef83", "\n")
    assert token_labels(tokenizer, [vocab["<0xE2>"], vocab["<s>"]]) == ("<0xE2>", "<s>")
