"""What the figures of states share: one panel for each model, lengths on the axis, the colours of the quantities."""

from collections.abc import Iterable, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from interp.base import words
from interp.figures import theme
from interp.figures.palette import few, shades
from interp.results.state import Bits, Knee
from interp.studies.state.result import StateProfile

SERIES = tuple(look.color for look in theme.GROUPS)
"""Colours of models, or of layers, one after the other."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def name_of(profile: StateProfile) -> str:
    """Return the specification of the model of a profile."""
    return str(profile.model.get("spec", "this model"))


def facets(
    profiles: Sequence[StateProfile], rows: Sequence[str] = ("",), share_y: bool = True, **more: Any
) -> go.Figure:
    """A column for each model, a row for each quantity; the titles name both where there are several."""
    words = [" · ".join(filter(None, [name_of(p) if len(profiles) > 1 else "", row])) for row in rows for p in profiles]
    gaps = {"horizontal_spacing": 0.07 if len(profiles) > 1 else 0.1, "vertical_spacing": 0.16}
    titles = [theme.literal(word) for word in words] if any(words) else None
    sharing = "rows" if share_y and len(profiles) > 1 else False
    return make_subplots(len(rows), len(profiles), subplot_titles=titles, shared_yaxes=sharing, **gaps | more)


def part_name(part: str) -> str:
    """`layer 0, h` of `blocks.0.h`."""
    layer, _, rest = part.removeprefix("blocks.").partition(".")
    return f"layer {layer}, {rest}" if rest else part


def curve(x: Any, y: Any, name: str, color: str, first: bool = True, **more: Any) -> go.Scatter:
    """A line with markers; only the first of a name stands in the legend, and it hides and shows all of them."""
    line = {"color": color, "width": more.pop("width", 2), "dash": more.pop("dash", "solid")}
    look = {"mode": "lines+markers", "line": line, "marker": {"size": 6, "symbol": more.pop("symbol", "circle")}}
    return go.Scatter(x=x, y=y, name=theme.literal(name), legendgroup=name, showlegend=first, **look | more)


def bits_curve(bits: Bits, name: str, look: theme.Look, first: bool, **more: Any) -> list[go.Scatter]:
    """Bits by length with the band of their interval."""
    ends = [[*interval] for interval in bits.interval]
    low, high = zip(*ends, strict=True)
    spread = f"{words.methods(bits.interval)}: %{{customdata[0]:.1f}} to %{{customdata[1]:.1f}}"
    hover = f"%{{x}} letters: %{{y:.1f}} bits {theme.literal(name)}<br>{spread}"
    line = curve(bits.lengths, bits.total, name, look.color, first, symbol=look.symbol, **more)
    shown = line.update(customdata=ends, hovertemplate=hover + "<extra></extra>")
    return [theme.band(bits.lengths, low, high, look.color, name, legendgroup=name), shown]


def trained_band(
    figure: go.Figure, trained: tuple[int, int] | None, row: int, column: int, word: str = "top left"
) -> None:
    """The trained lengths, shaded; `word` is where that is written, away from the lines."""
    if trained is not None:
        label = {"text": "trained", "font": {"size": 11, "color": theme.NEUTRAL}, "textposition": word}
        look = {"fillcolor": theme.SHADE, "line_width": 0, "layer": "below", "label": label}
        figure.add_vrect(*trained, row=row, col=column, **look)


def length_axis(figure: go.Figure, lengths: Sequence[int], row: int, column: int, log: bool = False) -> None:
    """Put the lengths of strings on the x-axis of a panel."""
    columns = {axis.domain for axis in figure.select_xaxes()}  # panels above each other have one in common
    shown = ticks(lengths, log, 14 / len(columns))
    kind = {"type": "log"} if log else {"rangemode": "tozero"}
    figure.update_xaxes(title_text="letters in the string", tickvals=shown, tickangle=0, row=row, col=column, **kind)


def ticks(lengths: Sequence[int], log: bool, room_for: float = 14) -> list[int]:
    """Choose as many of the lengths as there is room for, the longest among them."""
    kept: list[int] = []
    for length in sorted(lengths, reverse=True):
        room = kept[-1] / length >= 1.4 if log and kept else not kept or kept[-1] - length >= max(lengths) / room_for
        kept += [length] if room else []
    return kept


def length_colors(lengths: Iterable[int]) -> dict[int, str]:
    """A colour for each length, short to long, whatever model measured it: of as many as can be told apart."""
    shown = few(lengths)
    return dict(zip(shown, shades(len(shown)), strict=True))


def knee_text(knee: Knee) -> str:
    """`7.9 [7.6, 8.2; 95%, percentile bootstrap]`, or why there is none."""
    if knee.value is None:
        return knee.note or theme.ABSENT
    value = theme.number(knee.value, 1)
    return value if knee.interval is None else f"{value} {words.named(knee.interval, 1)}"


def bend_text(knee: Knee, lengths: Sequence[int]) -> str:
    """Write a knee as `knee_text` does, but short where the bits still grow, "beyond 48", or fall."""
    short = {"falls": "bits fall", "late": f"beyond {max(lengths)}", "smooth": "no bend"}
    return short.get(knee.kind) or knee_text(knee)


def of_each(profiles: Sequence[StateProfile], sentences: Sequence[str]) -> str:
    """One sentence a model, each under its name where there are several."""
    if len(profiles) == 1:
        return sentences[0]
    return " ".join(f"{name_of(p)}: {text}" for p, text in zip(profiles, sentences, strict=True))
