"""The page of how far small copiers copy, its table, and what a terminal shows of it."""

from pathlib import Path

from interp.base import words
from interp.experiments.record.figures import accuracy_curves, predicted_curves
from interp.experiments.record.result import RecordResult, Training
from interp.figures.study_page import Beside, Frame, write_study_page
from interp.figures.tables import Row
from interp.studies.study import Table

LISTED = 5
"""First wrong letters that a row of the page lists; the table beside it lists all."""
SECTIONS = {"record": "How far", "stops": "What stops them", "method": "Method", "provenance": "Provenance"}


def write_record_report(found: RecordResult, folder: str | Path) -> Path:
    """Write the page, its figures and its table, and what `found.save(folder)` writes: all or none.

    Returns: the path of `report.html`.

    Raises: InterpError if the files cannot be written; what was there before is then unchanged.
    """
    frame = Frame(
        title="How long a string can a small copier copy?",
        eyebrow=f"interp · record · {', '.join(found.arms)}",
        verdicts=(("", str(found.verdict)),),
        sections=SECTIONS,
        provenance=found.provenance,
    )
    figures = {"accuracy": accuracy_curves(found), "predicted": predicted_curves(found)}
    beside = Beside({"": found}, figures, {"trainings.csv": training_rows(found)})
    return write_study_page(
        folder, "experiments/record/report.html", frame, beside, found=found, rows=training_rows(found, LISTED)
    )


def tables(found: RecordResult) -> list[Table]:
    """One line for each training, for a terminal."""
    lengths = found.trainings[0].lengths
    columns = ("training", "parameters", *(f"{length:,}" for length in lengths))
    return [Table("strings copied whole, by letters", columns, tuple(map(_terminal_row, found.trainings)))]


def _terminal_row(training: Training) -> tuple[str, ...]:
    counts = [f"{right}/{n}" for right, n in zip(training.right, training.strings, strict=True)]
    return f"{training.arm}, seed {training.seed}", f"{training.n_parameters:,}", *counts


def training_rows(found: RecordResult, listed: int | None = None) -> list[Row]:
    """One row for each training and length, with so many of the first wrong letters, by default all."""
    return [_row(training, at, listed) for training in found.trainings for at in range(len(training.lengths))]


def _row(training: Training, at: int, listed: int | None) -> Row:
    low, high = training.interval[at]
    predicted = training.predicted
    return {
        "arm": training.arm,
        "seed": training.seed,
        "n_parameters": training.n_parameters,
        "length": training.lengths[at],
        "strings": training.strings[at],
        "right": training.right[at],
        "low": low,
        "high": high,
        "method": training.interval[at].method,
        "first_errors": _some(training.first_errors[at], listed),
        "predicted": None if predicted is None else predicted.together[at],
        "predicted_low": None if predicted is None else predicted.interval[at].low,
        "predicted_high": None if predicted is None else predicted.interval[at].high,
        "predicted_method": None if predicted is None else predicted.interval[at].method,
    }


def _some(errors: tuple[int, ...], listed: int | None) -> str:
    """The first of them in words, and how many there are besides."""
    shown = [f"{error:,}" for error in errors[:listed]]
    return words.names([*shown, f"{len(errors) - len(shown)} more"] if len(shown) < len(errors) else shown, none="")
