"""What each head does: its score against chance, its role in the grid of layers, its response to match length."""

from itertools import groupby

import numpy as np
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb
from plotly.subplots import make_subplots

from interp.base.calls import checked_call
from interp.base.words import named
from interp.figures.theme import (
    NEUTRAL,
    ROLES,
    SHADE,
    dress,
    error_bars,
    literal,
    names,
    number,
)
from interp.results.heads import HeadScore, HeadScores

FITS_N = 20
"""Heads of a layer, at most, whose cells have room for an n on a narrow page; for `n=5` half as many."""


@checked_call
def head_scores(scores: HeadScores) -> go.Figure:
    """Draw attention to the place copied from, with its interval and chance (a tick), for every head, coloured by role;
    below, where gather heads were looked for, the effect on the lookup heads' scores, which is what makes one.

    >>> figure = interp.figures.head_scores(study.scores)
    """
    effects = [i for i, head in enumerate(scores.heads) if head.gather_effect is not None]
    titles = ("attention to the place copied from", "effect on the lookup heads' scores")
    rows = 1 + bool(effects)
    figure = make_subplots(rows, 1, subplot_titles=titles[:rows], vertical_spacing=0.2)
    figure.add_trace(
        go.Scatter(
            x=list(range(len(scores.heads))),
            y=[head.chance for head in scores.heads],
            mode="markers",
            marker={"symbol": "line-ew", "size": 11, "line": {"width": 1.6, "color": NEUTRAL}},
            name="chance",
            hovertemplate="chance %{y:.3f}<extra></extra>",
        ),
        1,
        1,
    )
    for role in ROLES:
        chosen = [(i, head) for i, head in enumerate(scores.heads) if head.role == role]
        if chosen:
            figure.add_trace(_dots(role, chosen, [h.score for _, h in chosen], [h.interval for _, h in chosen]), 1, 1)
        moved = [(i, head) for i, head in chosen if head.gather_effect is not None]
        if moved:
            of_each = [h.gather_effect or 0.0 for _, h in moved], [h.gather_interval for _, h in moved]
            figure.add_trace(_dots(role, moved, *of_each).update(showlegend=False), 2, 1)
    ticks = {"tickvals": list(range(len(scores.heads))), "ticktext": [literal(head.name) for head in scores.heads]}
    layers = [head.layer for head in scores.heads]
    for i in range(1, len(layers)):
        if layers[i] != layers[i - 1]:
            line = {"color": NEUTRAL, "width": 1, "dash": "dot"}
            figure.add_vline(i - 0.5, line=line, opacity=0.6, row="all", col="all")
    _mark_hidden(figure, scores)
    many = len(scores.heads) > 48
    figure.update_xaxes(
        range=[-0.7, len(scores.heads) - 0.3], **({"title_text": "head, all layers in order"} if many else ticks)
    )
    figure.update_yaxes(range=[-0.03, 1.05], row=1)
    if effects:
        figure.update_yaxes(rangemode="tozero", row=2)
    return dress(figure, "Score of every head", _scores_say(scores), 380 + 220 * bool(effects))


def _dots(role: str, chosen: list[tuple[int, HeadScore]], values: list[float], intervals: list) -> go.Scatter:
    """Heads of a role at their columns, each with its interval."""
    look = ROLES[role]
    return go.Scatter(
        x=[i for i, _ in chosen],
        y=values,
        error_y=error_bars(values, intervals),
        mode="markers",
        marker={"color": look.color, "symbol": look.symbol, "size": 10, "line": {"width": 2, "color": look.color}},
        name=_role_name(role),
        legendgroup=role,
        text=[_hover(head) for _, head in chosen],
        hovertemplate="%{text}<extra></extra>",
    )


