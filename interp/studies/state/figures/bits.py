"""How many bits of a string a state gives and holds, and how well it is copied, against the string's length."""

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import plotly.graph_objects as go

from interp.figures import theme
from interp.figures.ends import End, label_ends
from interp.figures.palette import scale
from interp.figures.theme import HELD, USED
from interp.results.state import Bits, Knee
from interp.studies.state.figures.compare import accuracy_compared, bits_compared, layers_compared
from interp.studies.state.figures.facets import (
    SERIES,
    bits_curve,
    curve,
    facets,
    knee_text,
    length_axis,
    name_of,
    of_each,
    ticks,
    trained_band,
)
from interp.studies.state.result import StateProfile

LAYERS = tuple(color for color in SERIES if color != HELD.color)
LEAST = 1e-15
"""Rates below are not drawn."""


def saturation(profiles: Sequence[StateProfile]) -> go.Figure:
    """Bits used and held, beside those needed and those of the nulls, against length; where they stop growing."""
    says = of_each(profiles, [_says(p) for p in profiles])
    if len(profiles) > 1:
        rings = "Full lines: used, a ring where they stop growing; dotted: held. "
        return bits_compared(profiles, rings + says)
    figure, (profile,), last = facets(profiles), profiles, profiles[0].lengths[-1]
    needed = curve(profile.lengths, profile.bits_needed, "needed", theme.NEUTRAL, dash="dash", mode="lines")
    shown: list[go.Scatter] = [needed.update(hovertemplate="%{x} letters: %{y:.1f} bits needed<extra></extra>")]
    ends = [End(last, profile.bits_needed[-1], "needed", theme.NEUTRAL)]
    if profile.held.untrained is not None:
        open_square = HELD._replace(symbol="square-open")
        shown += bits_curve(profile.held.untrained, "held, untrained", open_square, True, dash="dot", width=1.5)
        ends.append(End(last, profile.held.untrained.total[-1], "held, untrained", HELD.color))
    if profile.used_untrained is not None:
        dots = curve(profile.lengths, profile.used_untrained.total, "used, untrained", USED.color, dash="dot")
        shown.append(dots.update(marker={"symbol": "circle-open"}, line={"width": 1.5}))
        ends.append(End(last, profile.used_untrained.total[-1], "used, untrained", USED.color))
    shuffled = curve(profile.lengths, profile.held.shuffled.total, "held, labels shuffled", theme.NEUTRAL)
    shown.append(shuffled.update(marker={"symbol": "x-thin-open"}, line={"width": 1}))
    ends.append(End(last, profile.held.shuffled.total[-1], "held, shuffled", theme.NEUTRAL))
    for name, look, bits in (("held", HELD, profile.held.held), ("used", USED, profile.used)):
        shown += bits_curve(bits, name, look, True)
        ends.append(End(last, bits.total[-1], name, look.color))
    figure.add_traces(shown)
    trained_band(figure, profile.behaviour.trained, 1, 1)
    _bend(figure, profile.saturation_held, HELD.color, "held", 1)
    if not profile.used_falls:
        _bend(figure, profile.saturation_length, USED.color, "used", 1)
    length_axis(figure, profile.lengths, 1, 1)
    figure.update_yaxes(rangemode="tozero", title_text="bits of the string")
    theme.dress(figure, "Bits of the string, against its length", says, 440, legend=False)
    return label_ends(figure.update_layout(showlegend=False), ends)


def against_needed(profiles: Sequence[StateProfile]) -> go.Figure:
    """Bits of the state and bits used of every model on the same axes, beside those that a copy needs."""
    figure, says, ends = go.Figure(), [], []
    alphabets, lengths = {p.alphabet for p in profiles}, sorted({n for p in profiles for n in p.lengths})
    for alphabet in sorted(alphabets):
        name = "needed" if len(alphabets) == 1 else f"needed, of {alphabet} letters"
        needed = [n * np.log2(alphabet) for n in lengths]
        figure.add_trace(curve(lengths, needed, name, theme.NEUTRAL, dash="dash", mode="lines"))
        ends.append(End(lengths[-1], float(needed[-1]), name, theme.NEUTRAL))
    for profile, color in zip(profiles, cycle(SERIES if len(profiles) > 1 else (USED.color,)), strict=False):
        sizes = profile.state_bits
        name = name_of(profile)
        seen = [(n, bits) for n, bits in zip(profile.lengths, profile.bits_recovered, strict=True) if bits >= 1]
        parts = (
            curve(profile.lengths, sizes, f"{name}: state", color, dash="dot", symbol="square-open"),
            curve([n for n, _ in seen], [bits for _, bits in seen], f"{name}: used", color),
        )
        hover = "%{x} letters: %{y:,.3~f} bits<extra>%{fullData.name}</extra>"
        figure.add_traces([part.update(hovertemplate=hover) for part in parts])
        ends.append(End(profile.lengths[-1], sizes[-1], f"{name}: state", color))
        ends += [End(*seen[-1], f"{name}: used", color)] if seen else []
        grows = (
            f"is of {sizes[0]:,.0f} bits at any length"
            if sizes[0] == sizes[-1]
            else f"grows from {sizes[0]:,.0f} bits at {profile.lengths[0]} letters to {sizes[-1]:,.0f} at "
            f"{profile.lengths[-1]}"
        )
        says.append(f"The state {grows}; at most {max(profile.bits_recovered):.0f} bits are used.")
    figure.update_xaxes(type="log", title_text="letters in the string", tickvals=ticks(lengths, log=True), tickangle=0)
    figure.update_yaxes(type="log", title_text="bits", exponentformat="power", dtick=1)
    less = " Less than a bit used is not drawn."
    says = of_each(profiles, says) + less
    theme.dress(figure, "The state, beside what a copy needs", says, 460, legend=False)
    return label_ends(figure.update_layout(showlegend=False), ends)


