"""Learning curves of several trainings: the mean of each group as a line, its band over seeds, each run faintly."""

import numpy as np
import plotly.graph_objects as go

from interp.base import words
from interp.base.calls import checked_call
from interp.figures.ends import End, label_ends
from interp.figures.theme import accuracy_axis, band, dress, group_look, literal
from interp.results.curves import LearningCurves


@checked_call
def learning_curves(curves: LearningCurves, share: float = 0.9) -> go.Figure:
    """Draw string accuracy by examples seen: mean and 95% band of each group, and its runs.

    >>> from interp.results.curves import curves_of
    >>> curves = curves_of(["a"], [{"model": {}, "task": {}, "training": {"seed": 0}}], [study.training])
    >>> figure = interp.figures.learning_curves(curves)

    Args:
        curves: of some trainings.
        share: of strings; the sentence says how many examples each group needed until so many were right.
    """
    figure, ends = go.Figure(), []
    for index, group in enumerate(curves.groups):
        look, found = group_look(index), curves.band(group)
        runs = [row for name, row in zip(curves.group, curves.string_accuracy, strict=True) if name == group]
        if len(runs) > 1:
            figure.add_trace(band(found.examples, found.low, found.high, look.color, group))
        for row in runs if len(runs) > 1 else []:
            at = ~np.isnan(row)
            line = {"color": look.color, "width": 0.8}
            figure.add_trace(
                go.Scatter(
                    x=curves.evaluated_at[at],
                    y=row[at],
                    mode="lines",
                    line=line,
                    opacity=0.5,
                    showlegend=False,
                    hoverinfo="skip",
                )
            )
        ends += [End(found.examples[-1], found.mean[-1], group, look.color)] if len(found.examples) else []
        figure.add_trace(
            go.Scatter(
                x=found.examples,
                y=found.mean,
                mode="lines+markers",
                line={"color": look.color, "width": 2.5},
                marker={"symbol": look.symbol, "size": 7},
                name=f"{literal(group)} ({words.count(len(runs), 'run')})",
                hovertemplate=f"{literal(group)}, %{{x:,}} examples: %{{y:.1%}}<extra></extra>",
            )
        )
    figure.update_xaxes(title_text="examples seen", rangemode="tozero")
    figure.update_yaxes(accuracy_axis(f"strings of {curves.length} letters right"))
    return label_ends(dress(figure, "Learning curves", _says(curves, share), 440), ends)


def _says(curves: LearningCurves, share: float) -> str:
    told = []
    for group, needed in curves.needed(share).items():
        got = [each.most for each in needed if not each.censored]
        ends = " to ".join(f"{end:,.0f}" for end in dict.fromkeys([min(got), max(got)])) if got else ""
        span = f", after {ends} examples" if got else ""
        told.append(f"{len(got)} of {words.count(len(needed), 'run')} of {group}{span}")
    return (
        f"{words.percent(share)} of strings of {curves.length} letters were right in {words.names(told)}. Thick lines: "
        "means over runs, where all of a group were evaluated; bands: 95%, Student t over runs; thin lines: the runs."
    )