def _mark_hidden(figure: go.Figure, scores: HeadScores) -> None:
    """Shade the heads of hidden attention, which have columns next to each other within a layer."""
    for kind, columns in groupby(range(len(scores.heads)), lambda i: scores.heads[i].kind):
        if kind == "hidden attention":
            first, *rest = columns
            label = {"annotation_text": kind, "annotation_position": "top left"}
            edges = first - 0.5, (rest or [first])[-1] + 0.5
            figure.add_vrect(*edges, fillcolor=SHADE, line_width=0, layer="below", row=1, col=1, **label)


@checked_call
def head_grid(scores: HeadScores) -> go.Figure:
    """Draw layers by heads: colour and letter say the role, darkness the score (for gather heads the effect).

    >>> figure = interp.figures.head_grid(study.scores)
    """
    figure = go.Figure()
    across = max((head.head for head in scores.heads), default=0) + 1
    down = max((head.layer for head in scores.heads), default=0) + 1
    for role in ROLES:
        if chosen := [head for head in scores.heads if head.role == role]:
            figure.add_trace(_cells(role, chosen, across, down))
    side = max(10, min(46, 880 // across))
    figure.update_xaxes(
        title_text="head", range=[-0.6, across - 0.4], dtick=max(1, across // 16), showgrid=False, showline=False
    )
    figure.update_yaxes(
        title_text="layer", range=[down - 0.4, -0.6], dtick=max(1, down // 12), showgrid=False, showline=False
    )
    figure.update_layout(xaxis_ticks="", yaxis_ticks="")
    return dress(figure, "Roles by layer", _roles_say(scores), max(240, 150 + side * down))


def _cells(role: str, heads: list[HeadScore], across: int, down: int) -> go.Heatmap:
    """The heads of a role as cells, which keep apart at any width of the figure."""
    darkness = np.full((down, across), np.nan)
    text, hover = (np.full((down, across), "", dtype=object) for _ in range(2))
    for head in heads:
        at = head.layer, head.head
        darkness[at], hover[at] = _opacity(head), _hover(head)
        if role == "lookup" and head.n is not None and across <= FITS_N:
            text[at] = f"n={head.n}" if across <= FITS_N // 2 else str(head.n)
    clear, full = (f"rgba({', '.join(map(str, hex_to_rgb(ROLES[role].color)))}, {alpha})" for alpha in (0, 1))
    return go.Heatmap(
        z=darkness,
        zmin=0,
        zmax=1,
        colorscale=[[0, clear], [1, full]],
        showscale=False,
        xgap=3,
        ygap=3,
        name=_role_name(role),
        showlegend=True,
        text=text,
        texttemplate="%{text}",
        textfont={"color": "white"},
        customdata=hover,
        hovertemplate="%{customdata}<extra></extra>",
        hoverongaps=False,
    )


@checked_call
def response(scores: HeadScores) -> go.Figure:
    """Draw attention to the place after a match of m letters, and the gain of the score per further letter, for every
    head.

    Heads with a role are coloured; a ring marks each lookup head's n.

    >>> figure = interp.figures.response(study.scores)
    >>> figure.layout.meta["title"]
    'Response to match length'
    """
    gains = any(head.score_gain is not None and head.role == "lookup" for head in scores.heads)
    titles = ("attention after a match of m letters", "gain of the score by the m-th letter")
    figure = make_subplots(1, 1 + gains, horizontal_spacing=0.11, subplot_titles=titles[: 1 + gains])
    for role in ("none", "gather", "lookup"):
        for index, head in enumerate([h for h in scores.heads if h.role == role]):
            figure.add_trace(_curve(head, scores.match_lengths, head.response, index == 0), 1, 1)
            if gains and head.score_gain is not None:
                m = scores.match_lengths[1 : 1 + len(head.score_gain)]
                figure.add_trace(_curve(head, m, head.score_gain, False), 1, 2)
    lookups = [head for head in scores.heads if head.role == "lookup" and head.n in scores.match_lengths]
    if lookups:
        figure.add_trace(
            go.Scatter(
                x=[head.n for head in lookups],
                y=[head.response[scores.match_lengths.index(head.n)] for head in lookups],
                mode="markers",
                marker={"symbol": "circle-open", "size": 14, "color": ROLES["lookup"].color, "line": {"width": 2}},
                name="its n",
                text=[literal(head.name) for head in lookups],
                hovertemplate="%{text}: n = %{x}<extra></extra>",
            ),
            1,
            1,
        )
    labels = [str(m) for m in scores.match_lengths[:-1]] + [f"{scores.match_lengths[-1]}+"]
    figure.update_xaxes(title_text="letters that match, m", tickvals=scores.match_lengths, ticktext=labels)
    figure.update_yaxes(title_text="attention", range=[-0.03, 1.05], row=1, col=1)
    figure.update_yaxes(title_text="gain before the softmax", row=1, col=1 + gains) if gains else None
    return dress(figure, "Response to match length", _response_says(scores, lookups), 400)


def _curve(head: HeadScore, x: tuple[int, ...], y: tuple[float, ...], legend: bool) -> go.Scatter:
    strong = head.role == "lookup"
    return go.Scatter(
        x=x,
        y=y,
        mode="lines+markers",
        line={"color": ROLES[head.role].color, "width": 2.4 if strong else 1.1},
        marker={"symbol": ROLES[head.role].symbol, "size": 6 if strong else 4},
        opacity=1.0 if head.role != "none" else 0.6,
        name=_role_name(head.role),
        legendgroup=head.role,
        showlegend=legend,
        hovertemplate=f"{literal(head.name)} ({head.role}), m = %{{x}}: %{{y:.3f}}<extra></extra>",
    )


def _role_name(role: str) -> str:
    return "no role" if role == "none" else f"{role} head"


def _opacity(head: HeadScore) -> float:
    strength = (head.gather_effect or 0.0) if head.role == "gather" else head.score
    faint, more = (0.12, 0.3) if head.role == "none" else (0.55, 0.45)
    return faint + more * min(1.0, max(0.0, strength))


def _hover(head: HeadScore) -> str:
    lines = [
        f"<b>{literal(head.name)}</b> · {_role_name(head.role)}" + (f", n = {head.n}" if head.n is not None else ""),
        f"{head.kind} {number(head.score, 3)} {named(head.interval, 3)}",
        f"chance {number(head.chance, 3)}, q = {number(head.q_value, 4)}",
    ]
    if head.gather_effect is not None:
        ends = f" {named(head.gather_interval)}" if head.gather_interval else ""
        lines.append(f"effect on lookup scores {number(head.gather_effect)}{ends}")
    return "<br>".join(lines)


def _scores_say(scores: HeadScores) -> str:
    lookups = [head for head in scores.heads if head.role == "lookup"]
    others = [head.score for head in scores.heads if head.role != "lookup"]
    rest = f"the other {len(others)} reach at most {number(max(others))}" if others else "there is no other head"
    if not lookups:
        most = max((head.score for head in scores.heads), default=0.0)
        return (
            f"No lookup head: none of {len(scores.heads)} heads; the highest attention to the source is {number(most)}."
        )
    found = [f"{head.name} {number(head.score)} (chance {number(head.chance)})" for head in lookups]
    return f"Attention to the place copied from: {names(found)}; {rest}."


def _roles_say(scores: HeadScores) -> str:
    return f"Lookup heads: {names(scores.of_role('lookup'))}. Gather heads: {names(scores.of_role('gather'))}."


def _response_says(scores: HeadScores, lookups: list[HeadScore]) -> str:
    if not lookups and scores.of_role("lookup"):
        return f"{names(scores.of_role('lookup'))} match other letters than the last ones in a row, so they have no n."
    if not lookups:
        return "No head attends by the match: there is no lookup head, so no n."
    found = []
    for head in lookups:
        at = scores.match_lengths.index(head.n)
        found.append(f"{head.name} from {number(head.response[at - 1])} to {number(head.response[at])} at m = {head.n}")
    return f"Attention after a match is that of the true place once the match reaches n: {names(found)}."
