"""How the model learnt, and how well it copies: curves by examples seen and by length."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from interp.base.calls import checked_call
from interp.base.estimates import proportion_interval, share_intervals
from interp.base.interval import Interval
from interp.base.words import methods, plural
from interp.figures.ends import End, label_ends
from interp.figures.palette import NEUTRAL, few, shades
from interp.figures.theme import LETTERS, SHADE, STRINGS, accuracy_axis, band, dress, names, number, percent
from interp.results.accuracy import LengthAccuracy
from interp.results.training import TrainLog

MOST_POINTS = 2000
"""Points of a loss curve that a page carries; of more, every so manieth is drawn."""


@checked_call
def training(log: TrainLog) -> go.Figure:
    """Draw the loss, and string accuracy (full lines) and letter accuracy (dotted) at each length, by examples seen.

    >>> figure = interp.figures.training(study.training)
    """
    figure = make_subplots(1, 2, horizontal_spacing=0.11, subplot_titles=("loss", "accuracy"))
    step = max(1, len(log.loss) // MOST_POINTS)
    figure.add_trace(
        go.Scatter(
            x=log.examples[::step],
            y=log.loss[::step],
            customdata=log.learning_rate[::step],
            hovertemplate="%{x:,} examples: %{y:.3f} nats<br>learning rate %{customdata:.2g}<extra></extra>",
            line={"color": NEUTRAL, "width": 1.5},
            name="loss",
            showlegend=False,
        ),
        1,
        1,
    )
    ends = []
    for i, (length, shade) in enumerate(zip(log.lengths, shades(len(log.lengths)), strict=True)):
        if len(log.evaluated_at):
            ends.append(End(log.evaluated_at[-1], log.string_accuracy[-1, i], f"{length}, strings", shade))
            ends.append(End(log.evaluated_at[-1], log.letter_accuracy[-1, i], f"{length}, letters", shade))
        for kind, values, dash in (("strings", log.string_accuracy, "solid"), ("letters", log.letter_accuracy, "dot")):
            figure.add_trace(
                go.Scatter(
                    x=log.evaluated_at,
                    y=values[:, i],
                    mode="lines+markers",
                    marker={"size": 4},
                    line={"color": shade, "dash": dash, "width": 2},
                    name=f"{kind} of {length}" if kind == "strings" else f"their letters ({length})",
                    hovertemplate="%{x:,} examples: %{y:.1%}<extra>%{fullData.name}</extra>",
                    showlegend=False,
                ),
                1,
                2,
            )
    for mark in log.marks:
        line = {"color": NEUTRAL, "width": 1.2, "dash": "dash"}
        label = {"text": f"step {mark.step:,}", "textangle": -90, "textposition": "middle", "font": {"size": 11}}
        figure.add_vline(mark.examples, line=line, layer="below", label=label, row="all", col="all")
    figure.update_xaxes(title_text="examples seen", rangemode="tozero")
    figure.update_yaxes(title_text="nats per trained token", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(accuracy_axis("accuracy"), row=1, col=2)
    dress(figure, "Loss and accuracy by examples seen", _training_says(log), 400, legend=False)
    return label_ends(figure, ends, 2)


@checked_call
def length_accuracy(result: LengthAccuracy) -> go.Figure:
    """Draw accuracy of strings and letters by length with 95% intervals, beside ideal copiers; each line is named at
    its end, and trained lengths are shaded.

    >>> figure = interp.figures.length_accuracy(study.accuracy_by_length)
    """
    figure = go.Figure()
    ends = [*_ideal_lines(figure, result), *_free_line(figure, result), *_measured_lines(figure, result)]
    if result.trained is not None:
        _shade_trained(figure, *result.trained)
    x = result.lengths
    figure.update_xaxes(title_text="letters in the string", type="log", tickvals=x, ticktext=[str(n) for n in x])
    figure.update_yaxes(accuracy_axis("share that is right"))
    dress(figure, "Accuracy by length", _length_says(result), 440, legend=False).update_layout(showlegend=False)
    return label_ends(figure, ends)


def _ideal_lines(figure: go.Figure, result: LengthAccuracy) -> list[End]:
    """Draw the share of strings that ideal copiers of each n get right."""
    x, ideals = result.lengths, sorted(result.ideal.items(), key=lambda item: (len(item[0]), item[0]))
    for n, curve in ideals:
        figure.add_trace(
            go.Scatter(
                x=x,
                y=curve,
                name=f"ideal, n = {n}",
                mode="lines",
                line={"color": NEUTRAL, "width": 1.4, "dash": "dash"},
                hovertemplate=f"ideal {n}-gram copier, %{{x}} letters: %{{y:.1%}} of strings<extra></extra>",
            )
        )
    return [End(x[-1], curve[-1], f"ideal, n = {n}", NEUTRAL) for n, curve in ideals]


def _free_line(figure: go.Figure, result: LengthAccuracy) -> list[End]:
    """Draw the share of letters that are right where the model reads its own output, if that was measured."""
    if (free := result.free_letter_accuracy) is None:
        return []
    figure.add_trace(
        go.Scatter(
            x=result.lengths,
            y=free.mean(axis=1),
            name="letters, reading its own output",
            mode="lines+markers",
            line={"color": LETTERS.color, "dash": "dot", "width": 1.6},
            marker={"symbol": "diamond-open", "size": 7},
            hovertemplate="%{x} letters, free-running: %{y:.2%} of letters<extra></extra>",
        )
    )
    return [End(result.lengths[-1], free[-1].mean(), "letters, on its own", LETTERS.color)]


def _measured_lines(figure: go.Figure, result: LengthAccuracy) -> list[End]:
    """Draw the shares of letters and of whole strings that are right, with bands."""
    x, ends = result.lengths, []
    measured = (
        ("letters", LETTERS, result.letter_accuracy, letter_intervals(result)),
        ("strings", STRINGS, result.string_correct, string_intervals(result)),
    )
    for name, look, values, intervals in measured:
        figure.add_trace(band(x, [i.low for i in intervals], [i.high for i in intervals], look.color, name))
        ends.append(End(x[-1], values[-1].mean(), name, look.color))
        figure.add_trace(
            go.Scatter(
                x=x,
                y=values.mean(axis=1),
                name=name,
                mode="lines+markers",
                line={"color": look.color, "width": 2.5},
                marker={"symbol": look.symbol, "size": 8},
                customdata=[[*interval] for interval in intervals],
                hovertemplate=f"%{{x}} letters: %{{y:.2%}} of {name}"
                f"<br>{methods(intervals)}: %{{customdata[0]:.2%}} to %{{customdata[1]:.2%}}<extra></extra>",
            )
        )
    return ends


def _shade_trained(figure: go.Figure, low: int, high: int) -> None:
    """Shade the lengths that the model was trained on; a single length is made visible."""
    pad = 1.03 if low == high else 1.0
    label = {"text": "trained", "textangle": -90, "font": {"size": 12, "color": NEUTRAL}}
    figure.add_vrect(low / pad, high * pad, fillcolor=SHADE, line_width=0, layer="below", label=label)


@checked_call
def first_errors(result: LengthAccuracy) -> go.Figure:
    """Draw, for each length, the share of strings that are still without an error, by position within the answer.

    >>> figure = interp.figures.first_errors(study.accuracy_by_length)
    """
    figure, ends, shown = go.Figure(), [], few(result.lengths)
    colors = dict(zip(shown, shades(len(shown)), strict=True))
    for length, first in zip(result.lengths, result.first_error, strict=True):
        if length not in colors:
            continue
        until, name = np.where(first < 0, length, first), f"{length} {plural(length, 'letter')}"
        points = np.unique(np.linspace(0, length, min(length, 100) + 1).round().astype(int))
        figure.add_trace(
            go.Scatter(
                x=points / length,
                y=[float(np.mean(until >= point)) for point in points],
                customdata=points,
                mode="lines",
                line={"color": colors[length], "width": 2},
                name=name,
                hovertemplate=f"{name}: %{{y:.1%}} right up to letter %{{customdata}}<extra></extra>",
            )
        )
        ends.append(End(1.0, float(np.mean(first < 0)), name, colors[length]))
    figure.update_xaxes(title_text="place in the answer", tickformat=".0%", range=[0, 1.01])
    figure.update_yaxes(accuracy_axis("strings without an error so far"))
    wrong = [
        f"{np.median(first[first >= 0]) / length:.0%} of the way at {length} {plural(length, 'letter')}"
        for length, first in zip(result.lengths, result.first_error, strict=True)
        if (first >= 0).any()
    ]
    says = f"Where a string goes wrong, the median place of its first wrong letter is {names(wrong)}."
    says = (says if wrong else "No string went wrong.") + left_out(shown, result.lengths)
    dress(figure, "Where strings first go wrong", says, 380, legend=False).update_layout(showlegend=False)
    return label_ends(figure, ends)


def left_out(shown: Sequence[int], lengths: Sequence[int]) -> str:
    """Say that some lengths are not drawn; nothing where all are."""
    return "" if len(shown) == len(set(lengths)) else f" Drawn: {names(shown)} of the {len(set(lengths))} lengths."


def string_intervals(result: LengthAccuracy) -> list[Interval]:
    """Intervals of string accuracy, by length."""
    return [proportion_interval(int(row.sum()), len(row)) for row in result.string_correct]


def letter_intervals(result: LengthAccuracy) -> list[Interval]:
    """Intervals of letter accuracy over strings, by length."""
    found = share_intervals(result.letter_accuracy)
    return [found[i] for i in range(len(found))]


def _training_says(log: TrainLog) -> str:
    if not len(log.examples):
        return "Nothing has been trained yet."
    start = (
        f"{log.examples[-1]:,} examples: loss from {number(float(log.loss[0]))} to {number(float(log.loss[-1]))} nats"
    )
    begins = "".join(f" From step {mark.step:,} on ({mark.examples:,} examples): {mark.begins}." for mark in log.marks)
    if not len(log.evaluated_at):
        return f"{start}.{begins}"
    last = zip(log.lengths, log.string_accuracy[-1], log.letter_accuracy[-1], strict=True)
    ends = [f"{percent(s)} of strings ({percent(c)} of letters) of {length}" for length, s, c in last]
    return f"{start}; at the end {names(ends)} are right.{begins}"


def _length_says(result: LengthAccuracy) -> str:
    strings, letters = result.string_correct.mean(axis=1), result.letter_accuracy.mean(axis=1)
    cells = [
        f"{percent(s)} at {length} {plural(length, 'letter')} ({percent(c)} of the letters)"
        for length, s, c in zip(result.lengths, strings, letters, strict=True)
    ]
    trained = result.trained and f" It was trained on {span(result.trained)} letters."
    bands = f" Bands: of strings {methods(string_intervals(result))}, of letters {methods(letter_intervals(result))}."
    return f"Strings copied without an error: {names(cells)}.{trained or ''}{bands}"


def span(lengths: tuple[int, int]) -> str:
    """Write a range of lengths: `20 to 30`, or `20`."""
    low, high = lengths
    return str(low) if low == high else f"{low} to {high}"
