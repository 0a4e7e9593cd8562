"""How many bits of a string a state gives and holds, and how well it is copied, against the string's length."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from interp.figures import theme
from interp.figures.state_facets import (
    HELD,
    SHARES,
    USED,
    bits_curve,
    curve,
    facets,
    knee_text,
    length_axis,
    of_each,
    trained_band,
)
from interp.profiles import Bits, Knee, StateProfile


def saturation(profiles: Sequence[StateProfile]) -> go.Figure:
    """Bits used and held, beside those needed and those of the nulls, against length; where they stop growing."""
    figure = facets(profiles)
    for column, profile in enumerate(profiles, 1):
        first = column == 1
        trained_band(figure, profile.behaviour.trained, 1, column)
        needed = curve(profile.lengths, profile.bits_needed, "needed", theme.NEUTRAL, first, dash="dash", mode="lines")
        shown: list[go.Scatter] = [needed.update(hovertemplate="%{x} letters: %{y:.1f} bits needed<extra></extra>")]
        if profile.held.untrained is not None:
            plain = {"dash": "dot", "width": 1.5}
            shown += bits_curve(
                profile.held.untrained, "held, untrained", HELD._replace(symbol="square-open"), first, **plain
            )
        if profile.used_untrained is not None:
            dots = curve(
                profile.lengths, profile.used_untrained.total, "used, untrained", USED.color, first, dash="dot"
            )
            shown.append(dots.update(marker={"symbol": "circle-open"}, line={"width": 1.5}))
        shuffled = curve(profile.lengths, profile.held.shuffled.total, "held, labels shuffled", theme.NEUTRAL, first)
        shown.append(shuffled.update(marker={"symbol": "x-thin-open"}, line={"width": 1}))
        shown += bits_curve(profile.held.held, "held", HELD, first)
        shown += bits_curve(profile.used, "used", USED, first)
        figure.add_traces(shown, rows=1, cols=column)
        _bend(figure, profile.saturation_length, column)
        length_axis(figure, profile.lengths, 1, column)
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(title_text="bits of the string", col=1)
    return theme.dress(
        figure, "Bits of the string, against its length", of_each(profiles, [_says(p) for p in profiles]), 440
    )


def accuracy(profiles: Sequence[StateProfile]) -> go.Figure:
    """Strings and letters that are right, beside the most that the state's size allows."""
    figure = facets(profiles)
    for column, profile in enumerate(profiles, 1):
        first, result = column == 1, profile.behaviour
        trained_band(figure, result.trained, 1, column)
        bound = curve(
            profile.lengths, profile.accuracy_bound, "the bound (theorem 2.7)", theme.NEUTRAL, first, dash="dash"
        )
        letters = result.letter_accuracy.mean(axis=1)
        shown = [
            bound.update(mode="lines"),
            curve(profile.lengths, profile.accuracy, "strings", theme.STRINGS.color, first),
            curve(profile.lengths, profile.expected_accuracy, "strings, drawn", theme.STRINGS.color, first, dash="dot"),
            curve(profile.lengths, letters, "letters", theme.LETTERS.color, first, symbol="diamond"),
        ]
        if result.free_letter_accuracy is not None:
            free = result.free_letter_accuracy.mean(axis=1)
            shown.append(
                curve(profile.lengths, free, "letters, reading its own output", theme.LETTERS.color, first, dash="dot")
            )
        figure.add_traces(
            [line.update(hovertemplate="%{x} letters: %{y:.3~%}<extra>%{fullData.name}</extra>") for line in shown],
            1,
            column,
        )
        length_axis(figure, profile.lengths, 1, column)
    figure.update_yaxes(theme.accuracy_axis("share that is right"), col=1)
    return theme.dress(
        figure,
        "Accuracy, and the most that the state allows",
        of_each(profiles, [_accuracy_says(p) for p in profiles]),
        420,
    )


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
                coloraxis="coloraxis",
            )
            figure.add_trace(heat, row, column)
    figure.update_xaxes(title_text="letters before the separator", row=2)
    figure.update_yaxes(title_text="letters in the string", type="category", col=1)
    bar = {"title": {"text": "of a letter's bits", "side": "right"}, "tickformat": ".0%", "thickness": 12, "len": 0.9}
    figure.update_layout(coloraxis={"colorscale": SHARES, "cmin": 0, "cmax": 1, "colorbar": bar})
    return theme.dress(
        figure, "Which letters are there", of_each(profiles, [_where(p) for p in profiles]), 560, legend=False
    )


def by_distance(bits: Bits) -> np.ndarray:
    """[length distance]: the last letter first; nan before the string."""
    turned = np.full_like(bits.by_position, np.nan)
    for row, length in enumerate(bits.lengths):
        turned[row, :length] = bits.by_position[row, :length][::-1]
    return turned


def _bend(figure: go.Figure, knee: Knee, column: int) -> None:
    if knee.value is None:
        return
    if knee.interval is not None:
        figure.add_vrect(
            *knee.interval, fillcolor=theme.faded(USED.color, 0.12), line_width=0, layer="below", row=1, col=column
        )
    label = {"text": f"stops at {knee.value:.1f}", "font": {"color": USED.color, "size": 13}}
    line = {"color": USED.color, "width": 1.2, "dash": "dash"}
    figure.add_vline(knee.value, line=line, annotation=label, annotation_position="top right", row=1, col=column)


def _says(profile: StateProfile) -> str:
    rows = zip(profile.lengths, profile.bits_recovered, profile.bits_probe, profile.bits_needed, strict=True)
    cells = [f"{used:.1f} used, {held:.1f} held of {needed:.1f} at {n}" for n, used, held, needed in rows]
    stop = f"The bits used stop growing at {knee_text(profile.saturation_length)} letters"
    stop = (
        stop
        if profile.saturation_length.value is not None
        else f"No saturation length: {profile.saturation_length.note}"
    )
    return f"Bits by length: {theme.names(cells)}. {stop}; held: {knee_text(profile.saturation_held)}."


def _accuracy_says(profile: StateProfile) -> str:
    cells = [f"{theme.percent(s)} at {n}" for n, s in zip(profile.lengths, profile.accuracy, strict=True)]
    below = [n for n, bound in zip(profile.lengths, profile.accuracy_bound, strict=True) if bound < 1]
    reach = f"falls below 1 from {below[0]} letters on" if below else "is 1 at all measured lengths"
    half = f"Letter accuracy crosses a half at {knee_text(profile.half_length)} letters."
    half = half if profile.half_length.value is not None else f"{profile.half_length.note.capitalize()}."
    return f"Strings right: {theme.names(cells)}; the bound {reach}. {half}"


def _where(profile: StateProfile) -> str:
    at = max(range(len(profile.lengths)), key=lambda i: profile.used.total[i])
    share = by_distance(profile.used)[at, : profile.lengths[at]] / np.log2(profile.alphabet)
    return (
        f"At {profile.lengths[at]} letters, {theme.percent(share[0])} of the last letter's bits are used and "
        f"{theme.percent(share[-1])} of the first's."
    )
