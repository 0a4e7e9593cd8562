"""The tables of a study: rows of plain values for the `.csv` files, from which the page takes its own."""

import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from interp.base.interval import Interval
from interp.figures.ablation import interval_after
from interp.figures.training import letter_intervals, string_intervals
from interp.results.ablation import AblationResult
from interp.results.accuracy import LengthAccuracy
from interp.results.heads import HeadScore

Row = dict[str, Any]
CELLS = str | float | int | tuple | Interval | None
"""What has a place in a table; arrays stay in `arrays.npz`."""


def accuracy_rows(result: LengthAccuracy) -> list[Row]:
    """One row a length."""
    rows = []
    strings, letters = string_intervals(result), letter_intervals(result)
    for i, length in enumerate(result.lengths):
        row = {
            "length": length,
            "strings": result.string_correct.shape[1],
            "string_accuracy": float(result.string_correct[i].mean()),
            **_ends("string", strings[i]),
            "letter_accuracy": float(result.letter_accuracy[i].mean()),
            **_ends("letter", letters[i]),
        }
        if result.free_letter_accuracy is not None:
            row["free_letter_accuracy"] = float(result.free_letter_accuracy[i].mean())
        rows.append(row | {f"ideal_{n}": curve[i] for n, curve in result.ideal.items()})
    return rows


def head_rows(heads: Sequence[HeadScore]) -> list[Row]:
    """One row a head; a tuple is one cell, its values apart by a space."""
    intervals = "interval", "gather_interval", "effect_interval"
    return [flat({field.name: getattr(head, field.name) for field in fields(head)}, *intervals) for head in heads]


def ablation_rows(results: Sequence[AblationResult]) -> list[Row]:
    """One row an ablation, with each of its controls in columns of its own."""
    names = list(dict.fromkeys(control.name for result in results for control in result.controls))
    rows = []
    for result in results:
        row = {key: value for key, value in vars(result).items() if isinstance(value, CELLS)}
        row.pop("controls")
        row["drop_interval"] = row.pop("interval")
        row["string_accuracy_after_interval"] = interval_after(result)
        found = {control.name: control for control in result.controls}
        for name in names:
            control = found.get(name)
            for column in ("string_accuracy", "interval", "draws", "pool"):
                row[f"control_{name.replace(' ', '_')}_{column}"] = control and getattr(control, column)
        rows.append(flat(row, *(key for key in row if key.endswith("interval"))))
    return rows


def csv_text(rows: Sequence[Row]) -> str:
    """Comma-separated, with a header; None is an empty cell."""
    file = io.StringIO()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def flat(row: Row, *intervals: str) -> Row:
    """Intervals become three columns, their ends and their method; tuples one cell."""
    found = {}
    for key, value in row.items():
        if key in intervals:
            found |= _ends(key.removesuffix("interval").rstrip("_"), value)
        else:
            found[key] = " ".join(map(str, value)) if isinstance(value, tuple) else value
    return found


def _ends(stem: str, interval: Interval | None) -> Row:
    values = (None, None, None) if interval is None else (interval.low, interval.high, interval.method)
    return {f"{stem}_{name}".lstrip("_"): v for name, v in zip(("low", "high", "method"), values, strict=True)}
