"""Accuracy by length of each task, a line a model."""

from collections.abc import Sequence

import plotly.graph_objects as go

from interp.base import words
from interp.base.estimates import mean_intervals
from interp.figures.ends import End, label_ends
from interp.figures.theme import accuracy_axis, dress, error_bars, group_look, literal
from interp.results.language import HeadCurve, TextAccuracy

TITLES = {
    "copy": "Copying a text",
    "copy-words": "Copying shuffled words",
    "copy-tokens": "Copying shuffled tokens",
    "repeat": "Repeating a text that was shown once",
    "phone-book": "Looking up a number in a phone book",
    "key-value": "Looking up the value of a key",
    "passkey": "Finding a passkey in a text",
    "questions": "Answering questions on a paragraph",
}


DASHES = {"transformer": "solid", "state-space model": "dash", "hybrid": "dashdot"}
"""How the line of a family is drawn; of any other it is dotted."""


def by_length(task: str, models: Sequence[tuple[str, TextAccuracy]], families: Sequence[str] = ()) -> go.Figure:
    """Draw the share of right answers by length, with 95% intervals, a line for each model.

    Args:
        task: its name.
        models: what each is called, and its accuracy.
        families: of each: transformer, state-space model, ...; empty: all lines are full.
    """
    figure, ends = go.Figure(), []
    for place, (name, found) in enumerate(models):
        look, family = group_look(place), families[place] if families else "transformer"
        ends.append(End(found.lengths[-1], found.accuracy[-1], name, look.color))
        intervals = [found.interval(at) for at in range(len(found.lengths))]
        figure.add_trace(
            go.Scatter(
                x=found.lengths,
                y=found.accuracy,
                error_y=error_bars(found.accuracy, intervals),
                mode="lines+markers",
                name=literal(f"{name} ({family})" if families else name),
                line={"color": look.color, "width": 2.5, "dash": DASHES.get(family, "dot")},
                marker={"symbol": look.symbol, "size": 8},
                customdata=[
                    [*interval, share] for interval, share in zip(intervals, found.share.mean(axis=1), strict=True)
                ],
                hovertemplate=f"%{{x}} {found.unit}: %{{y:.1%}} right<br>{words.methods(intervals)}: "
                f"%{{customdata[0]:.1%}} to %{{customdata[1]:.1%}}<br>{found.measure}: %{{customdata[2]:.1%}}",
            )
        )
    first = models[0][1]
    lengths = sorted({length for _, found in models for length in found.lengths})
    figure.update_xaxes(title_text=first.unit, type="log", tickvals=lengths, ticktext=[str(n) for n in lengths])
    figure.update_yaxes(accuracy_axis("answers that are right"))
    return label_ends(dress(figure, TITLES.get(task, task), _says(models), 400), ends)


def ablated(name: str, curve: HeadCurve) -> go.Figure:
    """Draw the share of right tokens of a text without the first heads of a ranking, with these alone, and without
    others.

    Args:
        name: of the model.
        curve: what was found.
    """
    figure, ends = go.Figure(), []
    lines = {
        "first heads ablated": curve.without,
        "others ablated": curve.others.mean(axis=1),
        "only the first of the ranking kept": curve.kept,
    }
    for place, (label, values) in enumerate(lines.items()):
        look, share = group_look(place), values.mean(axis=1)
        ends_of = mean_intervals(values) if values.shape[1] > 1 else None
        intervals = [None if ends_of is None else ends_of[i] for i in range(len(share))]
        ends.append(End(curve.counts[-1], float(share[-1]), label, look.color))
        figure.add_trace(
            go.Scatter(
                x=curve.counts,
                y=share,
                error_y=error_bars(share, intervals) if values.shape[1] > 1 else None,
                mode="lines+markers",
                name=label,
                line={"color": look.color, "width": 2.5},
                marker={"symbol": look.symbol, "size": 8},
                hovertemplate=f"{label}, %{{x}} heads: %{{y:.1%}}<extra></extra>",
            )
        )
    last = curve.counts[-1]
    says = (
        f"{literal(name)} copies {words.percent(curve.clean.mean())} of the tokens of texts; without the first {last} "
        f"heads {words.percent(curve.without[-1].mean())}, without {last} others "
        f"{words.percent(curve.others[-1].mean())}."
    )
    figure.update_xaxes(title_text="heads")
    figure.update_yaxes(accuracy_axis("tokens that are right"))
    return label_ends(dress(figure, "Texts repeated without heads", says, 400), ends)


def _says(models: Sequence[tuple[str, TextAccuracy]]) -> str:
    told = []
    for name, found in models:
        shares = ", ".join(
            f"{words.percent(share)} at {n}" for n, share in zip(found.lengths, found.accuracy, strict=True)
        )
        told.append(f"{name}: {shares} {found.unit}")
    return f"{'; '.join(told)}."
