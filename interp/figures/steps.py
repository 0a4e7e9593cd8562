"""The n of the whole model: two curves that step at it, from behaviour and by intervention."""

from typing import Literal, NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from interp.base.calls import checked_call
from interp.base.words import methods
from interp.figures.theme import LETTERS, NEUTRAL, STRINGS, accuracy_axis, dress, error_bars, names
from interp.results.accuracy import StepCurve

StepKind = Literal["behavioural", "causal"]


@checked_call
def step_curve(curve: StepCurve, kind: StepKind) -> go.Figure:
    """Draw one curve that steps at n, with its 95% intervals.

    >>> figure = interp.figures.step_curve(study.behavioural, "behavioural")

    Args:
        curve: from behaviour (accuracy after a planted repeat) or by intervention (answers moved to the rival).
        kind: which of the two it is.
    """
    figure = make_subplots(1, 1)
    _add_step(figure, curve, kind, 1)
    return dress(figure, f"Effective n, {_STEP[kind].title}", _step_says(curve, kind), 340, legend=False)


@checked_call
def effective_n(behavioural: StepCurve, causal: StepCurve) -> go.Figure:
    """Draw both curves of the whole model's n side by side: from behaviour and by intervention.

    >>> figure = interp.figures.effective_n(study.behavioural, study.causal)
    """
    curves: tuple[tuple[StepKind, StepCurve], ...] = (("behavioural", behavioural), ("causal", causal))
    figure = make_subplots(1, 2, horizontal_spacing=0.11, subplot_titles=[_STEP[kind].title for kind, _ in curves])
    for column, (kind, curve) in enumerate(curves, 1):
        _add_step(figure, curve, kind, column)
    return dress(
        figure, "Effective n of the whole model", " ".join(_step_says(c, k) for k, c in curves), 350, legend=False
    )


class _Words(NamedTuple):
    title: str
    x: str
    y: str
    color: str
    says: str


_STEP = {
    "behavioural": _Words(
        "from behaviour",
        "letters of the planted repeat, k",
        "right after the repeat",
        STRINGS.color,
        "After a planted repeat of k letters the next letter is right in",
    ),
    "causal": _Words(
        "by intervention",
        "letters back of the edited letter, t",
        "answers moved to the rival",
        LETTERS.color,
        "When the copied letter t back is set to that of a rival place, the answer moves to the rival in",
    ),
}


def _add_step(figure: go.Figure, curve: StepCurve, kind: StepKind, column: int) -> None:
    words = _STEP[kind]
    figure.add_trace(
        go.Scatter(
            x=curve.x,
            y=curve.value,
            error_y=error_bars(curve.value, curve.interval),
            mode="lines+markers",
            line={"color": words.color, "width": 2.2},
            marker={"size": 8},
            name=words.title,
            customdata=[[*interval] for interval in curve.interval],
            hovertemplate="%{x}: %{y:.1%}<br>"
            f"{methods(curve.interval)}: %{{customdata[0]:.1%}} to %{{customdata[1]:.1%}}<extra></extra>",
            showlegend=False,
        ),
        1,
        column,
    )
    if curve.n is not None:
        line = {"color": NEUTRAL, "width": 1.5, "dash": "dash"}
        figure.add_vline(
            curve.n - 0.5,
            line=line,
            annotation={"text": f"n = {curve.n}", "font": {"size": 15}},
            annotation_position="top right",
            row=1,
            col=column,
        )
    figure.update_xaxes(title_text=words.x, dtick=1, row=1, col=column)
    lowest = min(interval.low for interval in curve.interval)
    figure.update_yaxes(accuracy_axis(words.y, lowest), row=1, col=column)


def _step_says(curve: StepCurve, kind: StepKind) -> str:
    steps = [f"{value:.0%} at {x}" for x, value in zip(curve.x, curve.value, strict=True)]
    found = (
        f"three quarters of the fall have happened by n = {curve.n}"
        if curve.n is not None
        else "there is no fall, so no n"
    )
    return f"{_STEP[kind].says} {names(steps)} (bars: {methods(curve.interval)}); {found}."
