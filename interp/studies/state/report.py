"""The page of one or more profiles of states, side by side: verdicts, numbers, figures and tables in one file.

The words and the markup are in `report.html`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from interp.base import words
from interp.base.errors import UserError
from interp.base.interval import Interval
from interp.base.paths import short_name
from interp.figures.attention.view import SCRIPTS, shown
from interp.figures.method import method
from interp.figures.page import facts
from interp.figures.study_page import Beside, Frame, write_study_page
from interp.figures.tables import CELLS, Row, flat
from interp.figures.training import first_errors, training
from interp.results.state import Knee
from interp.studies.state.figures.bits import accuracy, against_needed, by_layer, recoverability, saturation
from interp.studies.state.figures.facets import bend_text, name_of
from interp.studies.state.figures.movie import SCRIPT, state_view
from interp.studies.state.figures.parts import ablations, transplants
from interp.studies.state.figures.shape import effective_size, rank_and_norm, remembrance, time_constants
from interp.studies.state.result import StateProfile
from interp.studies.study import Table

SECTIONS = {
    "bits": "Bits",
    "accuracy": "Accuracy",
    "steps": "Step by step",
    "attention": "Attention",
    "proof": "Proof",
    "size": "Size",
    "shape": "Shape",
    "training": "Training",
    "method": "Method",
    "provenance": "Provenance",
}


def write_state_report(profiles: Sequence[StateProfile], folder: str | Path) -> Path:
    """Write the page of some profiles, its figures and its tables, and what `save` writes of each: all or none.

    The results of one profile stand beside the page; those of several in a folder each, 1-NAME, 2-NAME, ...

    Returns: the path of `report.html`.

    Raises: UserError for no profile; InterpError if the files cannot be written.
    """
    if not profiles:
        raise UserError("profiles must hold at least one profile; got none.")
    figures, shows = state_figures(profiles), _shown(profiles)
    absent = {"training": "training" in figures, "steps": shows["views"], "attention": shows["attention"]}
    several = len(profiles) > 1
    title = question(profiles)
    frame = Frame(
        title=title,
        eyebrow=f"interp · state saturation · {words.names(name_of(profile) for profile in profiles)}",
        verdicts=tuple((name_of(profile) if several else "", str(profile.verdict)) for profile in profiles),
        sections={key: value for key, value in SECTIONS.items() if absent.get(key, True)},
        provenance=profiles[0].provenance,
        models=tuple((name_of(profile) if several else "", profile.model) for profile in profiles),
    )
    beside = Beside(dict(zip(places(profiles), profiles, strict=True)), figures, state_tables(profiles))
    scripts = (SCRIPT, *(SCRIPTS if shows["attention"] else ()))
    return write_study_page(folder, "studies/state/report.html", frame, beside, scripts, **shows)


def write_report(profile: StateProfile, folder: str | Path) -> Path:
    """`write_state_report` of one profile."""
    return write_state_report([profile], folder)


def tables(profile: StateProfile) -> list[Table]:
    """Bits and accuracy by length, for a terminal."""
    columns = ("letters", "needed", "used", "held", "strings right", "letters right", "bound")
    note = words.intervals_note(used=profile.used.interval, held=profile.held.held.interval)
    return [Table(name_of(profile), columns, tuple(map(_terminal_row, length_rows(profile))), note)]


def _terminal_row(row: Row) -> tuple[str, ...]:
    def bits(of: str) -> str:
        return words.with_interval(row[f"bits_{of}"], (row[f"bits_{of}_low"], row[f"bits_{of}_high"]), 1)

    shares = (
        words.percent(row["string_accuracy"]),
        words.percent(row["letter_accuracy"]),
        f"{row['accuracy_bound']:.2g}",
    )
    return str(row["length"]), words.number(row["bits_needed"], 1), bits("used"), bits("held"), *shares


def places(profiles: Sequence[StateProfile]) -> list[str]:
    """The folder of each profile's results within the page's."""
    if len(profiles) == 1:
        return [""]
    plain = ["".join(c if c.isalnum() or c in "-=" else "-" for c in name_of(p)).strip("-") for p in profiles]
    return [short_name(f"{i}-{name}", 100) for i, name in enumerate(plain, 1)]


def question(profiles: Sequence[StateProfile]) -> str:
    """Ask what the page answers, with the names of the models."""
    return f"How full is the state of {words.names(name_of(profile) for profile in profiles)}?"


def state_figures(profiles: Sequence[StateProfile]) -> dict[str, go.Figure]:
    """Every figure by its name, in the order of the page."""
    figures: dict[str, go.Figure | None] = {
        "saturation": saturation(profiles),
        "against_needed": against_needed(profiles),
        "by_layer": by_layer(profiles),
        "recoverability": recoverability(profiles),
        "accuracy": accuracy(profiles),
        "transplants": transplants(profiles),
        "state_ablations": ablations(profiles),
        "effective_size": effective_size(profiles),
        "rank_and_norm": rank_and_norm(profiles),
        "time_constants": time_constants(profiles),
        "remembrance": remembrance(profiles),
    }
    if len(profiles) == 1:
        figures["first_errors"] = first_errors(profiles[0].behaviour)
        figures["training"] = training(profiles[0].training) if profiles[0].training else None
    return {name: figure for name, figure in figures.items() if figure is not None}


def study_figures(profile: StateProfile) -> dict[str, go.Figure]:
    """`state_figures` of one profile."""
    return state_figures([profile])


def state_tables(profiles: Sequence[StateProfile]) -> dict[str, list[Row]]:
    """Every table by the name of its file."""
    return {
        "lengths.csv": [row for profile in profiles for row in length_rows(profile)],
        "transplants.csv": [
            {"model": name_of(profile)} | _cells(vars(part)) for profile in profiles for part in profile.transplant
        ],
        "state_ablations.csv": [
            {"model": name_of(profile)} | _cells(vars(part)) for profile in profiles for part in profile.state_ablations
        ],
    }


def length_rows(profile: StateProfile) -> list[Row]:
    """One row a length."""
    rows = []
    for i, length in enumerate(profile.lengths):
        untrained = profile.held.untrained
        rows.append(
            {
                "model": name_of(profile),
                "length": length,
                "string_accuracy": profile.accuracy[i],
                "expected_accuracy": profile.expected_accuracy[i],
                "accuracy_bound": profile.accuracy_bound[i],
                "letter_accuracy": float(profile.behaviour.letter_accuracy[i].mean()),
                "bits_needed": profile.bits_needed[i],
                "bits_used": profile.bits_recovered[i],
                "bits_used_low": profile.used.interval[i].low,
                "bits_used_high": profile.used.interval[i].high,
                "bits_used_method": profile.used.interval[i].method,
                "bits_held": profile.bits_probe[i],
                "bits_held_low": profile.held.held.interval[i].low,
                "bits_held_high": profile.held.held.interval[i].high,
                "bits_held_method": profile.held.held.interval[i].method,
                "bits_held_untrained": None if untrained is None else untrained.total[i],
                "bits_held_shuffled": profile.held.shuffled.total[i],
                "state_bits": profile.state_bits[i],
                "utilisation": profile.utilisation[i],
            }
        )
    return rows


def _shown(profiles: Sequence[StateProfile]) -> dict[str, Any]:
    """What the template names."""
    probes = words.names(dict.fromkeys(" + ".join(map(str, profile.held.strings)) for profile in profiles))
    return {
        "profiles": profiles,
        "summaries": [summary(profile) for profile in profiles],
        "bend": bend_text,
        "glance_note": words.intervals_note(
            stops=[knee.interval for p in profiles for knee in (p.saturation_length, p.saturation_held)],
            bits=[ends for p in profiles for ends in (p.used.interval[p.peak], p.held.held.interval[p.peak])],
        ),
        "intervals": words.intervals_note(
            used=[end for profile in profiles for end in profile.used.interval],
            held=[end for profile in profiles for end in profile.held.held.interval],
        ),
        "views": [view for profile in profiles if (view := state_view(profile)) is not None],
        "attention": [(name_of(p), shown(p.attention)) for p in profiles if p.attention is not None],
        "rows": [row for profile in profiles for row in length_rows(profile)],
        "notes": [(name_of(p), note) for p in profiles for note in p.notes],
        "sizes": [(name_of(p), facts(p.state_size.parts), p.state_size.dtype_bits, max(p.lengths)) for p in profiles],
        "method": method("state"),
        "here": {"Bits held": f"Here the probes have {probes} strings."},
    }


@dataclass(frozen=True)
class Summary:
    """One model's answers at a glance: numbers, which the page formats."""

    name: str
    lengths: tuple[int, ...]
    home: int
    """Letters of the strings whose accuracy is given."""
    accuracy: float
    """Share of these strings that are right."""
    half: Knee
    """Where half of the letters are right."""
    used_stops: Knee
    """Where the bits used stop growing."""
    used_falls: bool
    held_stops: Knee
    """Where the bits held stop growing."""
    at: int
    """Letters at which most bits are used; the numbers below are of this length."""
    used: float
    used_interval: Interval
    held: float
    held_interval: Interval
    state: float
    """Bits of the state."""
    exact: float | None
    """Largest difference in logits when the whole state is transplanted into another run; None where it was not."""

    @property
    def bends(self) -> bool:
        """Whether the bits used have a saturation length that means something."""
        return self.used_stops.value is not None and not self.used_falls


def summary(profile: StateProfile) -> Summary:
    """Sum a profile up at the length at which most bits are used."""
    at, home = profile.peak, profile.at_home
    whole = next((part for part in profile.transplant if part.kind == "whole"), None)
    return Summary(
        name=name_of(profile),
        lengths=profile.lengths,
        home=profile.lengths[home],
        accuracy=profile.accuracy[home],
        half=profile.half_length,
        used_stops=profile.saturation_length,
        used_falls=profile.used_falls,
        held_stops=profile.saturation_held,
        at=profile.lengths[at],
        used=profile.bits_recovered[at],
        used_interval=profile.used.interval[at],
        held=profile.bits_probe[at],
        held_interval=profile.held.held.interval[at],
        state=profile.state_bits[at],
        exact=None if whole is None else whole.largest_difference,
    )


def _cells(values: Mapping[str, object]) -> Row:
    """What of a part has a place in a table."""
    row = {key: value for key, value in values.items() if isinstance(value, CELLS)}
    return flat(row, *(key for key in row if key.endswith("interval")))
