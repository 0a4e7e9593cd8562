"""What follows the state: parts of it transplanted from string to string, parts of it ablated."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from interp.base import words
from interp.figures import theme
from interp.figures.palette import BLUE, ORANGE, scale
from interp.results.state import StateAblation, Transplant
from interp.studies.state.figures.facets import facets, name_of, of_each
from interp.studies.state.result import StateProfile

HOVER = "%{y}: %{x:.1%} WHOSE<br>[%{customdata[0]}, %{customdata[1]}; 95%, %{customdata[2]}]<extra></extra>"
DONOR, HOST = theme.Look(ORANGE, "circle"), theme.Look(BLUE, "square-open")
KINDS = {kind: theme.group_look(place) for place, kind in enumerate(("zero", "mean", "resample"))}


def transplants(profiles: Sequence[StateProfile]) -> go.Figure:
    """Whose letters are answered when part of the state is another string's, in all and place by place."""
    n = len(profiles)
    titles = [
        text
        for p in profiles
        for text in (
            theme.literal(f"{name_of(p)} · whose letters" if n > 1 else "whose letters are answered"),
            "the donor's letters, by place",
        )
    ]
    rows = [max(3, len(profile.transplant)) for profile in profiles]
    shape = {"column_widths": [0.62, 0.38], "horizontal_spacing": 0.05, "vertical_spacing": min(0.12, 0.35 / n)}
    figure = make_subplots(n, 2, subplot_titles=titles, row_heights=rows, shared_yaxes="rows", **shape)
    for row, profile in enumerate(profiles, 1):
        parts = profile.transplant[::-1]
        names = [f"{theme.literal(part.name)} ({part.size:,})" for part in parts]
        for side, look in (("donor", DONOR), ("host", HOST)):
            value = [getattr(part, f"follows_{side}") for part in parts]
            intervals = [getattr(part, f"{side}_interval") for part in parts]
            bars, whose = theme.error_bars(value, intervals), f"the {side}'s"
            marker = {"color": look.color, "symbol": look.symbol, "size": 9}
            dots = go.Scatter(
                x=value, y=names, error_x=bars, mode="markers", marker=marker, name=whose, showlegend=row == 1
            )
            ends = [(theme.percent(found.low), theme.percent(found.high), found.method) for found in intervals]
            dots.update(customdata=ends, hovertemplate=HOVER.replace("WHOSE", whose))
            figure.add_trace(dots, row, 1)
        z = np.stack([part.by_position for part in parts])
        hover = "%{y}, letter %{x}: %{z:.1%} the donor's<extra></extra>"
        places = np.arange(1, z.shape[1] + 1)
        heat = go.Heatmap(z=z, x=places, y=names, coloraxis="coloraxis", hovertemplate=hover)
        figure.add_trace(heat, row, 2)
        short = [
            f"as many, at random ({part.size:,})" if part.kind == "control" else name
            for part, name in zip(parts, names, strict=True)
        ]
        figure.update_yaxes(tickvals=names, ticktext=short, row=row)
    figure.update_xaxes(range=[-0.03, 1.05], tickformat=".0%", col=1)
    figure.update_xaxes(title_text="of the letters that differ", col=1, row=n)
    figure.update_xaxes(title_text="letter of the answer", col=2, row=n)
    figure.update_layout(coloraxis={"colorscale": scale(DONOR.color), "cmin": 0, "cmax": 1, "showscale": False})
    says = of_each(profiles, [_transplant_says(p.transplant) for p in profiles])
    return theme.dress(figure, "One string's state in another's run", says, 150 + 27 * sum(rows) + 60 * (n - 1))


def ablations(profiles: Sequence[StateProfile]) -> go.Figure:
    """Letter accuracy without parts of the state, beside as many numbers at random (crosses)."""
    figure = facets(profiles, share_y=False, horizontal_spacing=0.13 if len(profiles) > 1 else 0.1)
    most = 3
    for column, profile in enumerate(profiles, 1):
        for kind in dict.fromkeys(a.kind for a in profile.state_ablations):
            some = [a for a in profile.state_ablations if a.kind == kind][::-1]
            most = max(most, len(some))
            look = KINDS.get(kind, theme.Look(theme.NEUTRAL, "diamond"))
            names = [f"{theme.literal(a.name)} ({a.size:,})" for a in some]
            after = [a.interval.below(a.letter_accuracy_before) for a in some]
            bars = theme.error_bars([a.letter_accuracy_after for a in some], after)
            control = [a.control_mean for a in some]
            beside = [a.control_interval for a in some]
            shared = {"y": names, "mode": "markers", "legendgroup": kind, "showlegend": column == 1}
            marker = {"color": look.color, "symbol": "x-thin-open", "size": 9}
            name = theme.literal(kind)
            hover = f"%{{y}}, {name}: %{{x:.1%}} of letters"
            figure.add_trace(
                go.Scatter(
                    x=control,
                    error_x=theme.error_bars([value or 0.0 for value in control], beside, width=2.0),
                    marker=marker,
                    name=f"{name}, at random",
                    hovertemplate=f"{hover}, as many at random<br>bars: {words.methods(beside)}<extra></extra>",
                    **shared,
                ),
                1,
                column,
            )
            marker = {"color": look.color, "symbol": look.symbol, "size": 9}
            figure.add_trace(
                go.Scatter(
                    x=[a.letter_accuracy_after for a in some],
                    error_x=bars,
                    marker=marker,
                    name=name,
                    hovertemplate=f"{hover}<br>bars: {words.methods(a.interval for a in some)}<extra></extra>",
                    **shared,
                ),
                1,
                column,
            )
        if profile.state_ablations:
            line = {"color": theme.NEUTRAL, "width": 1.2, "dash": "dash"}
            figure.add_vline(profile.state_ablations[0].letter_accuracy_before, line=line, row=1, col=column)
    figure.update_xaxes(title_text="letters that are right", range=[-0.03, 1.05], tickformat=".0%")
    says = of_each(profiles, [_ablation_says(p.state_ablations) for p in profiles])
    return theme.dress(figure, "The answer without parts of the state", says, 180 + 34 * most)


def _transplant_says(parts: Sequence[Transplant]) -> str:
    if not parts:
        return "Nothing was transplanted."
    cells = [f"{theme.percent(part.follows_donor)} with {part.name}" for part in parts]
    bars = words.methods(part.donor_interval for part in parts)
    return f"Letters that follow the donor, in strings of {parts[0].length}: {theme.names(cells)} (bars: {bars})."


def _ablation_says(found: Sequence[StateAblation]) -> str:
    if not found:
        return "Nothing was ablated."
    worst = min(found, key=lambda a: a.letter_accuracy_after)
    before = theme.percent(worst.letter_accuracy_before)
    control = "" if worst.control_mean is None else f", as many at random: {theme.percent(worst.control_mean)}"
    return (
        f"In strings of {worst.length}, {before} of the letters are right (dashed); fewest without {worst.name} "
        f"({worst.kind}): {theme.percent(worst.letter_accuracy_after)}{control}."
    )
