"""Several models' states on one axis: a colour a model, its name at the end of its line, what is compared by the dash.

Bits of a model of a few dozen lie beside those of one with hundreds, so that axes of bits are logarithmic.
"""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from interp.figures import theme
from interp.figures.ends import End, label_ends
from interp.figures.palette import NEUTRAL
from interp.results.state import Bits
from interp.studies.state.figures.facets import bits_curve, curve, length_axis, name_of
from interp.studies.state.result import StateProfile

LEAST_BITS = 0.1
"""Fewer are not drawn on an axis of bits."""


def bits_compared(profiles: Sequence[StateProfile], says: str) -> go.Figure:
    """Bits used (full lines) and held (dotted) of every model by length; a ring where the bits used stop growing."""
    figure, ends = make_subplots(1, 1), []
    _needed(figure, profiles, ends)
    for place, profile in enumerate(profiles):
        look, name = theme.group_look(place), name_of(profile)
        for word, bits, dash in (("held", profile.held.held, "dot"), ("used", profile.used, "solid")):
            _add_bits(figure, bits, f"{name}, {word}", look, ends, dash=dash)
        knee = profile.saturation_length
        if knee.value is not None and not profile.used_falls and knee.plateau > LEAST_BITS:
            ring = {"symbol": "circle-open", "size": 15, "color": look.color, "line": {"width": 2}}
            hover = f"{theme.literal(name)}: used stops at {knee.value:.1f} letters<extra></extra>"
            figure.add_trace(
                go.Scatter(x=[knee.value], y=[knee.plateau], mode="markers", marker=ring, hovertemplate=hover)
            )
    return _dressed(figure, "Bits of the string, against its length", says, "bits of the string", profiles, ends)


def layers_compared(profiles: Sequence[StateProfile], says: str) -> go.Figure:
    """Bits that probes read from single layers of every model, a dash a layer."""
    figure, ends = make_subplots(1, 1), []
    for place, profile in enumerate(profiles):
        look, dashes = theme.group_look(place), ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
        for layer, (name, bits) in enumerate(profile.held.by_layer.items()):
            called = f"{name_of(profile)}, layer {name.removeprefix('blocks.')}"
            _add_bits(figure, bits, called, look, ends, dash=dashes[layer % len(dashes)])
    return _dressed(figure, "Bits held by each layer", says, "bits held", profiles, ends)


def accuracy_compared(profiles: Sequence[StateProfile], says: str, floor: float) -> go.Figure:
    """Strings and letters that are right of every model, and the rate of whole strings beside its bound (dotted)."""
    titles = ("strings that are right", "letters that are right", "answers drawn, and the bound")
    figure = make_subplots(3, 1, subplot_titles=titles, vertical_spacing=0.11)
    lengths = sorted({n for profile in profiles for n in profile.lengths})
    ends: list[list[End]] = [[], [], []]
    for place, profile in enumerate(profiles):
        look, name = theme.group_look(place), name_of(profile)
        letters = profile.behaviour.letter_accuracy.mean(axis=1)
        for row, values in enumerate((profile.accuracy, letters, profile.expected_accuracy)):
            line = curve(profile.lengths, values, name, look.color, False, symbol=look.symbol)
            hover = "%{x} letters: %{y:.3~g}<extra>%{fullData.name}</extra>"
            figure.add_trace(line.update(hovertemplate=hover), row + 1, 1)
            ends[row].append(End(profile.lengths[-1], max(values[-1], floor if row == 2 else 0.0), name, look.color))
        bound = curve(profile.lengths, profile.accuracy_bound, f"{name}, bound", look.color, False, dash="dot")
        hover = "%{x} letters: %{y:.3~g}<extra>%{fullData.name}</extra>"
        figure.add_trace(bound.update(mode="lines", hovertemplate=hover), 3, 1)
    for row in (1, 2, 3):
        length_axis(figure, lengths, row, 1)
    for row in (1, 2):
        figure.update_yaxes(theme.accuracy_axis(""), row=row)
    figure.update_yaxes(type="log", exponentformat="power", range=[np.log10(floor) - 0.3, 0.3], row=3)
    theme.dress(figure, "Accuracy, and the most that the state allows", says, 860, legend=False)
    for panel, of_panel in enumerate(ends, 1):
        label_ends(figure, of_panel, panel)
    return figure


