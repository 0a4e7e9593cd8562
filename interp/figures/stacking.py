"""Panels of a figure put one below the other, where they have no room side by side; `page.js` does it on pages."""

from itertools import pairwise

import plotly.graph_objects as go

PANEL, GAP = 190, 90
"""Height of a panel and space between two, for a title and an axis, in pixels."""
TITLE, LETTER = 13, 6.4
"""Size of a panel's title on paper, and the width of one of its letters, in pixels."""
NEAR = 0.01
"""A note this near the middle of a panel's top is its title."""


def stack(figure: go.Figure) -> bool:
    """Put panels that stand side by side one below the other, row by row, each with its title.

    Args:
        figure: is changed in place.

    Returns: whether anything was moved; the figure then has the height that it needs.
    """
    names = [name for name in figure.layout.to_plotly_json() if name.startswith("xaxis")]
    panels = [(figure.layout[name], figure.layout[f"y{name[1:]}"]) for name in names]
    if any(x.domain is None or y.domain is None for x, y in panels) or _upright_bar(figure):
        return False
    if len({x.domain[0] for x, _ in panels}) < 2:
        return False
    panels.sort(key=lambda panel: (-panel[1].domain[1], panel[0].domain[0]))
    whole, moved = len(panels) * (PANEL + GAP) - GAP, set()
    for index, (x, y) in enumerate(panels):
        top, middle = 1 - index * (PANEL + GAP) / whole, (x.domain[0] + x.domain[1]) / 2
        for i, note in enumerate(figure.layout.annotations):
            above = note.xref == note.yref == "paper" and i not in moved
            if above and abs(note.x - middle) < NEAR and abs(note.y - y.domain[1]) < NEAR:
                note.update(x=0.5, y=top)
                moved.add(i)
        if y.showticklabels is False:
            y.showticklabels = True
        x.domain, y.domain = (0.0, 1.0), (max(0.0, top - PANEL / whole), top)
    figure.update_layout(height=figure.layout.margin.t + figure.layout.margin.b + whole)
    return True


def titles(figure: go.Figure) -> list[go.layout.Annotation]:
    """The titles of panels, which `make_subplots` leaves as notes."""
    return [note for note in figure.layout.annotations if note.xref == note.yref == "paper" and note.x is not None]


def titles_collide(figure: go.Figure) -> bool:
    """Whether titles of panels that stand side by side have no room at the figure's width."""
    width = figure.layout.width - figure.layout.margin.l - figure.layout.margin.r
    for one, two in pairwise(sorted(titles(figure), key=lambda note: (note.y, note.x))):
        if abs(one.y - two.y) < NEAR and (two.x - one.x) * width < LETTER * (len(one.text) + len(two.text)) / 2:
            return True
    return False


def _upright_bar(figure: go.Figure) -> bool:
    """Whether a scale stands beside the panels, for whose height they were laid out."""
    bars = [getattr(trace, "colorbar", None) for trace in figure.data if getattr(trace, "showscale", None)]
    bars += [
        trace.marker.colorbar for trace in figure.data if getattr(getattr(trace, "marker", None), "showscale", None)
    ]
    return any(bar is not None and bar.orientation != "h" for bar in bars)
