"""What a language model's state keeps of texts: bits by length, beside other models', how far back, and transplants."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from interp.base import words
from interp.base.estimates import mean_intervals
from interp.base.interval import Interval
from interp.figures.ends import End, label_ends
from interp.figures.palette import shades
from interp.figures.theme import GROUPS, NEUTRAL, USED, Look, accuracy_axis, dress, error_bars, group_look, literal
from interp.figures.training import left_out
from interp.results.language import TextBits, TextTransplants
from interp.results.state import Remembrance
from interp.results.text_state import TextState

PRIOR, OTHER = Look(NEUTRAL, "square-open"), Look(NEUTRAL, "x-thin-open")
DONOR, HOST = GROUPS[0], GROUPS[1]
ROW = 34
"""Pixels that a part of the state has in the figure of transplants."""
APART = 1.4
"""Times by which lengths that are written at an axis differ at least."""


def saved_bits(name: str, bits: TextBits, several: bool = False) -> go.Figure:
    """Draw the bits that reading a text saves when it comes again, beside what it costs alone and what another saves.

    Args:
        name: of the model.
        bits: what was found.
        several: whether other models' figures stand beside it, so that its title names the model.
    """
    figure, last = go.Figure(), bits.lengths[-1]
    lines = (
        ("costs alone", PRIOR, bits.prior, None, "dash"),
        ("another text read", OTHER, bits.other, bits.other_interval, "dot"),
        ("the text itself read", USED, bits.used, bits.interval, "solid"),
    )
    ends = [End(last, float(values[-1].mean()), label, look.color) for label, look, values, _, _ in lines]
    for label, look, values, intervals, dash in lines:
        means = values.mean(axis=1)
        bars = None if intervals is None else error_bars(means, intervals)
        line = _line(bits.lengths, means, label, look, dash, error_y=bars)
        figure.add_trace(line.update(hovertemplate=f"%{{x}} tokens, {label}: %{{y:.1f}} bits<extra></extra>"))
    told = ", ".join(
        f"{words.number(used, 1)} of {words.number(prior, 1)} at {length}"
        for length, used, prior in zip(bits.lengths, bits.used.mean(axis=1), bits.prior.mean(axis=1), strict=True)
    )
    says = (
        f"{name}: having read a text saves {told} tokens; having read another saves at most "
        f"{words.number(max(bits.other.mean(axis=1)), 1)} bits. {_by(bits.interval)}"
    )
    _lengths(figure, bits.lengths)
    figure.update_yaxes(title_text="bits of the text", rangemode="tozero")
    return _labelled(figure, _titled("What reading a text saves when it comes again", name, several), says, ends)


def shares_saved(models: Sequence[tuple[str, TextBits]]) -> go.Figure:
    """Draw the share of a text's own bits that reading it saves, by length, a line for each model.

    Args:
        models: what each is called, and what was found.
    """
    figure, ends, told = go.Figure(), [], []
    for place, (name, bits) in enumerate(models):
        look, intervals = group_look(place), [bits.share_interval(at) for at in range(len(bits.lengths))]
        ends.append(End(bits.lengths[-1], bits.share[-1], name, look.color))
        line = _line(bits.lengths, bits.share, name, look, error_y=error_bars(bits.share, intervals))
        figure.add_trace(line.update(hovertemplate=f"{literal(name)}, %{{x}} tokens: %{{y:.1%}}<extra></extra>"))
        parts = [f"{words.percent(share)} at {n}" for n, share in zip(bits.lengths, bits.share, strict=True)]
        told.append(f"{name}: {', '.join(parts)} tokens")
    _lengths(figure, sorted({length for _, bits in models for length in bits.lengths}))
    lowest = min(min(bits.share) for _, bits in models)
    figure.update_yaxes(accuracy_axis("share of the text's own bits", lowest))
    says = f"{'; '.join(told)}. {_by([bits.share_interval(0) for _, bits in models])}"
    return _labelled(figure, "Share of a text that reading it saves", says, ends)


def far_back(name: str, found: Remembrance, several: bool = False) -> go.Figure:
    """Draw how much a replaced token moves the copy, by how far it stands before what asks for the copy.

    Args:
        name: of the model.
        found: by length and place.
        several: as in `saved_bits`.
    """
    figure, ends, told = go.Figure(), [], []
    middle = found.lengths[len(found.lengths) // 2]
    shown = sorted({found.lengths[0], middle, found.lengths[-1]})
    for length, color in zip(shown, shades(len(shown)), strict=True):
        row = found.lengths.index(length)
        places = np.flatnonzero(np.isfinite(found.effect[row]))
        effect, label = found.effect[row, places], words.count(length, "token")
        bars = error_bars(effect, found.interval[row, places], width=2.0)
        own = _line(length - places, effect, label, Look(color, "circle"), error_y=bars)
        rest = _line(length - places, found.elsewhere[row, places], label, Look(color, "circle-open"), "dot")
        hover = f"%{{x}} back: total variation %{{y:.3f}}<extra>{label}"
        figure.add_trace(own.update(hovertemplate=f"{hover}, its own copy</extra>"))
        figure.add_trace(rest.update(hovertemplate=f"{hover}, the others</extra>"))
        ends.append(End(float(length - places[0]), float(effect[0]), label, color))
        told.append(f"{words.number(effect[-1])} for the last and {words.number(effect[0])} for the first of {length}")
    figure.update_xaxes(title_text="tokens before the copy is asked for", rangemode="tozero")
    figure.update_yaxes(range=[-0.03, 1.05], title_text="total variation")
    says = (
        f"{name}: {words.names(told)}. Full lines: where its own copy stands; dotted: the others. 95%, {found.method}."
    )
    says += left_out(shown, found.lengths)
    return _labelled(figure, _titled("How far back a token still counts", name, several), says, ends)


def swapped(name: str, found: TextTransplants, several: bool = False) -> go.Figure:
    """Draw what the donor's text gains and the host's loses when a part of the donor's state is put in its place.

    Args:
        name: of the model.
        found: a row a part.
        several: as in `saved_bits`.
    """
    figure, parts = go.Figure(), [part.replace("blocks.", "layer ") for part in found.parts]
    for label, look, values in (("the donor's text", DONOR, found.donor), ("the host's text", HOST, found.host)):
        means, ends = values.mean(axis=1), mean_intervals(values)
        bars = error_bars(means, [ends[i] for i in range(len(means))])
        figure.add_trace(
            go.Scatter(
                x=means,
                y=parts,
                error_x=bars,
                mode="markers",
                name=label,
                marker={"color": look.color, "symbol": look.symbol, "size": 9},
                hovertemplate=f"%{{y}}: %{{x:.1f}} bits on {label}<extra></extra>",
            )
        )
    whole = found.parts.index("whole state")
    says = (
        f"{name}, texts of {found.length} tokens: with the whole state the donor's text changes by "
        f"{words.number(found.donor[whole].mean(), 1)} bits and the host's by "
        f"{words.number(found.host[whole].mean(), 1)}. {_by([mean_intervals(found.donor)[whole]])}"
    )
    figure.add_vline(0, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    figure.update_xaxes(title_text="bits saved, against the host's own state")
    figure.update_yaxes(autorange="reversed", type="category")
    title = _titled("Whose text is predicted from the state of another?", name, several)
    return dress(figure, title, says, 200 + ROW * len(parts))


def state_figures(models: Sequence[tuple[str, TextState]]) -> dict[str, go.Figure]:
    """Every figure of the states of some models, by its name: what they share first, then each model's own."""
    if not models:
        return {}
    several = len(models) > 1
    found = {"state_shares": shares_saved([(name, state.bits) for name, state in models])}
    for place, (name, state) in enumerate(models, 1):
        number = f"_{place}" if several else ""
        found[f"state_bits{number}"] = saved_bits(name, state.bits, several)
        found[f"state_far{number}"] = far_back(name, state.remembrance, several)
        if state.transplants is not None:
            found[f"state_swaps{number}"] = swapped(name, state.transplants, several)
    return found