def by_layer(profiles: Sequence[StateProfile]) -> go.Figure | None:
    """Bits that probes read from single layers' states; None where no model has several layers."""
    shown = [profile for profile in profiles if profile.held.by_layer]
    if not shown:
        return None
    says = of_each(shown, [_layers_say(p) for p in shown])
    if len(shown) > 1:
        return layers_compared(shown, says)
    figure, ends = facets(shown), []
    for profile in shown:
        parts = {"all layers": profile.held.held} | {_layer(name): bits for name, bits in profile.held.by_layer.items()}
        for (name, bits), color in zip(parts.items(), cycle((HELD.color, *LAYERS)), strict=False):
            look = theme.Look(color, "square" if color == HELD.color else "circle")
            figure.add_traces(bits_curve(bits, name, look, True))
            ends.append(End(bits.lengths[-1], bits.total[-1], name, color))
        length_axis(figure, profile.lengths, 1, 1)
    figure.update_yaxes(rangemode="tozero", title_text="bits held")
    theme.dress(figure, "Bits held by each layer", says, 400, legend=False)
    return label_ends(figure.update_layout(showlegend=False), ends)


def accuracy(profiles: Sequence[StateProfile]) -> go.Figure:
    """Strings and letters that are right; below, the rate of whole strings beside the most that the state allows."""
    says = of_each(profiles, [_accuracy_says(p) for p in profiles])
    floor = max(LEAST, min(min(p.accuracy_bound + p.expected_accuracy) for p in profiles))
    if len(profiles) > 1:
        return accuracy_compared(profiles, says, floor)
    figure, (profile,) = facets(profiles, ("share that is right", "strings, drawn letter by letter")), profiles
    result, green, pink = profile.behaviour, theme.STRINGS.color, theme.LETTERS.color
    letters, last = result.letter_accuracy.mean(axis=1), profile.lengths[-1]
    lines = [
        curve(profile.lengths, profile.accuracy, "strings", green),
        curve(profile.lengths, letters, "letters", pink, symbol="diamond"),
    ]
    ends = [End(last, profile.accuracy[-1], "strings", green), End(last, letters[-1], "letters", pink)]
    if result.free_letter_accuracy is not None:
        free = result.free_letter_accuracy.mean(axis=1)
        lines.append(curve(profile.lengths, free, "letters, reading its own output", pink, dash="dot"))
        ends.append(End(last, free[-1], "letters, on its own", pink))
    hover = "%{x} letters: %{y:.2%}<extra>%{fullData.name}</extra>"
    figure.add_traces([line.update(hovertemplate=hover) for line in lines])
    bound, drawn = profile.accuracy_bound, profile.expected_accuracy
    rates = (
        curve(profile.lengths, bound, "the bound (theorem 2.7)", theme.NEUTRAL, dash="dash"),
        curve(profile.lengths, drawn, "strings, drawn", green, symbol="square"),
    )
    for line in rates:
        hover = "%{x} letters: %{y:.3~g}<extra>%{fullData.name}</extra>"
        figure.add_trace(line.update(hovertemplate=hover), 2, 1)
    for row in (1, 2):
        trained_band(figure, result.trained, row, 1, "middle left")
        length_axis(figure, profile.lengths, row, 1)
    figure.update_yaxes(theme.accuracy_axis(""), row=1)
    figure.update_yaxes(type="log", exponentformat="power", range=[np.log10(floor) - 0.3, 0.3], row=2)
    theme.dress(figure, "Accuracy, and the most that the state allows", says, 640, legend=False)
    named = (
        End(last, max(bound[-1], floor), "the bound", theme.NEUTRAL),
        End(last, max(drawn[-1], floor), "drawn", green),
    )
    return label_ends(label_ends(figure.update_layout(showlegend=False), ends, 1), named, 2)


