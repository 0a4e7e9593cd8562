"""Where heads look behind the letter due and by which letters, and what becomes of the first letters."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool
from plotly.subplots import make_subplots

from interp.base import words
from interp.base.estimates import proportion_interval
from interp.figures import theme
from interp.figures.palette import BLUE, ORANGE, scale
from interp.results.backwards import BackwardHead
from interp.studies.backwards.result import BackwardsStudy
from interp.studies.backwards.verdict import looked_at, serves_from

ROW = 24
"""Pixels of a head in a table of colours."""
NOTHING = 0.05
"""Attention, or a share, below which a cell holds no number: that could not be read on every page."""
PLAIN, OTHER = theme.Look(theme.NEUTRAL, "circle-open"), theme.Look(theme.NEUTRAL, "x-thin-open")


def looks(study: BackwardsStudy) -> go.Figure:
    """Draw the attention to each place behind the letter due and, of heads that are flagged, the letters they match."""
    rows, flagged = study.shown[::-1], study.flagged[::-1]
    titles = ["attention above chance"]
    heights = [ROW * len(rows)]
    if flagged:
        titles.append("lost where that letter differs")
        heights.append(ROW * len(flagged))
    gap = 96 / (sum(heights) + 96)
    figure = make_subplots(len(titles), 1, subplot_titles=titles, row_heights=heights, vertical_spacing=gap)
    at = [study.heads.heads.index(head) for head in rows]
    above, names = study.heads.above_chance[at], [_name(head) for head in rows]
    hover = "%{y}, %{x} behind: %{z:.2f} above chance<extra></extra>"
    figure.add_trace(_cells(above, names, ORANGE, hover), 1, 1)
    if flagged:
        matched = 1 - study.heads.rival[[study.heads.heads.index(head) for head in flagged]]
        hover = "%{y}: a rival unlike in the letter %{x} back draws %{z:.0%} less<extra></extra>"
        figure.add_trace(_cells(matched, [head.name for head in flagged], BLUE, hover), 2, 1)
        figure.update_xaxes(title_text="letters back from the last written one", row=2)
    figure.update_xaxes(dtick=1, showline=False, ticks="")
    figure.update_xaxes(title_text="places behind the letter due", row=1)
    figure.update_yaxes(showgrid=False, showline=False, ticks="")
    told = [f"{head.name} {head.offset} behind ({words.number(head.attention)})" for head in study.flagged]
    says = (
        f"Attention to the letter due (0) and to the places behind it, above what any other letter gets. Flagged "
        f"(bold): {words.names(told, none='no head')}."
    )
    if flagged:
        says += (
            " Below: what a rival loses that is unlike in one letter, by which letters are told that a head matches."
        )
    return theme.dress(
        figure, "Where they look, and by which letters", says, sum(heights) + 132 + 96 * bool(flagged), legend=False
    )


def _name(head: BackwardHead) -> str:
    return f"<b>{head.name}</b>" if head.flagged else head.name


def _cells(z: np.ndarray, names: Sequence[str], color: str, hover: str) -> go.Heatmap:
    """A table of shares in shades of a colour."""
    return go.Heatmap(
        z=z,
        x=list(range(z.shape[1])),
        y=list(names),
        colorscale=scale(color),
        zmin=0,
        zmax=1,
        showscale=False,
        text=[["" if abs(value) < NOTHING else words.number(value) for value in row] for row in z],
        texttemplate="%{text}",
        textfont={"size": 11},
        hovertemplate=hover,
        xgap=1,
        ygap=2,
    )


class _Line(NamedTuple):
    name: str
    look: theme.Look
    right: Bool[np.ndarray, "string early"]
    dash: str = "solid"


def first_letters(study: BackwardsStudy) -> go.Figure:
    """Draw, letter by letter, attention of each flagged head to its own place, and what is right with it and without.

    A dotted line in a head's colour stands at the first letter that it can serve.
    """
    written, flagged = study.written, study.flagged
    early = written.attention.shape[2]
    x, several = np.arange(1, early + 1), len(flagged) > 1
    looks = {head.name: theme.group_look(i) for i, head in enumerate(flagged)}
    whole = _Line("as it is", PLAIN, written.right[0][:, :early], "dash")
    without = [_Line(head, look, written.of("all" if not several else head)[:, :early]) for head, look in looks.items()]
    others = [_Line(cut.heads[0], OTHER, written.of(cut.name)[:, :early], "dot") for cut in study.others_needed]
    panels = {"letters right without it": [whole, *without, *others]} if flagged else {"letters right": [whole]}
    if several:
        alone = [_Line(head, look, written.of(f"all but {head}")[:, :early]) for head, look in looks.items()]
        panels = {"letters right without the others": [whole, *alone], **panels}
    titles = [*(["attention to its own place"] if flagged else []), *panels]
    figure = make_subplots(
        len(titles), 1, shared_xaxes=True, subplot_titles=titles, vertical_spacing=0.22 / len(titles)
    )
    named: set[str] = set()
    for head in flagged:
        y = written.attention[written.heads.index(head.name), head.offset]
        hover = f"{head.name}, letter %{{x}}: attention %{{y:.2f}}<extra></extra>"
        figure.add_trace(_trace(x, y, head.name, looks[head.name], "solid", hover, named), 1, 1)
    for cut in study.others_needed:
        place, _ = looked_at(study, cut)
        y = written.attention[written.heads.index(cut.heads[0]), place]
        hover = f"{cut.heads[0]}, letter %{{x}}: attention %{{y:.2f}}, {place} behind<extra></extra>"
        figure.add_trace(_trace(x, y, cut.heads[0], OTHER, "dot", hover, named), 1, 1)
    for row, lines in enumerate(panels.values(), 1 + bool(flagged)):
        for line in lines:
            ends = [proportion_interval(int(of.sum()), len(of)) for of in line.right.T]
            hover = f"{line.name}, letter %{{x}}: %{{y:.1%}} right<extra></extra>"
            low, high = [end.low for end in ends], [end.high for end in ends]
            figure.add_trace(theme.band(x, low, high, line.look.color, line.name, legendgroup=line.name), row, 1)
            mean = line.right.mean(axis=0)
            figure.add_trace(_trace(x, mean, line.name, line.look, line.dash, hover, named), row, 1)
        figure.add_hline(1 / study.letters, line={"color": theme.NEUTRAL, "width": 1, "dash": "dot"}, row=row, col=1)
    for i, head in enumerate(flagged):
        at = head.first - 0.1 + 0.05 * i  # those of heads that begin together stand beside each other
        line = {"color": looks[head.name].color, "width": 1.5, "dash": "dot"}
        figure.add_vline(at, line=line, layer="below", row="all", col=1)
    figure.update_yaxes(theme.accuracy_axis(""))
    figure.update_xaxes(dtick=1 if early <= 20 else None, range=[0.5, early + 0.5])
    figure.update_xaxes(title_text="written letter", row=len(titles))
    return theme.dress(figure, "Who writes the first letters", _says(study, others), 130 + 190 * len(titles))


def _trace(x, y, name: str, look: theme.Look, dash: str, hover: str, named: set[str]) -> go.Scatter:
    """A line; the first of a name stands in the legend, and hides and shows all of them."""
    first = name not in named
    named.add(name)
    return go.Scatter(
        x=x,
        y=y,
        mode="lines+markers",
        line={"color": look.color, "width": 2, "dash": dash},
        marker={"symbol": look.symbol, "size": 7, "color": look.color},
        name=name,
        legendgroup=name,
        showlegend=first,
        hovertemplate=hover,
    )


def _says(study: BackwardsStudy, others: Sequence[_Line]) -> str:
    early = study.written.attention.shape[2]
    right = study.written.right[0][:, :early].mean(axis=0)
    says = (
        f"The first {words.count(early, 'letter')}: as it is, each is right in at least {words.percent(right.min())}."
    )
    if not study.flagged:
        return f"{says} No head is flagged, and none was ablated."
    told = []
    for head in study.flagged[::-1]:
        first = serves_from(study, head)
        found = "none of these" if first is None else str(first)
        told.append(f"{head.name} {found} (dotted line: {head.first})")
    says += (
        " Dotted lines: the first letter that a head can serve, as the place o behind the k-th written letter stands "
        f"no later than the query from k = (o + 1) / 2 on. First with half of the attention: {words.names(told)}."
    )
    if others:
        says += f" Crosses: heads that are not flagged, and needed: {words.names(line.name for line in others)}."
    return f"{says} Bands: 95%, Clopper-Pearson; horizontal dotted line: guessing."
