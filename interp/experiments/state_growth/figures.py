"""How the saturation length grows with the state, drawn: against the size of the state, and by length of the string."""

from math import log2

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from interp.experiments.state_growth.result import Member, StateGrowth
from interp.figures.ends import End, label_ends
from interp.figures.palette import NEUTRAL, shades
from interp.figures.theme import USED, dress, error_bars, literal, names, number


def growth_curve(growth: StateGrowth) -> go.Figure:
    """Saturation length, and most bits used, against the numbers of state: a panel each, on logarithmic axes."""
    members = growth.members
    sizes = [member.state_floats for member in members]
    figure = make_subplots(1, 2, horizontal_spacing=0.12, subplot_titles=("saturation length", "most bits used"))
    quantities = (
        ("letters", [m.saturation_length.value for m in members], [m.saturation_length.interval for m in members]),
        ("bits", [m.most_bits for m in members], [m.most_bits_interval for m in members]),
    )
    for column, (unit, values, intervals) in enumerate(quantities, 1):
        dots = go.Scatter(
            x=sizes,
            y=values,
            mode="lines+markers",
            marker={"color": USED.color, "symbol": USED.symbol, "size": 9},
            line={"color": USED.color},
            error_y=error_bars([value or 0 for value in values], intervals),
            text=[literal(member.name) for member in members],
            hovertemplate=f"%{{text}}: %{{y:.1f}} {unit}<extra></extra>",
            showlegend=False,
        )
        figure.add_trace(dots, 1, column)
        figure.update_yaxes(type="log", title_text=unit, dtick="D2", row=1, col=column)
    figure.update_xaxes(type="log", title_text="numbers of state", tickvals=sizes, ticktext=[f"{n:,}" for n in sizes])
    exponent = "" if growth.exponent is None else f" It grows as the size to the power {number(growth.exponent)}"
    if growth.bare_exponent is not None:
        exponent += f", without the windows to the power {number(growth.bare_exponent)}"
    found = names(f"{m.name}: {_bend(m, growth.trained[1])}, {number(m.most_bits, 0)} bits at most" for m in members)
    says = f"{found}.{exponent}{'.' * bool(exponent)}"
    return dress(figure, "Saturation against the size of the state", says, legend=False)


def bits_by_length(growth: StateGrowth) -> go.Figure:
    """Bits used by each member at each length, beside the bits that a copy needs."""
    figure = go.Figure()
    per_letter = growth.members[0].used
    needed = [length * _bits_per_letter(growth) for length in per_letter.lengths]
    figure.add_trace(
        go.Scatter(x=per_letter.lengths, y=needed, mode="lines", line={"color": NEUTRAL, "dash": "dash"}, name="needed")
    )
    ends = [End(per_letter.lengths[-1], needed[-1], "needed", NEUTRAL)]
    for member, shade in zip(growth.members, shades(len(growth.members)), strict=True):
        ends.append(End(member.used.lengths[-1], member.used.total[-1], member.name, shade))
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
    says = f"{most}; a string of L letters has {_bits_per_letter(growth):.2f} L."
    dress(figure, "Bits used, by length", says, legend=False).update_layout(showlegend=False)
    return label_ends(figure, ends)


def _bend(member: Member, longest: int) -> str:
    value = member.saturation_length.value
    return f"no bend within {longest} letters" if value is None else f"{number(value, 1)} letters"


def _bits_per_letter(growth: StateGrowth) -> float:
    return log2(growth.alphabet)
