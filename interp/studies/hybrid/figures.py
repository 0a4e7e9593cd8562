"""What is left without attention or recurrence, in all and letter by letter, and with a small recurrent state."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from interp.base import words
from interp.figures import theme
from interp.figures.palette import BLUE, ORANGE, scale
from interp.results.hybrid import RecurrentSize
from interp.studies.hybrid.result import HybridStudy
from interp.studies.hybrid.verdict import Cut, left

MEMORY, OUTPUT = theme.Look(ORANGE, "circle"), theme.Look(BLUE, "square")


def named(study: HybridStudy, cut: Cut) -> str:
    """Return what was taken away, with the kind of a layer: `layer 1, attention`."""
    layer = cut.name.removeprefix("layer ")
    return f"{cut.name}, {study.layers[int(layer)]}" if layer.isdigit() else cut.name


def taken_away(study: HybridStudy) -> go.Figure:
    """Letter accuracy without memories, and with outputs at their mean, beside controls of the same size."""
    sides = (("memory", study.memories, MEMORY), ("output", study.outputs, OUTPUT))
    titles = ("its memory of the string", "its output, everywhere")
    figure = make_subplots(1, 2, subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.06)
    for column, (what, cuts, look) in enumerate(sides, 1):
        rows = cuts[::-1]
        names = [theme.literal(named(study, cut)) for cut in rows]
        beside = [cut.control_interval for cut in rows]
        hover = f"%{{y}}: %{{x:.1%}} of letters<br>bars: {words.methods(cut.interval for cut in rows)}<extra></extra>"
        figure.add_trace(
            go.Scatter(
                x=[cut.control_mean for cut in rows],
                y=names,
                error_x=theme.error_bars([cut.control_mean or 0.0 for cut in rows], beside, width=2.0),
                mode="markers",
                marker={"color": theme.NEUTRAL, "symbol": "x-thin-open", "size": 9},
                name="as much, at random",
                legendgroup="random",
                showlegend=column == 1,
                hovertemplate="%{y}, as much at random: %{x:.1%} of letters<extra></extra>",
            ),
            1,
            column,
        )
        figure.add_trace(
            go.Scatter(
                x=[cut.letter_accuracy_after for cut in rows],
                y=names,
                error_x=theme.error_bars(
                    [cut.letter_accuracy_after for cut in rows],
                    [left(cut) for cut in rows],
                ),
                mode="markers",
                marker={"color": look.color, "symbol": look.symbol, "size": 10},
                name=f"without the {what}",
                hovertemplate=hover,
            ),
            1,
            column,
        )
        line = {"color": theme.NEUTRAL, "width": 1.2, "dash": "dash"}
        figure.add_vline(cuts[0].letter_accuracy_before, line=line, row=1, col=column)
    figure.update_xaxes(range=[-0.04, 1.05], tickformat=".0%", tickvals=[0, 0.5, 1])
    figure.update_xaxes(title_text="letters that are right")
    told = [
        f"{words.percent(cut.letter_accuracy_after)} without the {what} of {cut.name}"
        for what, cuts, _ in sides
        for cut in cuts[:3]
    ]
    says = f"Letters that are right in strings of {study.memories[0].length} (dashed: as it is): {words.names(told)}."
    title = "The answer without attention, without recurrence"
    return theme.dress(figure, title, says, 200 + 34 * len(study.memories))


def by_place(study: HybridStudy) -> go.Figure:
    """Letters that are right at each place of the answer, without each memory."""
    rows = study.memories[::-1]
    z = np.stack([cut.by_position for cut in rows if cut.by_position is not None])
    names = [theme.literal(named(study, cut)) for cut in rows]
    hover = "without %{y}, letter %{x}: %{z:.1%} right<extra></extra>"
    places = np.arange(1, z.shape[1] + 1)
    figure = go.Figure(go.Heatmap(z=z, x=places, y=names, coloraxis="coloraxis", hovertemplate=hover, xgap=1, ygap=2))
    bar = {"title": {"text": "right"}, "tickformat": ".0%", "tickvals": [0, 0.5, 1], "thickness": 12}
    figure.update_layout(coloraxis={"colorscale": scale(MEMORY.color), "cmin": 0, "cmax": 1, "colorbar": bar})
    figure.update_xaxes(title_text="letter of the answer")
    told = [f"without {cut.name} {_places(cut)}" for cut in study.memories]
    says = f"Letters that are right, place by place, when a memory is taken away before the answer: {'; '.join(told)}."
    return theme.dress(figure, "Which layer carries which letters", says, 150 + 34 * len(rows), legend=False)


def _places(cut: Cut) -> str:
    """Which letters are lost, in words."""
    lost = [at + 1 for at, right in enumerate(cut.by_position if cut.by_position is not None else ()) if right < 0.5]
    if not lost:
        return "none is lost"
    if len(lost) == cut.length:
        return "all are lost"
    ends = f"{lost[0]} to {lost[-1]}" if len(lost) == lost[-1] - lost[0] + 1 and len(lost) > 1 else words.names(lost)
    return f"letters {ends} are lost" if len(lost) > 1 else f"letter {ends} is lost"


def size(found: RecurrentSize) -> go.Figure:
    """Letter accuracy where each recurrent number has few bits, and where few directions are kept, at every step."""
    titles = ("bits per number", "directions kept")
    figure = make_subplots(1, 2, subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.06)
    ways = (
        (found.bits_per_number, found.quantised, found.quantised_interval, "bits per number"),
        (found.directions, found.projected, found.projected_interval, "directions"),
    )
    for column, (tried, right, ends, what) in enumerate(ways, 1):
        look = theme.LETTERS
        figure.add_trace(
            go.Scatter(
                x=[str(n) for n in tried],
                y=right,
                error_y=theme.error_bars(right, ends),
                mode="lines+markers",
                line={"color": look.color, "width": 2.5},
                marker={"symbol": look.symbol, "size": 8},
                showlegend=False,
                hovertemplate=f"%{{x}} {what}: %{{y:.1%}} of letters<br>bars: {words.methods(ends)}<extra></extra>",
            ),
            1,
            column,
        )
        line = {"color": theme.NEUTRAL, "width": 1.2, "dash": "dash"}
        figure.add_hline(found.clean, line=line, row=1, col=column)
        figure.update_xaxes(type="category", title_text=what, row=1, col=column)
    figure.update_yaxes(theme.accuracy_axis("letters that are right"), row=1, col=1)
    bits = "none of those tried" if found.fewest_bits is None else str(found.fewest_bits)
    kept = "none of those tried" if found.fewest_directions is None else str(found.fewest_directions)
    says = (
        f"Of {found.numbers:,} recurrent numbers, while attention stays. The fewest that cost at most a percentage "
        f"point: {bits} bits per number, {kept} directions (dashed: as it is, {words.percent(found.clean)})."
    )
    return theme.dress(figure, "How small the recurrent state may be", says, 380, legend=False)
