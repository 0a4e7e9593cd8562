"""Where runs of tokens become a `Batch`: pieces, ragged or not, are joined, shifted by one and padded on the right.

pieces   $ | c a b | '|' | c a b | .     a piece that has a source is the answer: scored and trained
tokens   $   c a b    |    c a b         everything but the last token
targets  c   a b |    c    a b .         everything but the first
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from interp.tasks.base import Batch


@dataclass(frozen=True)
class Piece:
    """A run of tokens in each string, of which a string has the first `lengths`."""

    tokens: Int[Tensor, "batch letter"]
    lengths: Int[Tensor, " batch"] | None = None
    """None: every string has all of them."""
    source: Int[Tensor, "batch letter"] | None = None
    """Position in the string that each is copied from; it makes the piece the answer."""
    trained: bool = False
    """Trained though it is no answer: the end token."""


def mark(token: int | None, like: Int[Tensor, "batch letter"], trained: bool = False) -> list[Piece]:
    """Make the piece of a special token in every string; none where the vocabulary has no such token."""
    return [] if token is None else [Piece(like.new_full((like.shape[0], 1), token), trained=trained)]


def join(pieces: Sequence[Piece], pad: int) -> Batch:
    """Make the strings of these pieces, each without gaps, padded on the right to the widest that there could be."""
    absent = torch.full_like
    string = torch.cat([p.tokens for p in pieces], dim=1)
    source = torch.cat([absent(p.tokens, -1) if p.source is None else p.source for p in pieces], dim=1)
    answer = torch.cat([absent(p.tokens, p.source is not None, dtype=torch.bool) for p in pieces], dim=1)
    trained = answer | torch.cat([absent(p.tokens, p.trained, dtype=torch.bool) for p in pieces], dim=1)
    if all(p.lengths is None for p in pieces):
        return Batch(string[:, :-1], string[:, 1:], trained[:, 1:], answer[:, 1:], source[:, 1:])

    present = torch.cat([_present(p) for p in pieces], dim=1)
    # A stable sort by absence moves what is present to the left and keeps its order.
    order = present.logical_not().byte().argsort(dim=1, stable=True)
    string = string.masked_fill(~present, pad).gather(1, order)
    source = source.masked_fill(~present, -1).gather(1, order)[:, 1:]
    answer = (answer & present).gather(1, order)[:, 1:]
    trained = (trained & present).gather(1, order)[:, 1:]
    followed = present.gather(1, order)[:, 1:]
    return Batch(string[:, :-1].masked_fill(~followed, pad), string[:, 1:], trained, answer, source)


def _present(piece: Piece) -> Tensor:
    if piece.lengths is None:
        return torch.ones_like(piece.tokens, dtype=torch.bool)
    return torch.arange(piece.tokens.shape[1], device=piece.tokens.device) < piece.lengths[:, None]
