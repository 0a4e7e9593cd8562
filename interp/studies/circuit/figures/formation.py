"""How a circuit formed: every change on one axis of examples seen, and a lookup head's hash at each kept step."""

from itertools import cycle

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from interp.base import words
from interp.base.estimates import mean_intervals, share_intervals
from interp.base.estimates.intervals import Intervals
from interp.figures.palette import diverging
from interp.figures.theme import GROUPS, LETTERS, NEUTRAL, ROLES, STRINGS, band, dress, literal
from interp.results.formation import Formation

FRAMES = 12
"""Kept steps that the movie shows at most, the last among them."""
PANELS = ("right letters and strings", "loss (nats)", "attention to the source", "score of the source above others")


def formation(found: Formation) -> go.Figure:
    """Draw accuracy, loss, attention and score of the circuit's heads by examples seen, one panel below the other."""
    figure = make_subplots(4, 1, shared_xaxes=True, vertical_spacing=0.06, subplot_titles=PANELS)
    x = found.examples
    for values, look, name in (
        (found.letter_correct, LETTERS, "letters right"),
        (found.string_correct.astype(float), STRINGS, "strings right"),
    ):
        ends = share_intervals(values)
        _curve(figure, 1, x, values.mean(axis=1), look.color, name, ends)
    _curve(figure, 2, x, found.loss.mean(axis=1), NEUTRAL, "loss", mean_intervals(found.loss))
    for head, name in enumerate(found.lookups):
        values = found.attention[:, head]
        _curve(figure, 3, x, values.mean(axis=1), ROLES["lookup"].color, name, share_intervals(values), "lookup heads")
    if found.lookups:
        for t, look in zip(found.matched, cycle(GROUPS), strict=False):
            values = found.diagonal[:, :, t].mean(axis=1)
            _curve(figure, 4, x, values.mean(axis=1), look.color, f"letter {t} back", mean_intervals(values))
        whole = found.score.mean(axis=(1, 2))
        _curve(figure, 4, x, whole, NEUTRAL, "whole score", dash="dot")
    figure.update_xaxes(title_text="examples seen", row=4, col=1)
    return dress(figure, "How the circuit formed", _says(found), 760)


def _curve(
    figure: go.Figure,
    row: int,
    x: np.ndarray,
    y: np.ndarray,
    color: str,
    name: str,
    ends: Intervals | None = None,
    group: str = "",
    dash: str = "solid",
) -> None:
    if ends is not None:
        figure.add_trace(band(x, ends.low, ends.high, color, name), row, 1)
    first = not any(trace.legendgroup == group for trace in figure.data if group)
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="lines+markers",
            line={"color": color, "width": 2, "dash": dash},
            marker={"size": 5},
            name=literal(group or name),
            legendgroup=group or name,
            showlegend=first,
            hovertemplate=f"{literal(name)} after %{{x:,}} examples: %{{y:.3f}}<extra></extra>",
        ),
        row,
        1,
    )


def _says(found: Formation) -> str:
    moments = {name: at for name, at in found.moments().items() if np.isfinite(at)}
    told = [f"{name} ({at:,.0f})" for name, at in sorted(moments.items(), key=lambda item: item[1])]
    return (
        f"{words.count(len(found.steps), 'kept step')}; heads are those of the last. Half of the way to its last "
        f"value, each by examples seen: {words.names(told, none='nothing changed')}. One training is one order; over "
        "seeds, see interp.results.formation.order_of."
    )


def hash_movie(found: Formation, head: int = 0) -> go.Figure:
    """Draw a lookup head's score by letters back at each kept step, one small table after another."""
    steps = np.unique(np.linspace(0, len(found.steps) - 1, min(FRAMES, len(found.steps))).round().astype(int))
    columns = min(3, len(steps))
    rows = -(-len(steps) // columns)
    titles = [f"{found.examples[i]:,}" for i in steps]
    figure = make_subplots(rows, columns, subplot_titles=titles, vertical_spacing=0.4 / rows, horizontal_spacing=0.04)
    tables = found.by_letter[:, head, :-1, 1:-1]
    most = max(float(np.abs(tables).max()), 1e-9)
    for place, i in enumerate(steps):
        figure.add_trace(
            go.Heatmap(
                z=tables[i],
                zmin=-most,
                zmax=most,
                colorscale=diverging(ROLES["gather"].color, ROLES["lookup"].color),
                showscale=False,
                hovertemplate=f"{found.examples[i]:,} examples<br>%{{y}} back at the query, %{{x}} back at the key: "
                "%{z:.2f}<extra></extra>",
            ),
            place // columns + 1,
            place % columns + 1,
        )
    figure.update_xaxes(dtick=1)
    figure.update_yaxes(dtick=1, autorange="reversed")
    name = found.lookups[head]
    says = (
        f"{name}'s score of the source above other letters, by letters back at the query (down) and before the key "
        f"(across), after so many examples: orange is above 0, blue below, the fullest colour {words.number(most, 1)}. "
        f"At the end the diagonal is {_share(found, head)} of it."
    )
    return dress(figure, f"How {name} came to match", says, 90 + 190 * rows, legend=False)


def _share(found: Formation, head: int) -> str:
    whole = float(found.score[-1, head].mean())
    return words.percent(float(found.diagonal[-1, head].sum(axis=0).mean()) / whole) if whole else "nothing"
