"""How the tokens of a language model are written, one by one, so that a string of them can be read.

Tokenizers that work on bytes (GPT-2's byte-level BPE, SentencePiece with byte fallback) split a character over several
tokens. No such token is a character by itself: its character is written on the first, and the others go on from there.
"""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from interp.results.attention import GOES_ON

BLANK = "\N{LOWER ONE EIGHTH BLOCK}"
"""How SentencePiece writes the blank before a word."""
BROKEN = "\N{REPLACEMENT CHARACTER}"
ONE_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
PRINTED = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
"""Bytes that stand for themselves in the pieces of byte-level BPE; the others are written from U+0100 on."""
BYTE_OF = {chr(byte): byte for byte in PRINTED} | {
    chr(0x100 + place): byte for place, byte in enumerate(sorted(set(range(0x100)) - set(PRINTED)))
}
LONGEST = 4
"""Bytes of a character in UTF-8, at most."""


def token_labels(tokenizer: Any, tokens: Sequence[int]) -> tuple[str, ...]:
    """Each token as it reads within the text: blanks, tabs and line ends as they are, special tokens by their names.

    A character that is split over tokens is written on the first; on the others stand `GOES_ON` and their bytes. Bytes
    that make no character are hexadecimal: <0xE2>. A token that the tokenizer does not know is its number: <50000>.
    """
    read = [_read(tokenizer, token) for token in tokens]
    labels: list[str] = []
    for _, run in groupby(read, key=type):
        found = list(run)
        labels += _joined([piece for piece in found if isinstance(piece, bytes)])
        labels += [text for text in found if isinstance(text, str)]
    return tuple(labels)


def _read(tokenizer: Any, token: int) -> str | bytes:
    """A token as text; as bytes where these are no text by themselves.

    A tokenizer drops the blank of a token that it decodes alone (SentencePiece), and makes nothing of some special
    tokens: then the piece's own name says what it is.
    """
    text = tokenizer.decode([token], clean_up_tokenization_spaces=False)
    piece = tokenizer.convert_ids_to_tokens(token)
    if not isinstance(piece, str):
        return text or f"<{token}>"
    if BROKEN in text:
        return _bytes(piece, text)
    if piece.startswith(BLANK) and not text.startswith(" "):
        return f" {text}"
    return text or piece


def _bytes(piece: str, text: str) -> str | bytes:
    """What a piece stands for that decodes to no character; its text where that is what it says."""
    if one := ONE_BYTE.fullmatch(piece):
        return bytes.fromhex(one[1])
    if not set(piece) <= BYTE_OF.keys():
        return text
    found = bytes(BYTE_OF[sign] for sign in piece)
    return text if _is_text(found) else found


def _is_text(found: bytes) -> bool:
    try:
        found.decode()
    except UnicodeDecodeError:
        return False
    return True


def _joined(pieces: Sequence[bytes]) -> list[str]:
    """Pieces that follow each other: each with the characters that begin in it."""
    whole, start = b"".join(pieces), 0
    labels = []
    done = 0  # bytes that are written already
    for piece in pieces:
        end = start + len(piece)
        label = f"{GOES_ON}{whole[start : min(done, end)].hex().upper()}" if done > start else ""
        done, strange = max(done, start), b""
        while done < end:
            size = next((n for n in range(1, LONGEST + 1) if _is_text(whole[done : done + n])), 0)
            if size:
                label, strange = label + _hex(strange) + whole[done : done + size].decode(), b""
            else:
                strange += whole[done : done + 1]
            done += size or 1
        labels.append(label + _hex(strange))
        start = end
    return labels


def _hex(strange: bytes) -> str:
    return f"<0x{strange.hex().upper()}>" if strange else ""