def _titled(title: str, name: str, several: bool) -> str:
    return f"{name}: {title[0].lower()}{title[1:]}" if several else title


def _labelled(figure: go.Figure, title: str, says: str, ends: Sequence[End]) -> go.Figure:
    """Lines that are named at their ends need no legend."""
    return label_ends(dress(figure, title, says, 400, legend=False).update_layout(showlegend=False), ends)


def _line(x: Any, y: Any, name: str, look: Look, dash: str = "solid", **more: Any) -> go.Scatter:
    line = {"color": look.color, "width": 2.2, "dash": dash}
    marker = {"symbol": look.symbol, "size": 7, "color": look.color}
    return go.Scatter(x=x, y=y, mode="lines+markers", name=literal(name), line=line, marker=marker, **more)


def _lengths(figure: go.Figure, lengths: Sequence[int]) -> None:
    shown: list[int] = []  # as many as there is room for on a narrow screen, the longest among them
    for length in sorted(lengths, reverse=True):
        shown += [length] if not shown or shown[-1] >= APART * length else []
    ticks = {"tickvals": shown, "ticktext": [str(n) for n in shown], "tickangle": 0}
    figure.update_xaxes(title_text="tokens", type="log", **ticks)


def _by(intervals: Sequence[Interval | None]) -> str:
    return f"Intervals: {words.methods(intervals)}."
