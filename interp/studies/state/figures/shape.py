"""Shape of the state: rank, norm and decays by length, its time constants, how little of it is enough, how far back
letters count."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from interp.base import words
from interp.figures import theme
from interp.figures.ends import End, label_ends
from interp.figures.training import left_out
from interp.results.state import EffectiveSize, Remembrance
from interp.studies.state.figures.compare import far_compared, size_compared
from interp.studies.state.figures.facets import (
    DASHES,
    SERIES,
    curve,
    facets,
    length_axis,
    length_colors,
    name_of,
    of_each,
    part_name,
)
from interp.studies.state.result import StateProfile


def rank_and_norm(profiles: Sequence[StateProfile]) -> go.Figure:
    """Participation ratio, entropy rank, norm, and the share of saturated decays of each part, by length."""
    measures = {
        "participation ratio": "participation_ratio",
        "entropy rank": "entropy_rank",
        "norm": "norm",
        "decays that are saturated": "saturated",
    }
    figure = make_subplots(2, 2, subplot_titles=list(measures), horizontal_spacing=0.1, vertical_spacing=0.2)
    lengths = sorted({length for profile in profiles for length in profile.lengths})
    for index, (title, field) in enumerate(measures.items()):
        row, column = divmod(index, 2)
        for (name, color, dash), profile, part in _parts(profiles):
            y = getattr(profile.effective_rank, field)[part]
            line = curve(profile.lengths, y, name, color, index == 0, dash=dash)
            line.update(hovertemplate=f"{title} at %{{x}} letters: %{{y:.3~g}}<extra>{theme.literal(name)}</extra>")
            figure.add_trace(line, row + 1, column + 1)
        length_axis(figure, lengths, row + 1, column + 1, log=True)
    if len(profiles) > 1:  # a few dozen directions beside a thousand
        for row, column in ((1, 1), (1, 2), (2, 1)):
            figure.update_yaxes(type="log", exponentformat="power", dtick=1, row=row, col=column)
    else:
        figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(tickformat=".0%", range=[-0.03, 1.03], row=2, col=2)
    return theme.dress(
        figure, "Rank, norm and decays of the state", of_each(profiles, [_shape_says(p) for p in profiles]), 640
    )


def time_constants(profiles: Sequence[StateProfile]) -> go.Figure | None:
    """Time constants of the numbers of each recurrent state: all of them for the longest strings, and the middle nine
    tenths by length; None where no layer has a decay."""
    titles = ("slow and fast, at the longest strings", "by length: median, middle 90%")
    figure, says = make_subplots(1, 2, subplot_titles=titles, horizontal_spacing=0.1, shared_yaxes=True), []
    lengths = sorted({length for profile in profiles for length in profile.lengths})
    for (name, color, dash), profile, part in _parts(profiles):
        quantiles = profile.effective_rank.time_constants[part]
        if np.isnan(quantiles).all():
            continue
        shares, own = np.linspace(0, 1, quantiles.shape[1]), theme.literal(name)
        low, middle, high = (quantiles[:, np.searchsorted(shares, share)] for share in (0.05, 0.5, 0.95))
        all_of_them = curve(shares, quantiles[-1], name, color, dash=dash, mode="lines")
        hover = f"%{{x:.0%}} of {own} fade faster than %{{y:.3~g}} positions<extra></extra>"
        figure.add_trace(all_of_them.update(hovertemplate=hover), 1, 1)
        median = curve(profile.lengths, middle, name, color, False, dash=dash)
        hover = f"%{{x}} letters: %{{y:.3~g}} positions in the median<extra>{own}</extra>"
        figure.add_trace(theme.band(profile.lengths, low, high, color, name, legendgroup=name), 1, 2)
        figure.add_trace(median.update(hovertemplate=hover), 1, 2)
        ends = f"{_amount(middle[0])} in the median at {words.count(profile.lengths[0], 'letter')}"
        if middle[-1] != middle[0]:
            ends += f", {_amount(middle[-1])} at {profile.lengths[-1]}"
        says.append(f"{name}: {ends} (90% from {_amount(low[-1])} to {_amount(high[-1])})")
    if not says:
        return None
    line = {"color": theme.NEUTRAL, "width": 1.2, "dash": "dash"}
    beside = {"x": 0, "xanchor": "left", "yanchor": "bottom", "showarrow": False}
    figure.add_hline(lengths[-1], line=line, row=1, col=1)
    longest = {"text": f"{lengths[-1]} letters", "y": np.log10(lengths[-1])}  # on a log axis, its exponent
    figure.add_annotation(**longest, **beside, row=1, col=1)
    as_long = go.Scatter(x=lengths, y=lengths, mode="lines", line=line, name="the string", showlegend=False)
    figure.add_trace(as_long.update(hovertemplate="as long as the string: %{y}<extra></extra>"), 1, 2)
    figure.update_xaxes(title_text="share of the numbers of the state", tickformat=".0%", range=[0, 1.01], row=1, col=1)
    length_axis(figure, lengths, 1, 2, log=True)
    figure.update_yaxes(type="log", exponentformat="power", dtick=1)
    figure.update_yaxes(title_text="time constant, positions", row=1, col=1)
    explained = "Positions after which 1/e is left; dashed: as many as the string has letters."
    return theme.dress(figure, "Time constants", f"{explained} {'; '.join(says)}.", 420)


def effective_size(profiles: Sequence[StateProfile]) -> go.Figure:
    """Letter accuracy when each number of the state has few bits, and when few directions of it are kept."""
    says = of_each(profiles, [_size_says(p.effective_size) for p in profiles])
    if len(profiles) > 1:
        return size_compared(profiles, says)
    figure, size = facets(profiles, ("bits for each number", "principal directions")), profiles[0].effective_size
    colors, ends = length_colors(size.lengths), ([], [])
    ways = (size.bits_per_number, size.quantised, "bits"), (size.directions, size.projected, "directions")
    for row, (tried, values, what) in enumerate(ways, 1):
        for length, share, clean in zip(size.lengths, values, size.clean, strict=True):
            if length not in colors:
                continue
            line = curve(tried, share, f"{length} letters", colors[length], False)
            hover = f"%{{x}} {what}: %{{y:.1%}} (as it is: {clean:.1%})<extra>{length} letters</extra>"
            figure.add_trace(line.update(hovertemplate=hover), row, 1)
            ends[row - 1].append(End(tried[-1], float(share[-1]), f"{length} letters", colors[length]))
        ticks = {"type": "log", "tickvals": tried, "ticktext": [str(n) for n in tried]}
        figure.update_xaxes(title_text=f"{what} kept", row=row, col=1, **ticks)
    figure.update_yaxes(theme.accuracy_axis("letters that are right"))
    says += left_out([*colors], size.lengths)
    theme.dress(figure, "How little of the state would do", says, 640, legend=False)
    return label_ends(label_ends(figure, ends[0], 1), ends[1], 2)


def remembrance(profiles: Sequence[StateProfile]) -> go.Figure:
    """How much a replaced letter moves the answer, by how far it stands before the separator."""
    key = "Full lines: at the answer letter that copies the replaced one; dotted: at the others. "
    says = key + of_each(profiles, [_far_says(p.remembrance) for p in profiles])
    if len(profiles) > 1:
        return far_compared(profiles, says)
    figure, found = facets(profiles), profiles[0].remembrance
    colors, ends = length_colors(found.lengths), []
    for i, length in enumerate(found.lengths):
        if length not in colors:
            continue
        places, name, color = np.flatnonzero(np.isfinite(found.effect[i])), f"{length} letters", colors[length]
        effect, around = found.effect[i, places], found.interval[i, places]
        bars = theme.error_bars(effect, around, width=2.0)
        own = curve(length - places, effect, name, color, False, error_y=bars)
        rest = curve(length - places, found.elsewhere[i, places], name, color, False, dash="dot", mode="lines")
        hover = f"%{{x}} before the separator: total variation %{{y:.3f}}<br>bars: 95%, {found.method}"
        figure.add_traces([line.update(hovertemplate=f"{hover}<extra>{name}</extra>") for line in (own, rest)])
        ends += [End(float(length - places[0]), float(effect[0]), name, color)] if len(places) else []
    figure.update_xaxes(title_text="letters before the separator", rangemode="tozero")
    figure.update_yaxes(range=[-0.03, 1.05], title_text="total variation")
    says += left_out([*colors], found.lengths)
    theme.dress(figure, "How far back a letter still counts", says, 420, legend=False)
    return label_ends(figure, ends)


def _parts(profiles: Sequence[StateProfile]):
    """(name, colour, dash), profile and index of every part of every model: a colour a model, a dash a part; of a
    single model a colour a part."""
    for m, profile in enumerate(profiles):
        for part, layer in enumerate(profile.effective_rank.layers):
            label = part_name(layer)
            if len(profiles) == 1:
                yield (label, SERIES[part % len(SERIES)], DASHES[part // len(SERIES) % len(DASHES)]), profile, part
            else:
                look = SERIES[m % len(SERIES)], DASHES[part % len(DASHES)]
                yield (f"{name_of(profile)}, {label}", *look), profile, part


def _amount(value: float) -> str:
    """Three digits, never as a power of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _shape_says(profile: StateProfile) -> str:
    shape, cells = profile.effective_rank, []
    for part, layer in enumerate(shape.layers):
        ranks, norms = shape.participation_ratio[part], shape.norm[part]
        change = (
            f"participation ratio {ranks[0]:.1f} to {ranks[-1]:.1f}, norm {_amount(norms[0])} to {_amount(norms[-1])}"
        )
        cells.append(f"{part_name(layer)}: {change}")
    return f"From {shape.lengths[0]} to {shape.lengths[-1]} letters, {'; '.join(cells)}."


def _size_says(size: EffectiveSize) -> str:
    cells = []
    for length, bits, kept, clean in zip(
        size.lengths, size.fewest_bits, size.fewest_directions, size.clean, strict=True
    ):
        if clean < 0.5:
            continue  # an answer near chance has little to lose
        few = words.count(bits, "bit") if bits else f"more than {size.bits_per_number[-1]} bits"
        many = words.count(kept, "direction") if kept else f"more than {size.directions[-1]} directions"
        cells.append(f"{few} and {many} at {length}")
    where = f"each alone, where half of the letters are right: {theme.names(cells)} letters."
    return f"The fewest that keep letter accuracy, {where}" if cells else "At no length are half of the letters right."


def _far_says(found: Remembrance) -> str:
    cells = []
    for i, length in enumerate(found.lengths):
        effect = found.effect[i][np.isfinite(found.effect[i])]
        cells.append(f"{effect[-1]:.2f} for the last letter and {effect[0]:.2f} for the first of {length}")
    return f"Total variation: {theme.names(cells)}."
