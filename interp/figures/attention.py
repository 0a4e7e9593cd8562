"""Attention patterns on one short string, one panel a head, with the place that it should look at."""

import math

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from interp.figures.theme import MONO, NEUTRAL, ROLES, dress, faded, literal, names, number
from interp.results import AttentionExample

COLUMNS = 4
PANEL = 250
"""Height of a panel in pixels."""
POSITIVE, NEGATIVE = ROLES["lookup"].color, ROLES["gather"].color
"""Of signed patterns, whatever the role: orange and blue are told apart by every eye."""
LONGEST_LABEL = 8
"""Characters of a token on an axis; hovering shows all of it."""


def attention(example: AttentionExample) -> go.Figure:
    """Heat maps, query down and key across; a ring marks the place that the letter after the query is copied from.

    Signed patterns have two colours, as far from 0 either way. Dragging over a panel enlarges that part of all of them.
    """
    n_heads, n_pos = len(example.names), len(example.labels)
    long = max(map(len, example.labels), default=0) > 2
    rows, columns = math.ceil(n_heads / COLUMNS) or 1, min(COLUMNS, n_heads) or 1
    figure = make_subplots(
        rows,
        columns,
        subplot_titles=[_title(example, index) for index in range(n_heads)],
        shared_xaxes="all",
        shared_yaxes="all",
        horizontal_spacing=0.03,
        vertical_spacing=min(0.16 if long else 0.09, 0.3 / rows),
    )
    asked = np.flatnonzero(example.source >= 0)
    for index, role in enumerate(example.roles):
        place = {"row": index // columns + 1, "col": index % columns + 1}
        figure.add_trace(_heat_map(example, index, ROLES[role].color), **place)
        ring = {"symbol": "circle-open", "size": max(4, min(11, 240 / n_pos)), "color": NEUTRAL, "line": {"width": 1.2}}
        figure.add_trace(
            go.Scatter(
                x=example.source[asked],
                y=asked,
                mode="markers",
                marker=ring,
                name="copied from here",
                showlegend=index == 0,
                hoverinfo="skip",
            ),
            **place,
        )
    every = math.ceil(n_pos / 40)  # more labels than that cannot be read in one panel
    shown = list(range(0, n_pos, every))
    font = {"size": 8 if n_pos > 20 else 10, "family": MONO}
    ticks = {"tickvals": shown, "ticktext": [literal(_short(example.labels[i])) for i in shown], "tickfont": font}
    plain = {"showline": False, "ticks": "", "showgrid": False, "automargin": False}
    figure.update_xaxes(**ticks, **plain, range=[-0.5, n_pos - 0.5], showticklabels=True, tickangle=-90 if long else 0)
    figure.update_yaxes(**ticks, **plain, range=[n_pos - 0.5, -0.5])
    return dress(figure, "Attention patterns on one string", _says(example), PANEL * rows + 110)


def on_source(example: AttentionExample) -> list[float]:
    """Mean attention of each head to the place that the answer is copied from, on this string."""
    asked = np.flatnonzero(example.source >= 0)
    return [float(np.mean(pattern[asked, example.source[asked]])) for pattern in example.pattern] if len(asked) else []


def _heat_map(example: AttentionExample, index: int, color: str) -> go.Heatmap:
    n_pos = len(example.labels)
    seen = np.tri(n_pos, dtype=bool)
    text = [[_cell(example, q, k) if k <= q else "" for k in range(n_pos)] for q in range(n_pos)]
    value = "%{z:+.3f}" if example.signed else "%{z:.3f}"
    return go.Heatmap(
        z=np.where(seen, example.pattern[index], np.nan),
        text=text,
        hovertemplate=f"{literal(example.names[index])}: %{{text}}<br>attention {value}<extra></extra>",
        hoverongaps=False,
        colorscale=_signed_scale() if example.signed else [(0.0, faded(NEUTRAL, 0.1)), *_from_faint(color)],
        zmin=-1 if example.signed else 0,
        zmax=1,
        showscale=False,
    )


def _from_faint(color: str) -> list[tuple[float, str]]:
    """The end of a scale from 0 to 1: shares are small where there are many places."""
    return [(0.08, faded(color, 0.3)), (1.0, color)]


def _signed_scale() -> list[tuple[float, str]]:
    """From -1 to 1, alike on both sides of 0."""
    below = [((1 - share) / 2, color) for share, color in reversed(_from_faint(NEGATIVE))]
    above = [((1 + share) / 2, color) for share, color in _from_faint(POSITIVE)]
    return [*below, (0.5, faded(NEUTRAL, 0.1)), *above]


def _title(example: AttentionExample, index: int) -> str:
    hidden = bool(example.kinds) and example.kinds[index] == "hidden attention"
    return f"{literal(example.names[index])} · {example.roles[index]}{' · hidden' * hidden}"


def _short(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"


def _cell(example: AttentionExample, query: int, key: int) -> str:
    asker, asked = literal(example.labels[query]), literal(example.labels[key])
    mark = ", which is copied next" if example.source[query] == key else ""
    return f"from {asker} at {query} to {asked} at {key}{mark}"


def _says(example: AttentionExample) -> str:
    if not example.names:
        return "No head was drawn."
    string, share = "".join(example.labels), on_source(example)
    found = [f"{name} ({role}) {number(s)}" for name, role, s in zip(example.names, example.roles, share, strict=False)]
    colours = " It is signed: orange above 0, blue below." if example.signed else ""
    return f"Attention on the string {string}. Mean attention to the place copied from: {names(found)}.{colours}"
