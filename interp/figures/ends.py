"""Names at the ends of lines, where a reader looks, rather than in a legend: kept apart, however near the ends are."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from interp.base import words
from interp.figures.theme import literal

NAME = "line-end"
"""Name of these annotations: a page moves them anew where it changes the height of a panel (`page.js`)."""
ROOM = 15.0
"""Pixels from one name to the next."""
LETTER, MOST_MARGIN = 7, 190
"""Width of a letter, and the widest margin, in pixels."""
MOST_LETTERS = 27
"""In a name: they have room in the widest margin. Of a longer one the end is written, where paths and models differ."""
PAD = 0.04
"""Share of a horizontal axis that is left free before its first point and behind its last."""
SAME = 0.012
"""Ends of one colour nearer than this share of the axis get one label."""


class End(NamedTuple):
    """Where a line ends, and what it is called."""

    x: float
    y: float
    text: str
    color: str


def label_ends(figure: go.Figure, ends: Sequence[End], panel: int = 1) -> go.Figure:
    """Write the name of each line at its end, in its colour.

    The figure must have its height and its axes by now (`theme.dress`). Ends of one colour that lie together share a
    label, as in `n = 4, 5`.

    Args:
        figure: is changed in place.
        ends: of the lines of one panel.
        panel: its number, row by row.
    """
    ends = [end._replace(x=float(end.x), y=float(end.y)) for end in ends if np.isfinite([end.x, end.y]).all()]
    if not ends:
        return figure
    number = "" if panel == 1 else str(panel)
    x_axis, y_axis = figure.layout[f"xaxis{number}"], figure.layout[f"yaxis{number}"]
    low, high = _span(figure, y_axis, f"y{number}")
    height = (figure.layout.height - figure.layout.margin.t - figure.layout.margin.b) * _share(y_axis)
    ends = [end._replace(text=_short(end.text)) for end in _merged(ends, y_axis.type == "log", SAME * (high - low))]
    values = [np.log10(end.y) if y_axis.type == "log" else end.y for end in ends]
    pixels = [float((high - value) / (high - low) * height) for value in values]
    for end, value, pixel, kept in zip(ends, values, pixels, apart(pixels, lowest=height - ROOM / 2), strict=True):
        figure.add_annotation(
            x=np.log10(end.x) if x_axis.type == "log" else end.x,
            y=value,
            text=literal(end.text),
            font={"color": end.color, "size": 12},
            xanchor="left",
            yanchor="middle",
            xshift=7,
            yshift=pixel - kept,
            showarrow=False,
            name=NAME,
            xref=f"x{number}",
            yref=f"y{number}",
        )
    _settle(figure, x_axis, f"x{number}")
    longest = max(len(end.text) for end in ends)
    margin = min(MOST_MARGIN, 14 + LETTER * longest)
    figure.update_layout(margin={"r": max(figure.layout.margin.r, margin)})
    return figure


def move_ends(figure: go.Figure) -> go.Figure:
    """Keep the names at the ends of lines apart again, after the heights of the panels have changed.

    Args:
        figure: is changed in place; it has its height.
    """
    for ref in {note.yref for note in figure.layout.annotations if note.name == NAME}:
        axis = figure.layout[f"yaxis{ref[1:]}"]
        low, high = _span(figure, axis, ref)
        height = (figure.layout.height - figure.layout.margin.t - figure.layout.margin.b) * _share(axis)
        notes = [note for note in figure.layout.annotations if note.name == NAME and note.yref == ref]
        pixels = [float((high - note.y) / (high - low) * height) for note in notes]
        for note, pixel, kept in zip(notes, pixels, apart(pixels, lowest=height - ROOM / 2), strict=True):
            note.yshift = pixel - kept
    return figure


def apart(places: Sequence[float], room: float = ROOM, lowest: float = np.inf) -> list[float]:
    """Move places along a line as little as can be (in the square) until any two are `room` apart, in their order.

    >>> apart([10.0, 10.0, 100.0], room=20.0)
    [0.0, 20.0, 100.0]

    Args:
        places: counted downwards.
        room: from one to the next.
        lowest: none lies below it; those that would are moved up, with what is in their way.
    """
    order = np.argsort(places, kind="stable")
    blocks: list[tuple[float, int]] = []  # mean and size, of places less the room before them: they must not fall
    for rank, index in enumerate(order):
        blocks.append((places[index] - rank * room, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (one, n), (other, m) = blocks[-2:]
            blocks[-2:] = [((one * n + other * m) / (n + m), n + m)]
    means = [mean for mean, size in blocks for _ in range(size)]
    kept = [0.0] * len(places)
    for rank, (index, mean) in enumerate(zip(order, means, strict=True)):
        kept[index] = min(mean + rank * room, lowest - (len(places) - 1 - rank) * room)
    return kept


def _merged(ends: Sequence[End], log: bool, near: float) -> list[End]:
    """Ends of one colour that lie together, under one name: `n = 4` and `n = 5` are `n = 4, 5`."""
    found: list[list[End]] = []
    for end in ends:
        place = np.log10(end.y) if log else end.y
        for group in found:
            first = np.log10(group[0].y) if log else group[0].y
            same_start = group[0].text.rpartition(" ")[0] == end.text.rpartition(" ")[0] != ""
            if group[0].color == end.color and same_start and group[0].x == end.x and abs(first - place) <= near:
                group.append(end)
                break
        else:
            found.append([end])
    return [group[0]._replace(text=_together([end.text for end in group])) for group in found]


def _together(texts: list[str]) -> str:
    start = texts[0].rpartition(" ")[0]
    return texts[0] if len(texts) == 1 else f"{start} {words.names(text.rpartition(' ')[2] for text in texts)}"


def _short(name: str) -> str:
    return name if len(name) <= MOST_LETTERS else f"…{name[1 - MOST_LETTERS :]}"


def _settle(figure: go.Figure, axis: Any, name: str) -> None:
    """Give a horizontal axis its range. One that plotly fits makes room for the names a second time, inside: on a phone
    that leaves the lines a third of the width."""
    if axis.range is not None or axis.type == "category":
        return
    drawn = [trace.x for trace in figure.data if (trace.xaxis or "x") == name and trace.x is not None]
    marks = [[shape.x0, shape.x1] for shape in figure.layout.shapes if shape.xref == name]
    if not drawn:
        return
    values = np.concatenate([np.asarray(x, dtype=float).ravel() for x in [*drawn, *marks]])
    values = np.log10(values[values > 0]) if axis.type == "log" else values
    values = values[np.isfinite(values)]
    pad = PAD * float(np.ptp(values)) or PAD
    low = float(values.min()) - pad * (axis.rangemode != "tozero")
    axis.range = [min(low, 0.0) if axis.rangemode == "tozero" else low, float(values.max()) + pad]


def _share(axis: Any) -> float:
    return 1.0 if axis.domain is None else axis.domain[1] - axis.domain[0]


def _span(figure: go.Figure, axis: Any, name: str) -> tuple[float, float]:
    """Lower and upper end of a vertical axis, in its own units (exponents, of a logarithmic one)."""
    if axis.range is not None:
        return float(axis.range[0]), float(axis.range[1])
    shown = [trace.y for trace in figure.data if (trace.yaxis or "y") == name and trace.y is not None]
    values = np.concatenate([np.asarray(y, dtype=float) for y in shown])
    values = np.log10(values[values > 0]) if axis.type == "log" else values
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    low = min(low, 0.0) if axis.rangemode == "tozero" else low
    pad = 0.05 * (high - low) or 1.0
    return low - pad * (axis.rangemode != "tozero"), high + pad
