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
    """Position in the string that each is copied from; it makes it an answer, unless it is -1."""
    also: Int[Tensor, "batch letter place"] | None = None
    """Further positions that each could be copied from; see `Batch.also`. Given for one piece at most."""
    trained: bool = False
    """Trained though it is not part of the answer: the end token."""


def mark(token: int | None, like: Int[Tensor, "batch letter"], trained: bool = False) -> list[Piece]:
    """Make the piece of a special token in every string; none where the vocabulary has no such token."""
    return [] if token is None else [Piece(like.new_full((like.shape[0], 1), token), trained=trained)]


def join(pieces: Sequence[Piece], pad: int) -> Batch:
    """Make the strings of these pieces, each without gaps, padded on the right to the widest that there could be."""
    string = torch.cat([p.tokens for p in pieces], dim=1)
    source, answer, ends = torch.full_like(string, -1), torch.zeros_like(string, dtype=torch.bool), [0]
    for piece in pieces:
        ends.append(ends[-1] + piece.tokens.shape[1])
        if piece.source is not None:
            source[:, ends[-2] : ends[-1]] = piece.source
            answer[:, ends[-2] : ends[-1]] = piece.source >= 0
    trained, also = answer.clone(), _further(pieces)
    for piece, start, end in zip(pieces, ends, ends[1:], strict=False):
        if piece.trained:
            trained[:, start:end] = True
    if all(p.lengths is None for p in pieces):
        also = None if also is None else also[:, 1:]
        return Batch(string[:, :-1], string[:, 1:], trained[:, 1:], answer[:, 1:], source[:, 1:], also=also)

    present = torch.cat([_present(p) for p in pieces], dim=1)
    # A stable sort by absence moves what is present to the left and keeps its order.
    order = present.logical_not().byte().argsort(dim=1, stable=True)
    string = string.masked_fill(~present, pad).gather(1, order)
    source = source.masked_fill(~present, -1).gather(1, order)[:, 1:]
    answer = (answer & present).gather(1, order)[:, 1:]
    trained = (trained & present).gather(1, order)[:, 1:]
    followed = present.gather(1, order)[:, 1:]
    if also is not None:
        also = also.masked_fill(~present[..., None], -1).take_along_dim(order[..., None], 1)[:, 1:]
    return Batch(string[:, :-1].masked_fill(~followed, pad), string[:, 1:], trained, answer, source, also=also)


def _further(pieces: Sequence[Piece]) -> Tensor | None:
    """The further sources of every token; None where no piece has any."""
    given = [piece.also.shape[2] for piece in pieces if piece.also is not None]
    if not given:
        return None
    none = [p.tokens.new_full((*p.tokens.shape, given[0]), -1) for p in pieces]
    return torch.cat([at if p.also is None else p.also for p, at in zip(pieces, none, strict=True)], dim=1)


def _present(piece: Piece) -> Tensor:
    if piece.lengths is None:
        return torch.ones_like(piece.tokens, dtype=torch.bool)
    return torch.arange(piece.tokens.shape[1], device=piece.tokens.device) < piece.lengths[:, None]
