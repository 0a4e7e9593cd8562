"""How a view of attention lies in a page, so that the figure is the data: `attnview/1`.

One script element holds the view as JSON, all but its patterns; one for each variant follows with these: lower
triangles, row after row, head after head, a byte a cell, compressed (gzip) and written in base64.

A weight a is kept as round(255 sqrt(a)): small weights, of which a row has most, keep their size, where even steps
would round a row of 1/512 to nothing. Below .24 a weight is rounded to the side that brings the sum of its row
so far nearer to the true one, so that many equal weights do not all err alike. A weight that comes back is off by
`ERROR` at most, a row's sum by 1 %. Signed weights have a byte of sign and 127 levels of |a|, relative to the largest
of their head.
"""

import base64
import gzip
import io
import json
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from markupsafe import Markup

from interp.base.budget import budget
from interp.base.errors import InterpError, UserError
from interp.base.files import finite, read_bytes
from interp.figures.page import script_json
from interp.results.attention import AttentionView
from interp.results.record import DAMAGE, packed, unpacked

SCHEMA = "attnview/1"
LEVELS, SIGNED_LEVELS = 255, 127
ERROR, SIGNED_ERROR = 1 / LEVELS, 1 / SIGNED_LEVELS
"""The most by which a weight is off, the latter relative to the largest of its head."""
MOST_BYTES = 2**28
"""Bytes of a page, and of a pattern in it, at most."""
STEERED = 0.24
"""Weight below which rounding goes either way: the step there is no larger than half the largest."""

Patterns = Float[np.ndarray, "head query key"]
Levels = UInt8[np.ndarray, "head cell"]


@dataclass(frozen=True)
class Encoded:
    """A view as the elements of a page hold it."""

    json: Markup
    patterns: tuple[Markup, ...]


def encode(view: AttentionView) -> Encoded:
    """A view as text that can stand in script elements, whatever its tokens hold."""
    document, arrays = packed(view)
    texts, scales = [], []
    for index, variant in enumerate(view.variants):
        del arrays[f"variants.{index}.pattern"]
        scale = _scale(variant.pattern, variant.signed)
        scales.append(scale.tolist())
        levels = quantise(variant.pattern / scale[:, None, None], variant.signed)
        texts.append(Markup(base64.b64encode(gzip.compress(levels.tobytes(), mtime=0)).decode()))
    small = {key: {"dtype": str(array.dtype), "values": _numbers(array)} for key, array in arrays.items()}
    content = {"schema": SCHEMA, "view": document, "arrays": small, "scales": scales}
    return Encoded(script_json(finite(content)), tuple(texts))


def load_view(page: str | Path, index: int = 0) -> AttentionView:
    """Read a view back from a page that holds it.

    Weights are off by `ERROR` at most, signed ones by `SIGNED_ERROR` of their head's largest.

    >>> path = interp.figures.attention_view(study.attention).save("attention.html")
    >>> interp.figures.load_view(path).labels == study.attention.labels
    True

    Args:
        page: an attention page, or the report of an analysis.
        index: which of the views in the page.

    Raises: UserError if there is no such file or view; InterpError if it is damaged.
    """
    content = read_bytes(Path(page), "a page with a view of attention", MOST_BYTES)
    try:
        views = _Views(content.decode("utf-8")).found
        if 0 <= index < len(views):
            return _decode(*views[index])
    except DAMAGE as error:
        raise InterpError(
            f"the view in {page} must be as it was written; got a damaged one ({str(error).rstrip('.')}). "
            "Make the page again."
        ) from error
    raise UserError(f"index must be that of a view in {page}, which holds {len(views)} (the first is 0); got {index}.")


