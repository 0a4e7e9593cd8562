"""Whether the saturation length grows with the state, as an answer and in words."""

from collections.abc import Sequence

from interp.base import words
from interp.experiments.state_growth.result import Member, StateGrowth
from interp.studies.study import Answer, Evidence, Verdict


def growth_verdict(growth: StateGrowth) -> Verdict:
    """Whether it grows, whichever way it comes out."""
    bent = len(bending(growth.members))
    because = (
        Evidence("exponent", growth.exponent, growth.exponent_interval, 0.0, bent),
        Evidence("exponent_without_windows", growth.bare_exponent, growth.bare_exponent_interval, 0.0, bent),
        Evidence("exponent_of_most_bits", growth.bits_exponent, growth.bits_exponent_interval, 0.0, bent),
        *(
            Evidence("saturation_length", m.saturation_length.value, m.saturation_length.interval, about=(m.name,))
            for m in growth.members
        ),
    )
    caveats = () if growth.exponent is not None else ("too few members bend to say how it grows",)
    return Verdict(_answer(growth), because, caveats, _says(growth))


def bending(members: Sequence[Member]) -> list[Member]:
    """Members whose bits stop growing within the lengths that were measured."""
    return [member for member in members if member.saturation_length.value is not None]


def _answer(growth: StateGrowth) -> Answer:
    """yes: the exponent lies above 0 with its whole interval; no: below."""
    if growth.exponent_interval is None:
        return "unsure"
    low, high = growth.exponent_interval
    return "yes" if low > 0 else "no" if high < 0 else "unsure"


def _says(growth: StateGrowth) -> str:
    bent = bending(growth.members)
    if not bent:
        return f"No member of the family ({growth.swept}) has a bend within {growth.trained[1]} letters."
    ends = [f"{m.name}: {m.saturation_length.value:.1f} letters, {m.most_bits:.0f} bits" for m in (bent[0], bent[-1])]
    spoken = f"Saturation over {growth.swept}: {'; '.join(dict.fromkeys(ends))}."
    open_ended = [member.name for member in growth.members if member.saturation_length.value is None]
    if open_ended:
        show = f"{words.names(open_ended)} {words.verb(len(open_ended), 'show')}"
        spoken += f" {show} no plateau within {growth.trained[1]} letters."
    if growth.exponent is None or growth.exponent_interval is None:
        return f"{spoken} Too few members bend to say how it grows."
    grows = {"yes": "grows with", "no": "falls with", "unsure": "does not clearly change with"}[_answer(growth)]
    spoken += (
        f" Over the {len(bent)} that bend the saturation length {grows} the state: as its size to the power "
        f"{growth.exponent:.2f} {words.named(growth.exponent_interval)}, where 1 would be in proportion."
    )
    if growth.bare_exponent is None or growth.bare_exponent_interval is None:
        return spoken
    bare = f"{growth.bare_exponent:.2f} {words.named(growth.bare_exponent_interval)}"
    return f"{spoken} Without the windows of their convolutions in the size: {bare}."
