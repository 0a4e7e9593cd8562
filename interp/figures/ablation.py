"""What is lost when heads are taken away, beside what is lost when others are."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from interp.figures.theme import LETTERS, NEUTRAL, STRINGS, accuracy_axis, dress, error_bars, literal, names, percent
from interp.results import AblationResult, Control, Interval

PANELS = {
    "single": "one head",
    "cumulative": "best first, k heads",
    "all but one": "all but one",
    "all": "all",
    "edges": "edges",
}
CONTROLS = {"same layer": "triangle-up-open", "any layer": "triangle-down-open", "edges": "square-open"}


def ablations(results: Sequence[AblationResult]) -> go.Figure:
    """Accuracy after each ablation: strings (bars), letters (diamonds), controls (open), one panel for each group.

    Sets in random order stand, as dots, with those of the same size that were chosen by score.
    """
    panels = {group: [r for r in results if r.group == group] for group in PANELS}
    panels = {group: rows for group, rows in panels.items() if rows}
    if not panels:
        return dress(go.Figure(), "What ablation does", "Nothing was taken away: there is no lookup head.", 200)
    figure = make_subplots(
        1,
        len(panels),
        shared_yaxes=True,
        column_widths=[len(rows) + 0.6 for rows in panels.values()],
        horizontal_spacing=0.025,
        subplot_titles=[PANELS[group] for group in panels],
    )
    drawn: set[str] = set()
    for column, (group, rows) in enumerate(panels.items(), 1):
        for trace in _traces(rows, drawn):
            figure.add_trace(trace, 1, column)
        if group == "cumulative":
            others = [r for r in results if r.group == "random order"]
            figure.add_traces([_random_orders(rows, others)] if others else [], 1, column)
        several = len({r.kind for r in results}) > 1
        ticks = [literal(_label(r) + (f" {r.kind}" if several else "")) for r in rows]
        axis = {"tickvals": list(range(len(rows))), "ticktext": ticks, "range": [-0.8, len(rows) - 0.2]}
        figure.update_xaxes(**axis, row=1, col=column)
    before = next(iter(panels.values()))[0].string_accuracy_before
    figure.add_hline(before, line={"color": STRINGS.color, "width": 1, "dash": "dash"}, opacity=0.8)
    figure.update_yaxes(accuracy_axis(""), showline=False)
    figure.update_yaxes(title_text="share that is right", row=1, col=1)
    figure.update_layout(bargap=0.35)
    return dress(figure, "What ablation does", _says(results), 460)


def interval_after(result: AblationResult) -> Interval:
    """Interval of string accuracy after the ablation: that before it, less the interval of the drop."""
    return _after(result.string_accuracy_before, result.interval)


def control_notes(results: Sequence[AblationResult]) -> tuple[str, ...]:
    """In words: which controls could not be drawn, or too few of them for an interval, and the size of their pool."""
    notes = []
    for name in dict.fromkeys(control.name for r in results for control in r.controls):
        pairs = [(r, c) for r in results for c in r.controls if c.name == name]
        for few, words in ((False, "could not be drawn"), (True, "has too few sets for an interval")):
            lacking = [(r, c) for r, c in pairs if c.interval is None and (c.draws > 0) == few]
            if not lacking:
                continue
            pools = sorted({c.pool for _, c in lacking})
            heads = f"{pools[0]}" if len(pools) == 1 else f"{pools[0]} to {pools[-1]}"
            what = "places at a query" if name == "edges" else "heads without a role that can see the source"
            sizes = f"{len(lacking)} of {len(pairs)} ablations"
            notes.append(f"The control “{name}” {words} for {sizes}: its pool is {heads} {what}.")
    return tuple(notes)


def _traces(rows: Sequence[AblationResult], drawn: set[str]) -> list[go.Bar | go.Scatter]:
    """Bars, letters and controls of one panel; a name is put into the legend when it is drawn first."""
    x, strings, letters = (
        list(range(len(rows))),
        *zip(*((r.string_accuracy_after, r.letter_accuracy_after) for r in rows), strict=True),
    )
    bars = go.Bar(
        x=x,
        y=strings,
        error_y=error_bars(strings, [interval_after(r) for r in rows]),
        marker={"color": STRINGS.color, "opacity": 0.75},
        name="strings",
        text=[_hover(r) for r in rows],
        textposition="none",
        hovertemplate="%{text}<extra></extra>",
    )
    intervals = [_after(r.letter_accuracy_before, r.letter_interval) for r in rows]
    marks = _marks([i - 0.27 for i in x], letters, intervals, LETTERS.color, LETTERS.symbol, "letters")
    traces = [bars, marks]
    for place, (name, symbol) in enumerate(CONTROLS.items()):
        found = [
            (i, c) for i, r in enumerate(rows) for c in r.controls if c.name == name and c.string_accuracy is not None
        ]
        if found:
            at, values = [i + 0.12 + 0.14 * place for i, _ in found], [c.string_accuracy for _, c in found]
            trace = _marks(at, values, [c.interval for _, c in found], NEUTRAL, symbol, f"control: {name}")
            traces.append(
                trace.update(text=[_control_hover(c) for _, c in found], hovertemplate="%{text}<extra></extra>")
            )
    for trace in traces:
        trace.update(legendgroup=trace.name, showlegend=trace.name not in drawn)
        drawn.add(trace.name)
    return traces


def _marks(x, y, intervals, color: str, symbol: str, name: str) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        error_y=error_bars(y, intervals),
        mode="markers",
        marker={"color": color, "symbol": symbol, "size": 9, "line": {"width": 1.6}},
        name=name,
        hovertemplate=f"{name}: %{{y:.1%}}<extra></extra>",
    )


def _random_orders(rows: Sequence[AblationResult], others: Sequence[AblationResult]) -> go.Scatter:
    place = {len(r.heads): i for i, r in enumerate(rows)}
    shown = [r for r in others if len(r.heads) in place]
    return go.Scatter(
        x=[place[len(r.heads)] for r in shown],
        y=[r.string_accuracy_after for r in shown],
        mode="markers",
        marker={"color": STRINGS.color, "symbol": "circle", "size": 7, "line": {"width": 1, "color": "white"}},
        name="strings, random order",
        text=[_hover(r) for r in shown],
        hovertemplate="%{text}<extra></extra>",
    )


def _label(result: AblationResult) -> str:
    if result.group == "cumulative":
        return str(len(result.heads))
    return {"all": f"{len(result.heads)} heads", "edges": "to the match"}.get(result.group, result.name)


def _after(before: float, drop: Interval) -> Interval:
    return max(0.0, before - drop[1]), min(1.0, before - drop[0])


def _hover(result: AblationResult) -> str:
    low, high = interval_after(result)
    return "<br>".join(
        [
            f"<b>{literal(result.name)}</b> ({literal(result.kind)}): {literal(names(result.heads))}",
            f"strings {percent(result.string_accuracy_before)} → {percent(result.string_accuracy_after)}"
            f" [{percent(low)}, {percent(high)}]",
            f"letters {percent(result.letter_accuracy_before)} → {percent(result.letter_accuracy_after)}",
        ]
    )


def _control_hover(control: Control) -> str:
    interval = control.interval
    spread = "too few for an interval" if interval is None else f"[{percent(interval[0])}, {percent(interval[1])}]"
    sets = f"{control.draws} draws from a pool of {control.pool}"
    return f"control {literal(control.name)}: strings {percent(control.string_accuracy)} {spread}<br>{sets}"


def _says(results: Sequence[AblationResult]) -> str:
    parts = []
    for result in (r for r in results if r.group in ("all", "edges")):
        what = "the edges to the match" if result.group == "edges" else f"all of {names(result.heads)}"
        if result.control_mean is None:
            control = "no control could be drawn"
        else:
            bounds = result.control_interval
            spread = f" [{percent(bounds[0])}, {percent(bounds[1])}]" if bounds else ", too few sets for an interval"
            control = f"under the control it is {percent(result.control_mean)}{spread}"
        parts.append(
            f"Without {what} string accuracy goes from {percent(result.string_accuracy_before)} to "
            f"{percent(result.string_accuracy_after)} and letters from {percent(result.letter_accuracy_before)} to "
            f"{percent(result.letter_accuracy_after)}; {control}."
        )
    return " ".join([*parts, *control_notes(results)])
