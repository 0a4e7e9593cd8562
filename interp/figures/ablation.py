"""What is lost when heads are ablated, beside what is lost when others are."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from interp.base import words
from interp.base.calls import checked_call
from interp.base.interval import Interval
from interp.base.words import methods
from interp.figures.theme import (
    LETTERS,
    NEUTRAL,
    STRINGS,
    Look,
    accuracy_axis,
    dress,
    error_bars,
    literal,
    names,
    number,
    percent,
)
from interp.results.ablation import AblationResult, Control

PANELS = {
    "single": "one head",
    "cumulative": "best first, k heads",
    "all but one": "all but one",
    "all": "all",
    "edges": "edges",
    "no role": "without a role",
}
FEWEST_BARS = 8
"""Bars for which there is room: of fewer, each is as wide as if there were so many."""
CONTROLS = {"same layer": "triangle-up-open", "any layer": "triangle-down-open", "edges": "square-open"}


@checked_call
def ablations(results: Sequence[AblationResult]) -> go.Figure:
    """Draw accuracy after each ablation: strings (bars), letters (diamonds), controls (open), a panel for each group.

    Sets in random order are crosses beside the sets of the same size that were chosen by score.

    >>> figure = interp.figures.ablations(study.ablations)
    """
    panels = {group: [r for r in results if r.group == group] for group in PANELS}
    panels = {group: rows for group, rows in panels.items() if rows}
    if not panels:
        return dress(go.Figure(), "Accuracy after ablation", "Nothing was ablated: there is no lookup head.", 200)
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
        several = len({r.kind for r in results if r.group != "edges"}) > 1
        ticks = [literal(_label(r) + (f" {r.kind}" if several and group != "edges" else "")) for r in rows]
        axis = {"tickvals": list(range(len(rows))), "ticktext": ticks, "range": [-0.8, len(rows) - 0.2]}
        figure.update_xaxes(**axis, row=1, col=column)
    before = next(iter(panels.values()))[0].string_accuracy_before
    figure.add_hline(before, line={"color": STRINGS.color, "width": 1, "dash": "dash"}, opacity=0.8)
    figure.update_yaxes(accuracy_axis(""), showline=False)
    figure.update_yaxes(title_text="share that is right", row=1, col=1)
    widest = max(sum(len(rows) + 0.6 for rows in panels.values()), FEWEST_BARS)
    figure.update_layout(bargap=0.35)
    for bar in figure.select_traces({"type": "bar"}):
        bar.width = min(0.65, 0.65 * sum(len(rows) + 0.6 for rows in panels.values()) / widest)
    return dress(figure, "Accuracy after ablation", _says(results), 460)


def interval_after(result: AblationResult) -> Interval:
    """Interval of string accuracy after the ablation: that before it, less the interval of the drop."""
    return _after(result.string_accuracy_before, result.interval)


def control_notes(results: Sequence[AblationResult]) -> tuple[str, ...]:
    """Say which controls could not be drawn, or too seldom for an interval, and from how large a pool."""
    notes = []
    for name in dict.fromkeys(control.name for r in results for control in r.controls):
        found = [control for r in results for control in r.controls if control.name == name]
        missing, few = [c for c in found if c.draws == 0], [c for c in found if c.draws > 0 and c.interval is None]
        parts = [f"could not be drawn for {len(missing)}{_pool(missing)}"] if missing else []
        parts += [f"has too few sets for an interval for {len(few)}{_pool(few)}"] if few else []
        if len(missing) == len(found) > 1:
            notes.append(
                f"The control “{name}” could not be drawn for any of the {len(found)} ablations{_pool(missing)}."
            )
        elif parts:
            start = f"Of {len(found)} ablations, the" if len(found) > 1 else "The"
            of_one = " and ".join(parts).replace(" for 1", "") if len(found) == 1 else " and ".join(parts)
            notes.append(f"{start} control “{name}” {of_one}.")
    amounts = [control.attention for r in results for control in r.controls if control.attention is not None]
    short = [(wanted, taken) for wanted, taken in amounts if taken < 0.9 * wanted]
    if short:
        wanted, taken = max(short, key=lambda pair: pair[0] - pair[1])
        notes.append(
            f"The control “edges” cut all the attention that there is elsewhere, {number(taken, 3)} per query against "
            f"{number(wanted, 3)} to the match: it shows that the match matters, not what an equally large cut "
            f"elsewhere would do."
        )
    return tuple(notes)


def _pool(controls: Sequence[Control]) -> str:
    sizes = sorted({control.pool for control in controls})
    return f" (pool of {names(sizes) if len(sizes) < 3 else f'{sizes[0]} to {sizes[-1]}'})"


def _traces(rows: Sequence[AblationResult], drawn: set[str]) -> list[go.Bar | go.Scatter]:
    """Bars, letters and controls of one panel; a name is put into the legend when it is drawn first."""
    x, hovers = list(range(len(rows))), [_hover(r) for r in rows]
    strings, letters = [r.string_accuracy_after for r in rows], [r.letter_accuracy_after for r in rows]
    bars = go.Bar(
        x=x,
        y=strings,
        marker={"color": STRINGS.color, "opacity": 0.4, "line": {"width": 0}},
        name="strings",
        hovertext=hovers,
        hovertemplate="%{hovertext}<extra></extra>",
    )
    ends = _marks(x, strings, [interval_after(r) for r in rows], STRINGS, "strings", hovers).update(showlegend=False)
    spread = [_after(r.letter_accuracy_before, r.letter_interval) for r in rows]
    traces = [bars, ends, _marks([i - 0.27 for i in x], letters, spread, LETTERS, "letters", hovers)]
    for place, name in enumerate(dict.fromkeys(control.name for r in rows for control in r.controls)):
        found = [(i, c) for i, r in enumerate(rows) for c in r.controls if c.name == name and c.draws > 0]
        at, values = [i + 0.12 + 0.14 * place for i, _ in found], [c.string_accuracy for _, c in found]
        look = Look(NEUTRAL, CONTROLS.get(name, "circle-open"))
        words = [_control_hover(control) for _, control in found]
        traces.append(_marks(at, values, [c.interval for _, c in found], look, f"control: {literal(name)}", words))
    for trace in traces:
        if trace is not ends:
            trace.update(showlegend=trace.name not in drawn and len(trace.x) > 0)
            drawn |= {trace.name} if trace.showlegend else set()
        trace.update(legendgroup=trace.name)
    return traces


def _marks(x, y, intervals, look: Look, name: str, hovers: Sequence[str]) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=y,
        error_y={**error_bars(y, intervals), "color": look.color},
        mode="markers",
        marker={"color": look.color, "symbol": look.symbol, "size": 9, "line": {"width": 1.6, "color": look.color}},
        name=name,
        hovertext=hovers,
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _random_orders(rows: Sequence[AblationResult], others: Sequence[AblationResult]) -> go.Scatter:
    place = {len(r.heads): i for i, r in enumerate(rows)}
    shown = [r for r in others if len(r.heads) in place]
    return go.Scatter(
        x=[place[len(r.heads)] for r in shown],
        y=[r.string_accuracy_after for r in shown],
        mode="markers",
        marker={
            "color": STRINGS.color,
            "symbol": "cross-thin",
            "size": 7,
            "line": {"width": 1.5, "color": STRINGS.color},
        },
        name="strings, random order",
        hovertext=[_hover(r) for r in shown],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _label(result: AblationResult) -> str:
    if result.group == "cumulative":
        return str(len(result.heads))
    if result.group == "no role" and len(result.heads) > 1:  # plotly leaves out names that leave the page
        return words.count(len(result.heads), "head")
    return {"all": words.count(len(result.heads), "head"), "edges": "match"}.get(
        result.group, result.name.removeprefix("all but ")
    )


def _after(before: float, drop: Interval) -> Interval:
    left = drop.below(before)
    return Interval(max(0.0, left.low), min(1.0, left.high), left.method)


def _hover(result: AblationResult) -> str:
    after, letters = interval_after(result), _after(result.letter_accuracy_before, result.letter_interval)
    return "<br>".join(
        [
            f"<b>{literal(result.name)}</b> ({literal(result.kind)}): {literal(names(result.heads))}",
            f"strings {percent(result.string_accuracy_before)} → {percent(result.string_accuracy_after)}"
            f" {_ends(after)}",
            f"letters {percent(result.letter_accuracy_before)} → {percent(result.letter_accuracy_after)}"
            f" {_ends(letters)}",
        ]
    )


def _control_hover(control: Control) -> str:
    spread = _spread(control) or ", too few for an interval"
    sets = f"{control.draws} draws from a pool of {control.pool}"
    return f"control {literal(control.name)}: strings {percent(control.string_accuracy)}{spread}<br>{sets}"


def _says(results: Sequence[AblationResult]) -> str:
    parts = []
    for result in (r for r in results if r.group in ("all", "edges")):
        what = "the edges to the match" if result.group == "edges" else names(result.heads)
        controls = [f"{c.name} {percent(c.string_accuracy)}{_spread(c)}" for c in result.controls if c.draws > 0]
        parts.append(
            f"Without {what} string accuracy goes from {percent(result.string_accuracy_before)} to "
            f"{percent(result.string_accuracy_after)} and letters from {percent(result.letter_accuracy_before)} to "
            f"{percent(result.letter_accuracy_after)}; string accuracy under controls: "
            f"{names(controls, none='none could be drawn')}."
        )
    return " ".join([*parts, *control_notes(results)])


def _spread(control: Control) -> str:
    return f" {_ends(control.interval)}" if control.interval else ""


def _ends(interval: Interval) -> str:
    return f"[{percent(interval.low)}, {percent(interval.high)}; {methods([interval])}]"
