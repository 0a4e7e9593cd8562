"""The figures of the claims: every curve over trainings with its interval, in the paper's form."""

import plotly.graph_objects as go

from interp.experiments.claim import Curve, Plot
from interp.figures.palette import BLUE, GREEN, NEUTRAL, OLIVE, ORANGE, PINK, VIOLET
from interp.figures.theme import GROUPS, dress, error_bars, literal, number

COLOURS = {
    "hard-alibi": ORANGE,
    "alibi": PINK,
    "rope": BLUE,
    "nope": NEUTRAL,
    "mamba": GREEN,
    "mamba2": OLIVE,
    "lstm": VIOLET,
}
"""Arms that several claims share keep their colour."""
OTHERS = tuple(look.color for look in GROUPS)
DASHES = ("solid", "dot", "dash", "longdash", "dashdot")


def claim_figure(plot: Plot) -> go.Figure:
    """Draw the data of a figure."""
    figure = go.Figure()
    for place, curve in enumerate(plot.curves):
        colour = COLOURS.get(curve.arm, OTHERS[place % len(OTHERS)])
        dash = "solid" if curve.arm in COLOURS else DASHES[place // len(OTHERS) % len(DASHES)]
        ends = [
            None if low is None or high is None else (low, high)
            for low, high in zip(curve.low, curve.high, strict=True)
        ]
        figure.add_trace(
            go.Scatter(
                x=curve.x,
                y=curve.y,
                mode="lines+markers",
                line={"color": colour, "dash": dash},
                marker={"size": 6},
                error_y=error_bars([value or 0 for value in curve.y], ends),
                customdata=curve.runs,
                hovertemplate="%{x}: %{y:.3g}, %{customdata} trainings<extra>" + literal(curve.arm) + "</extra>",
                name=literal(curve.arm),
            )
        )
    figure.update_xaxes(title_text=plot.x, type="log" if plot.log_x else "linear")
    figure.update_yaxes(title_text=plot.y, type="log" if plot.log_y else "linear")
    return dress(figure, plot.title, says(plot))


def says(plot: Plot) -> str:
    """The figure in a sentence: each curve at its ends."""
    told = []
    for curve in plot.curves:
        known = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if y is not None]
        if not known:
            told.append(f"{curve.arm}: none")
            continue
        (first, start), (last, end) = known[0], known[-1]
        ends = f"{number(start)} at {first:g}"
        told.append(f"{curve.arm}: {ends}" + (f", {number(end)} at {last:g}" if len(known) > 1 else ""))
    return f"{plot.y} by {plot.x}. {'; '.join(told)}."


def curve_rows(claim: str, plot: Plot) -> list[dict[str, object]]:
    """The data of a figure, one row for each point."""
    return [
        {
            "claim": claim,
            "figure": plot.name,
            "arm": curve.arm,
            "x": x,
            "y": y,
            "low": low,
            "high": high,
            "trainings": n,
        }
        for curve in plot.curves
        for x, y, low, high, n in _points(curve)
    ]


def _points(curve: Curve) -> list[tuple[float, float | None, float | None, float | None, int]]:
    return list(zip(curve.x, curve.y, curve.low, curve.high, curve.runs, strict=True))
