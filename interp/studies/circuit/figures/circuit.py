"""The figures of a circuit: its edges as a graph, how much is left with a share of them, and each head's hash."""

from collections import defaultdict

import numpy as np
import plotly.graph_objects as go

from interp.base import words
from interp.figures.palette import GREEN, INK, NEUTRAL, OLIVE, PINK, VIOLET, diverging, faded
from interp.figures.theme import LETTERS, ROLES, STRINGS, dress, literal, percent
from interp.results.circuits import HeadTables
from interp.results.heads import HeadScores
from interp.results.sufficiency import CircuitCurve, CircuitTest

INPUTS = {"q": VIOLET, "k": PINK, "v": GREEN, "resid": OLIVE}
"""Colour of an edge by what it is read for."""
CALLED = {"q": "into queries", "k": "into keys", "v": "into values", "resid": "into the rest"}
THINNEST, WIDEST = 1.2, 9.0
ABREAST, STAGGER = 3, 0.13
"""Nodes of a row that have room for their names beside them; more stand alternately higher and lower, named above and
below, so that even a phone shows each name by itself."""
TICKS = (0.001, 0.01, 0.1, 0.5)
"""Shares that are written at the axis: as many as a phone has room for."""


def circuit_graph(circuit: CircuitTest, scores: HeadScores) -> go.Figure:
    """Draw a circuit: layers upwards, edges as wide as the share of strings that are lost without them.

    Each edge's numbers are in its label (hover or tap the dot in its middle).
    """
    edges = [_parts(name) for name in circuit.edges]
    places = _places([(writer, reader) for writer, reader, _ in edges])
    lost = circuit.accuracy - circuit.without.strings.mean(axis=1)
    loss = (circuit.without.loss - circuit.alone.loss).mean(axis=1)
    figure = go.Figure()
    drawn: set[str] = set()
    beside = defaultdict(int)
    for (writer, reader, into), name, strings, nats in zip(edges, circuit.edges, lost, loss, strict=True):
        (x0, y0), (x1, y1) = places[writer], places[reader]
        number = beside[writer, reader] + _passes(places, (x0, y0), (x1, y1))
        beside[writer, reader] += 1
        bend = (number + 1) // 2 * (1 if number % 2 else -1) * 0.09  # edges between the same nodes lie side by side
        t = np.linspace(0, 1, 17)
        x, y = x0 + (x1 - x0) * t + bend * np.sin(np.pi * t), y0 + (y1 - y0) * t
        says = f"{name}<br>without it: {percent(strings)} of strings lost, loss {words.number(nats)} nats higher"
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y,
                mode="lines",
                line={"color": INPUTS[into], "width": THINNEST + (WIDEST - THINNEST) * max(0.0, min(1.0, strings))},
                opacity=0.75,
                name=CALLED[into],
                legendgroup=into,
                showlegend=into not in drawn,
                hoverinfo="skip",
            )
        )
        figure.add_trace(
            go.Scatter(
                x=[x[8]],
                y=[y[8]],
                mode="markers",
                marker={"color": INPUTS[into], "size": 9},
                showlegend=False,
                legendgroup=into,
                hovertemplate=literal(says).replace("&lt;br&gt;", "<br>") + "<extra></extra>",
            )
        )
        drawn.add(into)
    figure.add_trace(_nodes(places, scores))
    rows = len({round(y) for _, y in places.values()})
    figure.update_xaxes(visible=False, range=[-0.6, 0.6])
    figure.update_yaxes(visible=False)
    return dress(figure, "The circuit", _graph_says(circuit, lost), 160 + 105 * max(rows, 2))


def _passes(places: dict[str, tuple[float, float]], start: tuple[float, float], end: tuple[float, float]) -> bool:
    """Whether a straight line between two nodes goes through a third."""
    (x0, y0), (x1, y1) = start, end
    return any(y0 < y < y1 and abs(x0 + (x1 - x0) * (y - y0) / (y1 - y0) - x) < 0.04 for x, y in places.values())


def _graph_says(circuit: CircuitTest, lost: np.ndarray) -> str:
    if not circuit.edges:
        return "No edge is needed."
    order = np.argsort(-lost, kind="stable")[:3]
    first = words.names(f"{circuit.edges[i]} ({percent(lost[i])})" for i in order)
    return (
        f"{words.count(len(circuit.edges), 'edge')} of {circuit.n_edges}, from the embedding up to the logits. Most "
        f"strings are lost without {first}."
    )


def _parts(name: str) -> tuple[str, str, str]:
    """Writer, reader and what it is read for."""
    writer, _, rest = name.partition("->")
    reader, dot, into = rest.rpartition(".")
    return (writer, reader, into) if dot and into in ("q", "k", "v") else (writer, rest, "resid")


def _height(node: str) -> float:
    if node in ("embed", "unembed"):
        return -1.0 if node == "embed" else float("inf")
    layer = int(node[1:].replace("H", ".").split(".")[0])
    return layer + (0.5 if node.endswith(".mlp") else 0.0)


