"""How every figure looks: the colour and the symbol of each quantity, fonts, and the figure to start from.

A role and a quantity keep their colour everywhere; roles differ in symbol, too. What must change between a light page
and a dark one (text, grid, axes) is in `template`. Nothing is set globally.
"""

import html
from typing import NamedTuple

import plotly.graph_objects as go

from interp.base.words import ABSENT as ABSENT
from interp.base.words import names as names
from interp.base.words import number as number
from interp.base.words import percent as percent
from interp.figures.palette import (
    BLUE,
    DARK,
    GREEN,
    INK,
    NEUTRAL,
    OLIVE,
    ORANGE,
    PINK,
    VIOLET,
    faded,
)


class Look(NamedTuple):
    """Colour and marker of a series."""

    color: str
    symbol: str


ROLES = {"lookup": Look(ORANGE, "circle"), "gather": Look(BLUE, "square"), "none": Look(NEUTRAL, "x-thin")}
STRINGS, LETTERS = Look(GREEN, "circle"), Look(PINK, "diamond")
USED, HELD = Look(OLIVE, "circle"), Look(VIOLET, "square")
GROUPS = (
    Look(BLUE, "circle"),
    Look(ORANGE, "square"),
    Look(GREEN, "diamond"),
    Look(PINK, "triangle-up"),
    Look(OLIVE, "cross"),
    Look(VIOLET, "triangle-down"),
    Look(NEUTRAL, "x"),
)
"""What stands side by side and is neither a role nor a quantity: models, layers, groups of runs."""
SHADE = "rgba(132, 136, 143, 0.13)"
FONT = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"
CLEAR = "rgba(0, 0, 0, 0)"


def template(dark: bool = False) -> go.layout.Template:
    """Text, grid and axes for a light page or a dark one; the background is the page's own."""
    ink, muted, grid = (INK[1], "#B4B8BF", "#34373D") if dark else (INK[0], "#565B63", "#E4E2DC")
    axis = {
        "gridcolor": grid,
        "linecolor": muted,
        "tickcolor": muted,
        "tickfont": {"color": muted},
        "showline": True,
        "ticks": "outside",
        "ticklen": 4,
        "zeroline": False,
        "title": {"font": {"size": 13}, "standoff": 8},
        "automargin": True,
    }
    hover = {"bgcolor": "#26292F" if dark else "#FFFFFF", "bordercolor": muted, "font": {"color": ink, "family": FONT}}
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 13, "color": ink},
            "title": {"x": 0, "xanchor": "left", "xref": "paper", "font": {"size": 17}},
            "paper_bgcolor": CLEAR,
            "plot_bgcolor": CLEAR,
            "xaxis": {**axis, "showgrid": False},
            "yaxis": axis,
            "legend": {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"},
            "hoverlabel": hover,
            "annotationdefaults": {"font": {"color": muted, "size": 12}, "showarrow": False},
            "colorway": [DARK[look.color] if dark else look.color for look in GROUPS],
            "modebar": {"orientation": "v", "bgcolor": CLEAR, "color": muted, "activecolor": ink},
        }
    )


def dress(figure: go.Figure, title: str, says: str, height: int = 400, legend: bool = True) -> go.Figure:
    """Give a figure its looks, its title, and in `layout.meta["says"]` what it shows in one sentence with its numbers.

    Title and sentence may hold any text; pages take them from here, for readers who do not see the figure.
    """
    margin = {"l": 64, "r": 40, "t": 72, "b": 92 if legend else 60}
    title_text = {"text": literal(title), "y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 14}}
    meta = {"title": title, "says": says}
    return figure.update_layout(template=template(), title=title_text, height=height, margin=margin, meta=meta)


def accuracy_axis(title: str, lowest: float = 0.0) -> dict:
    """A y axis of shares, in per cent; a difference of shares may lie below 0."""
    span = [min(lowest, 0.0) - 0.03, 1.05]
    return {"title": {"text": title}, "range": span, "tickformat": ".0%", "tickvals": [0, 0.25, 0.5, 0.75, 1]}


def error_bars(value, interval, width: float = 3) -> dict:
    """Plotly's error bars from values and their intervals; no bar where the interval is None."""
    pairs = [(v, v) if ends is None else tuple(ends) for v, ends in zip(value, interval, strict=True)]
    up, down = ([abs(pair[i] - v) for v, pair in zip(value, pairs, strict=True)] for i in (1, 0))
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "thickness": 1.3, "width": width}


def band(x, low, high, color: str, name: str, **more) -> go.Scatter:
    """The area between two curves."""
    return go.Scatter(
        x=[*x, *reversed(list(x))],
        y=[*high, *reversed(list(low))],
        fill="toself",
        fillcolor=faded(color, 0.18),
        mode="lines",
        line={"width": 0},
        name=literal(name),
        hoverinfo="skip",
        showlegend=False,
        **more,
    )


def group_look(index: int) -> Look:
    """Return how the one with this number looks among those that stand side by side."""
    return GROUPS[index % len(GROUPS)]


def visible(text: str) -> str:
    """Signs for line ends and tabs; escapes of other invisible characters and of those that turn writing around."""
    text = text.replace("\n", "\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}").replace("\t", "\N{RIGHTWARDS ARROW TO BAR}")
    return "".join(c if c == " " or c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def literal(text: str) -> str:
    """Text that plotly draws as it is: tags and entities are markup to it, `$...$` mathematics, `%{...}` a value."""
    return html.escape(str(text), quote=False).replace("$", "&#36;").replace("%{", "&#37;{")
