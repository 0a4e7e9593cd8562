"""The page of how the saturation length grows with the state, its table, and what a terminal shows of it."""

from pathlib import Path

from interp.base import words
from interp.experiments.state_growth.figures import bits_by_length, growth_curve
from interp.experiments.state_growth.result import Member, StateGrowth
from interp.figures.attention.view import SCRIPTS, shown
from interp.figures.study_page import Beside, Frame, write_study_page
from interp.figures.tables import Row, flat
from interp.studies.study import Table

SECTIONS = {"growth": "Growth", "attention": "Attention", "method": "Method", "provenance": "Provenance"}


def write_growth_report(growth: StateGrowth, folder: str | Path) -> Path:
    """Write the page, its figures and its table, and what `growth.save(folder)` writes: all or none.

    Returns: the path of `report.html`.

    Raises: InterpError if the files cannot be written; what was there before is then unchanged.
    """
    frame = Frame(
        title="Does a larger state copy longer strings?",
        eyebrow=f"interp · state saturation · {growth.swept}",
        verdicts=(("", str(growth.verdict)),),
        sections={key: value for key, value in SECTIONS.items() if key != "attention" or growth.attention},
        provenance=growth.provenance,
    )
    figures = {"growth": growth_curve(growth), "bits_by_length": bits_by_length(growth)}
    beside = Beside({"": growth}, figures, {"members.csv": member_rows(growth)})
    views = [(view.model.get("spec", "a member"), shown(view)) for view in growth.attention]
    shows = {"growth": growth, "rows": member_rows(growth), "attention": views}
    scripts = SCRIPTS if views else ()
    return write_study_page(folder, "experiments/state_growth/report.html", frame, beside, scripts, **shows)


def tables(growth: StateGrowth) -> list[Table]:
    """One line for each member, for a terminal."""
    columns = ("member", "numbers of state", "learning rate", "saturation length", "most bits used")
    note = words.intervals_note(
        saturation_length=[member.saturation_length.interval for member in growth.members],
        most_bits_used=[member.most_bits_interval for member in growth.members],
    )
    return [Table(growth.swept, columns, tuple(map(_terminal_row, growth.members)), note)]


def _terminal_row(member: Member) -> tuple[str, ...]:
    knee = member.saturation_length
    length = "none" if knee.value is None else words.with_interval(knee.value, knee.interval, 1)
    bits = words.with_interval(member.most_bits, member.most_bits_interval, 1)
    return member.name, f"{member.state_floats:,}", f"{member.rate:g}", length, bits


def member_rows(growth: StateGrowth) -> list[Row]:
    """One row for each member."""
    return [_row(member) for member in growth.members]


def _row(member: Member) -> Row:
    return {
        "member": member.name,
        "state_floats": member.state_floats,
        "window_floats": member.window_floats,
        "n_parameters": member.n_parameters,
        "rate": member.rate,
        "trainings": len(member.rates),
        "worst_letter_accuracy": min(member.rate_accuracy),
        "best_letter_accuracy": max(member.rate_accuracy),
        "saturation_length": member.saturation_length.value,
        **flat({"saturation_interval": member.saturation_length.interval}, "saturation_interval"),
        "most_bits": member.most_bits,
        **flat({"most_bits_interval": member.most_bits_interval}, "most_bits_interval"),
        "note": member.saturation_length.note,
    }