def _places(pairs: list[tuple[str, str]]) -> dict[str, tuple[float, float]]:
    """Where each node stands: a row for each depth, evenly across, a crowded one alternately higher and lower."""
    nodes = dict.fromkeys(["embed", *(node for pair in pairs for node in pair), "unembed"])
    rows = defaultdict(list)
    for node in nodes:
        rows[_height(node)].append(node)
    found = {}
    for y, height in enumerate(sorted(rows)):
        row = sorted(rows[height], key=lambda node: (len(node), node))
        for i, node in enumerate(row):
            across = ((i + 0.5) / len(row) - 0.5) * 1.3 if len(row) > 1 else 0.0
            found[node] = across, y + STAGGER * (-1.0) ** i * (len(row) > ABREAST)
    return found


def _nodes(places: dict[str, tuple[float, float]], scores: HeadScores) -> go.Scatter:
    roles = {head.name: head for head in scores.heads}
    colors, says = [], []
    for node in places:
        head = roles.get(node)
        colors.append(ROLES[head.role].color if head else NEUTRAL)
        role = "" if head is None else f"<br>{head.role} head" if head.role != "none" else "<br>no role"
        says.append(literal(node) + role + (f", n = {head.n}" if head is not None and head.n else ""))
    return go.Scatter(
        x=[x for x, _ in places.values()],
        y=[y for _, y in places.values()],
        mode="markers+text",
        marker={"color": colors, "size": 17, "symbol": "circle", "line": {"width": 0}},
        text=[literal(node) for node in places],
        textposition=[_beside(x, y) for x, y in places.values()],
        textfont={"shadow": "auto"},  # names that an edge passes behind stay legible
        hovertext=says,
        hoverinfo="text",
        showlegend=False,
        cliponaxis=False,
    )


def _beside(x: float, y: float) -> str:
    """Where a node's name stands: outside, as edges lead inwards; in a crowded row above or below."""
    if y == round(y):
        return "middle left" if x < 0 else "middle right"
    return "top center" if y > round(y) else "bottom center"


def faithfulness(curve: CircuitCurve) -> go.Figure:
    """Draw faithfulness against the share of edges that are kept, beside random circuits."""
    found, random = curve.faithfulness(), curve.random_faithfulness()
    figure = go.Figure()
    for draw in random.T:
        figure.add_trace(
            go.Scatter(
                x=curve.shares,
                y=draw,
                mode="lines",
                line={"color": faded(LETTERS.color, 0.6), "width": 1},
                name="random circuits of the same size and layers",
                legendgroup="random",
                showlegend=bool((draw == random.T[0]).all()),
            )
        )
    figure.add_trace(
        go.Scatter(
            x=curve.shares,
            y=found,
            mode="lines+markers",
            line={"color": STRINGS.color, "width": 2.5},
            name="best edges",
            customdata=curve.kept,
            hovertemplate="%{customdata} edges: %{y:.2f}<extra></extra>",
        )
    )
    figure.add_hline(1, line={"color": NEUTRAL, "width": 1, "dash": "dash"})
    figure.update_xaxes(type="log", title_text="share of edges kept", tickformat=".1~%", tickvals=TICKS)
    figure.update_yaxes(title_text="faithfulness")
    ends = curve.intervals()
    says = (
        f"Area under the curve (CPR) {words.with_interval(curve.cpr(), ends['cpr'])}, between it and 1 (CMD) "
        f"{words.with_interval(curve.cmd(), ends['cmd'])}; of random circuits {words.number(curve.random_cpr())} and "
        f"{words.number(curve.random_cmd())}. Faithfulness is the share of the logit difference that is left: 1 with "
        "all edges, 0 with none."
    )
    return dress(figure, "How much is left with the best edges alone", says)


def hash_figure(head: HeadTables) -> go.Figure:
    """Draw a lookup head's score by letters back at the query and at the key."""
    means = head.by_letter.mean(axis=0)
    most = max(float(np.abs(means).max()), 1e-9)
    figure = go.Figure(
        go.Heatmap(
            z=means,
            x=[literal(name) for name in head.key_letters],
            y=[literal(name) for name in head.query_letters],
            zmin=-most,
            zmax=most,
            colorscale=diverging(ROLES["gather"].color, ROLES["lookup"].color),
            text=[[words.number(value, 1) for value in row] for row in means],
            texttemplate="%{text}",
            textfont={"size": 11, "color": INK[0]},
            hovertemplate="%{y} at the query, %{x} at the key: %{z:.3f}<extra></extra>",
            colorbar={"title": {"text": "score"}, "thickness": 12},
        )
    )
    figure.update_xaxes(title_text="letter at the key", type="category")
    figure.update_yaxes(title_text="letter at the query", type="category", autorange="reversed")
    by_letter = words.names(words.number(value, 1) for value in head.diagonal.mean(axis=0))
    ends = head.diagonal_interval()
    says = (
        f"{head.head} prefers the source to the mean of the other letters by {words.number(head.score.mean())} "
        f"(score before the softmax, {words.count(len(head.score), 'string')}); letters that meet at one distance, "
        f"0, 1, ... back, make {by_letter}: {words.percent(head.diagonal_share)} in "
        f"all ({words.percent(ends.low)} to {words.percent(ends.high)}; {words.methods([ends])})."
    )
    if head.recurrent_share:
        says += (
            f" {words.percent(head.recurrent_share)} has a recurrent layer for its writer at the query or the key; it "
            "mixes letters, so that this stands in the last row and column."
        )
    return dress(figure, f"What {head.head} matches", says, 130 + 44 * len(head.query_letters), legend=False)
