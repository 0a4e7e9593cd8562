"""How the saturation length grows with the state, drawn: against the size of the state, and by length of the string."""

from math import log2

import plotly.graph_objects as go

from interp.experiments.state_growth.result import Member, StateGrowth
from interp.figures.theme import (
    LETTERS,
    NEUTRAL,
    STRINGS,
    dress,
    error_bars,
    literal,
    names,
    number,
    shades,
)


def growth_curve(growth: StateGrowth) -> go.Figure:
    """Saturation length and most bits used against the numbers of state, both on logarithmic axes."""
    members = growth.members
    sizes = [member.state_floats for member in members]
    lengths = [member.saturation_length.value for member in members]
    figure = go.Figure()
    figure.add_trace(
        go.Scatter(
            x=sizes,
            y=lengths,
            mode="lines+markers",
            marker={"color": STRINGS.color, "symbol": STRINGS.symbol, "size": 9},
            line={"color": STRINGS.color},
            error_y=error_bars(
                [value or 0 for value in lengths], [member.saturation_length.interval for member in members]
            ),
            text=[literal(member.name) for member in members],
            hovertemplate="%{text}: %{y:.1f} letters<extra></extra>",
            name="saturation length, letters",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=sizes,
            y=[member.most_bits for member in members],
            mode="lines+markers",
            marker={"color": LETTERS.color, "symbol": LETTERS.symbol, "size": 9},
            line={"color": LETTERS.color, "dash": "dot"},
            error_y=error_bars([m.most_bits for m in members], [m.most_bits_interval for m in members]),
            text=[literal(member.name) for member in members],
            hovertemplate="%{text}: %{y:.1f} bits<extra></extra>",
            name="most bits used",
        )
    )
    figure.update_xaxes(type="log", title_text="numbers of state", tickvals=sizes, ticktext=[f"{n:,}" for n in sizes])
    figure.update_yaxes(type="log", title_text="letters, bits", dtick="D2")
    exponent = "" if growth.exponent is None else f" It grows as the size to the power {number(growth.exponent)}"
    if growth.bare_exponent is not None:
        exponent += f", without the windows to the power {number(growth.bare_exponent)}"
    found = names(f"{m.name}: {_bend(m, growth.trained[1])}, {number(m.most_bits, 0)} bits at most" for m in members)
    return dress(figure, "Saturation against the size of the state", f"{found}.{exponent}{'.' * bool(exponent)}")


def bits_by_length(growth: StateGrowth) -> go.Figure:
    """Bits used by each member at each length, beside the bits that a copy needs."""
    figure = go.Figure()
    per_letter = growth.members[0].used
    needed = [length * _bits_per_letter(growth) for length in per_letter.lengths]
    figure.add_trace(
        go.Scatter(x=per_letter.lengths, y=needed, mode="lines", line={"color": NEUTRAL, "dash": "dash"}, name="needed")
    )
    for member, shade in zip(growth.members, shades(len(growth.members)), strict=True):
        figure.add_trace(
            go.Scatter(
                x=member.used.lengths,
                y=member.used.total,
                mode="lines+markers",
                line={"color": shade},
                marker={"size": 5},
                error_y=error_bars(member.used.total, member.used.interval),
                name=literal(member.name),
                hovertemplate="%{x} letters: %{y:.1f} bits<extra>%{fullData.name}</extra>",
            )
        )
    figure.update_xaxes(title_text="letters", rangemode="tozero")
    figure.update_yaxes(title_text="bits used", rangemode="tozero")
    most = names(f"{m.name}: at most {number(m.most_bits, 0)} bits" for m in growth.members)
    return dress(figure, "Bits used, by length", f"{most}; a string of L letters has {_bits_per_letter(growth):.2f} L.")


def _bend(member: Member, longest: int) -> str:
    value = member.saturation_length.value
    return f"no bend within {longest} letters" if value is None else f"{number(value, 1)} letters"


def _bits_per_letter(growth: StateGrowth) -> float:
    return log2(growth.alphabet)
