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
from interp.results.text_state import TextState

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


def text_state_rows(name: str, state: TextState) -> list[Row]:
    """One row a length: bits alone, saved by the text and by another, and how much of both model and state that is."""
    bits, room = state.bits, state.share_of_state
    return [
        {
            "model": name,
            "length": length,
            "texts": bits.used.shape[1],
            "alone": float(bits.prior[i].mean()),
            "saved": float(bits.used[i].mean()),
            **_ends("saved", bits.interval[i]),
            "share": bits.share[i],
            **_ends("share", bits.share_interval(i)),
            "saved_by_another": float(bits.other[i].mean()),
            **_ends("saved_by_another", bits.other_interval[i]),
            "numbers_of_state": None if state.size is None else state.size.floats[i],
            "share_of_state": None if room is None else room[i],
        }
        for i, length in enumerate(bits.lengths)
    ]


def state_shape_rows(name: str, state: TextState) -> list[Row]:
    """One row a part of the state and length: rank, norm, and how fast its numbers fade; none where not measured."""
    if (shape := state.geometry) is None:
        return []
    middle = shape.time_constants.shape[2] // 2
    return [
        {
            "model": name,
            "part": part,
            "length": length,
            "participation_ratio": float(shape.participation_ratio[i, at]),
            "entropy_rank": float(shape.entropy_rank[i, at]),
            "norm": float(shape.norm[i, at]),
            "time_constant": float(shape.time_constants[i, at, middle]),
        }
        for i, part in enumerate(shape.layers)
        for at, length in enumerate(shape.lengths)
    ]


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