def quantise(pattern: Patterns, signed: bool = False) -> Levels:
    """The lower triangles in levels; weights from 0 to 1, or -1 to 1. Exact zeros stay zeros."""
    heads = max(1, budget().cells // max(1, pattern.shape[1] ** 2))
    some = (pattern[first : first + heads] for first in range(0, len(pattern), heads))
    return np.concatenate([_quantised(part, signed) for part in some])


def _quantised(pattern: Patterns, signed: bool) -> Levels:
    levels = SIGNED_LEVELS if signed else LEVELS
    weight = np.abs(pattern).astype(np.float64)
    exact = levels * np.sqrt(weight)
    level = np.rint(exact)
    owed = np.zeros(pattern.shape[:2])
    for key in range(pattern.shape[2]):  # of all rows at once: what each owes so far, its next weight is to bring
        a, at = weight[:, key:, key], exact[:, key:, key]
        wished = levels * np.sqrt(np.maximum(a + owed[:, key:], 0))
        steered = np.clip(np.rint(wished), np.floor(at), np.ceil(at))
        chosen = np.where(a < STEERED, steered, level[:, key:, key])
        owed[:, key:] += a - (chosen / levels) ** 2
        level[:, key:, key] = chosen
    rows, columns = np.tril_indices(pattern.shape[1])
    triangle = level[:, rows, columns]
    if not signed:
        return triangle.astype(np.uint8)
    return (np.where(pattern[:, rows, columns] < 0, -triangle, triangle) + SIGNED_LEVELS + 1).astype(np.uint8)


def restore(levels: Levels, n_pos: int, signed: bool = False) -> Patterns:
    """The weights that levels stand for."""
    values = levels.astype(np.float32)
    values = (values - SIGNED_LEVELS - 1) / SIGNED_LEVELS if signed else values / LEVELS
    pattern = np.zeros((len(levels), n_pos, n_pos), dtype=np.float32)
    rows, columns = np.tril_indices(n_pos)
    pattern[:, rows, columns] = np.abs(values) * values
    return pattern


def _scale(pattern: Patterns, signed: bool) -> Float[np.ndarray, " head"]:
    """What the weights are relative to: signed ones, which are small where many channels cancel, to their largest."""
    largest = np.abs(pattern).max(axis=(1, 2), initial=0) if signed else np.ones(len(pattern))
    return np.where(largest > 0, largest, 1.0)


def _numbers(array: np.ndarray) -> list[Any]:
    """Six digits are more than is drawn."""
    return [float(f"{x:.6g}") for x in array.tolist()] if array.dtype.kind == "f" else array.tolist()


def _decode(content: dict[str, Any], patterns: list[str]) -> AttentionView:
    if content["schema"] != SCHEMA:
        raise ValueError(f"its schema is {content['schema']}, not {SCHEMA}")
    document, arrays = content["view"], {}
    for key, of_key in content["arrays"].items():
        values = [np.nan if x is None else x for x in of_key["values"]]
        arrays[key] = np.array(values, dtype=of_key["dtype"])
    n_heads, n_pos = len(document["heads"]), len(document["labels"])
    for index, (text, variant) in enumerate(zip(patterns, document["variants"], strict=True)):
        cells = min(n_heads * n_pos * (n_pos + 1) // 2, MOST_BYTES)
        with gzip.open(io.BytesIO(base64.b64decode(text))) as packed_levels:
            unfolded = packed_levels.read(cells + 1)  # no more, whatever it would unfold to
        levels = np.frombuffer(unfolded, dtype=np.uint8).reshape(n_heads, -1)
        scale = np.array(content["scales"][index], dtype=np.float32)[:, None, None]
        arrays[f"variants.{index}.pattern"] = restore(levels, n_pos, variant["signed"]) * scale
    return unpacked(AttentionView, document, arrays)


class _Views(HTMLParser):
    """The views in a page: of each its JSON and its patterns."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[Any, list[str]]] = []
        self._inside = ""
        self._text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kind = dict(attrs).get("class")
        if tag == "script" and kind in ("view-json", "view-pattern"):
            self._inside, self._text = kind, ""

    def handle_data(self, data: str) -> None:
        self._text += data if self._inside else ""

    def handle_endtag(self, tag: str) -> None:
        if tag != "script" or not self._inside:
            return
        if self._inside == "view-json":
            self.found.append((json.loads(self._text), []))
        else:
            self.found[-1][1].append(self._text)
        self._inside = ""
