"""The tables of a study: rows of plain values for the `.csv` files, from which the page takes its own."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from interp.figures.ablation import interval_after
from interp.figures.training import letter_intervals, string_intervals
from interp.results.ablation import AblationResult
from interp.results.accuracy import LengthAccuracy
from interp.results.heads import HeadScore

Row = dict[str, Any]


def accuracy_rows(result: LengthAccuracy) -> list[Row]:
    """One row a length."""
    rows = []
    strings, letters = string_intervals(result), letter_intervals(result)
    for i, length in enumerate(result.lengths):
        row = {
            "length": length,
            "strings": result.string_correct.shape[1],
            "string_accuracy": float(result.string_correct[i].mean()),
            "string_low": strings[i][0],
            "string_high": strings[i][1],
            "letter_accuracy": float(result.letter_accuracy[i].mean()),
            "letter_low": letters[i][0],
            "letter_high": letters[i][1],
        }
        if result.free_letter_accuracy is not None:
            row["free_letter_accuracy"] = float(result.free_letter_accuracy[i].mean())
        rows.append(row | {f"ideal_{n}": curve[i] for n, curve in result.ideal.items()})
    return rows


def head_rows(heads: Sequence[HeadScore]) -> list[Row]:
    """One row a head; a tuple is one cell, its values apart by a space."""
    return [_flat(asdict(head), "interval", "gather_interval") for head in heads]


def ablation_rows(results: Sequence[AblationResult]) -> list[Row]:
    """One row an ablation, with each of its controls in columns of its own."""
    names = list(dict.fromkeys(control.name for result in results for control in result.controls))
    rows = []
    for result in results:
        row = {key: value for key, value in vars(result).items() if isinstance(value, str | float | int | tuple | None)}
        row.pop("controls")
        row["drop_interval"] = row.pop("interval")
        row["string_accuracy_after_interval"] = interval_after(result)
        found = {control.name: control for control in result.controls}
        for name in names:
            control = found.get(name)
            for column in ("string_accuracy", "interval", "draws", "pool"):
                row[f"control_{name.replace(' ', '_')}_{column}"] = control and getattr(control, column)
        rows.append(_flat(row, *(key for key in row if key.endswith("interval"))))
    return rows


def csv_text(rows: Sequence[Row]) -> str:
    """Comma-separated, with a header; None is an empty cell."""
    file = io.StringIO()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _flat(row: Row, *intervals: str) -> Row:
    """Intervals become two columns, other tuples one cell."""
    flat = {}
    for key, value in row.items():
        if key in intervals:
            stem = key.removesuffix("interval").rstrip("_")
            low, high = value or (None, None)
            flat |= {f"{stem}_low".lstrip("_"): low, f"{stem}_high".lstrip("_"): high}
        else:
            flat[key] = " ".join(map(str, value)) if isinstance(value, tuple) else value
    return flat