def size_compared(profiles: Sequence[StateProfile], says: str) -> go.Figure:
    """Letter accuracy of every model with few bits for each number, and with few directions, at one length a model."""
    figure = make_subplots(2, 1, subplot_titles=("bits for each number", "principal directions"), vertical_spacing=0.16)
    ends: tuple[list[End], list[End]] = ([], [])
    for place, profile in enumerate(profiles):
        size, look = profile.effective_size, theme.group_look(place)
        at = _home(profile, size.lengths)
        name = f"{name_of(profile)}, {size.lengths[at]} letters"
        ways = (size.bits_per_number, size.quantised, "bits"), (size.directions, size.projected, "directions")
        for row, (tried, values, what) in enumerate(ways):
            line = curve(tried, values[at], name, look.color, False, symbol=look.symbol)
            hover = f"%{{x}} {what}: %{{y:.1%}} (as it is: {size.clean[at]:.1%})<extra>%{{fullData.name}}</extra>"
            figure.add_trace(line.update(hovertemplate=hover), row + 1, 1)
            ends[row].append(End(tried[-1], float(values[at][-1]), name, look.color))
    for row, what in ((1, "bits kept"), (2, "directions kept")):
        figure.update_xaxes(title_text=what, type="log", dtick="D1" if row == 1 else 1, row=row)
    figure.update_yaxes(theme.accuracy_axis("letters that are right"))
    theme.dress(figure, "How little of the state would do", says, 640, legend=False).update_layout(showlegend=False)
    return label_ends(label_ends(figure, ends[0], 1), ends[1], 2)


def far_compared(profiles: Sequence[StateProfile], says: str) -> go.Figure:
    """How much a replaced letter of every model moves the answer, at one length a model."""
    figure, ends = make_subplots(1, 1), []
    for place, profile in enumerate(profiles):
        found, look = profile.remembrance, theme.group_look(place)
        at = _home(profile, found.lengths)
        length, name = found.lengths[at], f"{name_of(profile)}, {found.lengths[at]} letters"
        places = np.flatnonzero(np.isfinite(found.effect[at]))
        effect = found.effect[at, places]
        bars = theme.error_bars(effect, found.interval[at, places], width=2.0)
        own = curve(length - places, effect, name, look.color, False, symbol=look.symbol, error_y=bars)
        rest = curve(length - places, found.elsewhere[at, places], name, look.color, False, dash="dot", mode="lines")
        hover = f"%{{x}} before the separator: %{{y:.3f}}<br>bars: 95%, {found.method}<extra>%{{fullData.name}}</extra>"
        figure.add_traces([line.update(hovertemplate=hover) for line in (own, rest)])
        ends += [End(float(length - places[0]), float(effect[0]), name, look.color)] if len(places) else []
    figure.update_xaxes(title_text="letters before the separator", rangemode="tozero")
    figure.update_yaxes(range=[-0.03, 1.05], title_text="total variation")
    theme.dress(figure, "How far back a letter still counts", says, 440, legend=False)
    return label_ends(figure, ends)


def _home(profile: StateProfile, lengths: Sequence[int]) -> int:
    """Index of the longest of these lengths that is not beyond training."""
    home = profile.lengths[profile.at_home]
    return max((i for i, n in enumerate(lengths) if n <= home), key=lambda i: lengths[i], default=0)


def _needed(figure: go.Figure, profiles: Sequence[StateProfile], ends: list[End]) -> None:
    for alphabet in sorted({profile.alphabet for profile in profiles}):
        lengths = sorted({n for p in profiles if p.alphabet == alphabet for n in p.lengths})
        name = f"needed, of {alphabet} letters"
        needed = [float(n * np.log2(alphabet)) for n in lengths]
        line = curve(lengths, needed, name, NEUTRAL, False, dash="dash", mode="lines")
        figure.add_trace(line.update(hovertemplate="%{x} letters: %{y:.1f} bits needed<extra></extra>"))
        ends.append(End(lengths[-1], needed[-1], name, NEUTRAL))


def _add_bits(figure: go.Figure, bits: Bits, name: str, look: theme.Look, ends: list[End], dash: str) -> None:
    seen = [(n, total) for n, total in zip(bits.lengths, bits.total, strict=True) if total >= LEAST_BITS]
    band, line = bits_curve(bits, name, look, False, dash=dash)
    line.update(y=[total if total >= LEAST_BITS else None for total in bits.total])
    band.update(y=[max(LEAST_BITS, end) for end in band.y])
    figure.add_traces([band, line])
    ends += [End(*seen[-1], name, look.color)] if seen else []


def _dressed(
    figure: go.Figure, title: str, says: str, y: str, profiles: Sequence[StateProfile], ends: list[End]
) -> go.Figure:
    length_axis(figure, sorted({n for profile in profiles for n in profile.lengths}), 1, 1, log=True)
    figure.update_yaxes(type="log", title_text=y, exponentformat="power", dtick=1)
    theme.dress(figure, title, says, 500, legend=False).update_layout(showlegend=False)
    return label_ends(figure, ends)
