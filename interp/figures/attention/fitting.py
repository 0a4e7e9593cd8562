"""Views that are small enough for a page: long texts under models of many heads have weights by the million.

Most of these weights are next to nothing, and take most of the room. The smallest are set to 0, below the lowest of
`FLOORS` that will do. Where the highest does not suffice, heads are left out: those that score least, or of heads
without scores those that look least at what followed an earlier occurrence of a token. The view says both.
"""

import base64
import gzip
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from interp.base import words
from interp.figures.attention.encoding import LEVELS, Levels, quantise, restore
from interp.figures.attention.head_vis_metrics import induction
from interp.results.attention import AttentionView

MOST = 3_800_000
"""Bytes of all patterns in a page, as they are written: with the rest it has less than 4 MB."""
FLOORS = (0.001, 0.002, 0.003, 0.004, 0.006, 0.01, 0.02)
"""Weights below which nothing is kept."""


def fitted(view: AttentionView, most: int = MOST) -> AttentionView:
    """Return a view whose patterns take at most so many bytes of a page: itself, if they do.

    >>> fitted(study.attention).least
    0.0

    Args:
        view: any. Signed weights are left as they are.
        most: bytes of all its patterns.
    """
    if any(variant.signed for variant in view.variants):
        return view
    levels = [quantise(variant.pattern) for variant in view.variants]
    if (taken := size(levels)) <= most:
        return view
    kept = levels
    for floor in FLOORS:
        kept = [np.where(of_one < LEVELS * floor**0.5, np.uint8(0), of_one) for of_one in levels]
        if (taken := size(kept)) <= most:
            return _with(view, kept, range(len(view.heads)), floor)
    best, heads = np.argsort([-score for score in _scores(view)], kind="stable"), len(view.heads)
    chosen: list[int] = []
    while taken > most and heads > 1:
        heads = max(1, min(heads - 1, int(heads * most / taken)))
        chosen = sorted(best[:heads].tolist())
        taken = size([of_one[chosen] for of_one in kept])
    return _with(view, [of_one[chosen] for of_one in kept], chosen, FLOORS[-1])


def size(levels: Sequence[Levels]) -> int:
    """Return the bytes that patterns take in a page."""
    return sum(len(base64.b64encode(gzip.compress(of_one.tobytes(), mtime=0))) for of_one in levels)


def _with(view: AttentionView, levels: Sequence[Levels], heads: Sequence[int], floor: float) -> AttentionView:
    """The view with these levels in place of its weights, of some of its heads, and a note on those that are gone."""
    restored = (restore(of_one, len(view.labels)) for of_one in levels)
    variants = tuple(replace(v, pattern=pattern) for v, pattern in zip(view.variants, restored, strict=True))
    notes = view.notes
    if gone := len(view.heads) - len(heads):
        notes += (
            f"{words.count(gone, 'head')} of {len(view.heads)} that look up least are left out, so that the page stays "
            "small; name the heads to be shown, or shorten the text, to see others",
        )
    chosen = tuple(view.heads[i] for i in heads)
    return replace(view, heads=chosen, variants=variants, notes=notes, least=floor)


def _scores(view: AttentionView) -> list[float]:
    """What each head is kept for."""
    patterns = view.variants[0].pattern
    return [
        head.found.score if head.found else induction(pattern, view.tokens) or 0.0
        for head, pattern in zip(view.heads, patterns, strict=True)
    ]