def recoverability(profiles: Sequence[StateProfile]) -> go.Figure:
    """Share of each letter's bits that is used and held, by how far it stands before the separator and by length."""
    figure = facets(profiles, ("used", "held"), share_y=False, shared_xaxes="columns")
    for column, profile in enumerate(profiles, 1):
        for row, bits in enumerate((profile.used, profile.held.held), 1):
            z = by_distance(bits) / np.log2(profile.alphabet)
            word = ("used", "held")[row - 1]
            hover = f"%{{y}} letters, %{{x}} before the separator: %{{z:.1%}} of its bits {word}<extra></extra>"
            heat = go.Heatmap(
                z=z,
                x=np.arange(1, z.shape[1] + 1),
                y=[str(n) for n in bits.lengths],
                hovertemplate=hover,
                coloraxis="coloraxis" if row == 1 else "coloraxis2",
            )
            figure.add_trace(heat, row, column)
    figure.update_xaxes(title_text="letters before the separator", row=2)
    figure.update_yaxes(type="category")
    figure.update_yaxes(title_text="letters in the string", col=1)
    says = of_each(profiles, [_where(p) for p in profiles])
    theme.dress(figure, "Which letters are there", says, 600, legend=True)
    bar = {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "xanchor": "left", "len": 0.46}
    bar |= {"tickformat": ".0%", "thickness": 10, "tickvals": [0, 0.5, 1]}
    scales = {}
    for key, look, word, x in (("coloraxis", USED, "used", 0.0), ("coloraxis2", HELD, "held", 0.54)):
        titled = bar | {"x": x, "title": {"text": f"bits {word}", "side": "top"}}
        scales[key] = {"colorscale": scale(look.color), "cmin": 0, "cmax": 1, "colorbar": titled}
    return figure.update_layout(**scales)


def by_distance(bits: Bits) -> np.ndarray:
    """[length distance]: the last letter first; nan before the string."""
    turned = np.full_like(bits.by_position, np.nan)
    for row, length in enumerate(bits.lengths):
        turned[row, :length] = bits.by_position[row, :length][::-1]
    return turned


def _layer(name: str) -> str:
    return f"layer {name.removeprefix('blocks.')}"


def _layers_say(profile: StateProfile) -> str:
    at = profile.peak
    cells = [f"{theme.number(bits.total[at], 1)} in {_layer(name)}" for name, bits in profile.held.by_layer.items()]
    every = f"{profile.bits_probe[at]:.1f} bits in all layers together"
    return f"At {profile.lengths[at]} letters probes read {theme.names(cells)}, and {every}."


def _bend(figure: go.Figure, knee: Knee, color: str, what: str, column: int) -> None:
    if knee.value is None:
        return
    if knee.interval is not None:
        look = {"fillcolor": theme.faded(color, 0.12), "line_width": 0, "layer": "below"}
        figure.add_vrect(*knee.interval, row=1, col=column, **look)
    label = {"text": f"{what} stops at {knee.value:.1f}", "font": {"color": color, "size": 13}}
    line = {"color": color, "width": 1.2, "dash": "dash"}
    shift = 0 if what == "used" else -18  # both may stop at one length
    figure.add_vline(
        knee.value,
        line=line,
        annotation=label | {"yshift": shift},
        annotation_position="top right",
        row=1,
        col=column,
    )


def _says(profile: StateProfile) -> str:
    rows = zip(profile.lengths, profile.bits_recovered, profile.bits_probe, profile.bits_needed, strict=True)
    cells = [f"{used:.1f} used, {held:.1f} held of {needed:.1f} at {n}" for n, used, held, needed in rows]
    knee = profile.saturation_length
    if profile.used_falls:
        stop = (
            f"The bits used fall after {profile.lengths[profile.peak]} letters, so that they have no saturation length"
        )
    elif knee.value is None:
        stop = f"The bits used have no saturation length: {knee.note}"
    else:
        stop = f"The bits used stop growing at {knee_text(knee)} letters"
    return f"Bits by length: {theme.names(cells)}. {stop}; held: {knee_text(profile.saturation_held)}."


def _accuracy_says(profile: StateProfile) -> str:
    cells = [f"{theme.percent(s)} at {n}" for n, s in zip(profile.lengths, profile.accuracy, strict=True)]
    below = [n for n, bound in zip(profile.lengths, profile.accuracy_bound, strict=True) if bound < 1]
    reach = f"falls below 1 from {below[0]} letters on" if below else "is 1 at all measured lengths"
    half = f"Letter accuracy crosses a half at {knee_text(profile.half_length)} letters."
    half = half if profile.half_length.value is not None else f"{profile.half_length.note.capitalize()}."
    return f"Strings right: {theme.names(cells)}; the bound {reach}. {half}"


def _where(profile: StateProfile) -> str:
    at = profile.peak
    share = by_distance(profile.used)[at, : profile.lengths[at]] / np.log2(profile.alphabet)
    return (
        f"At {profile.lengths[at]} letters, {theme.percent(share[0])} of the last letter's bits are used and "
        f"{theme.percent(share[-1])} of the first's."
    )
