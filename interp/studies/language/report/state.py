"""What a page and a terminal show of the state behind texts."""

import numpy as np

from interp.base import words
from interp.figures.tables import Row, state_shape_rows, text_state_rows
from interp.results.text_state import TextState
from interp.studies.study import Table


def state_tables(name: str, state: TextState | None) -> list[Table]:
    """Tables for a terminal: bits by length, and transplants part by part; none where the state was not asked."""
    if state is None:
        return []
    columns = ("tokens", "bits alone", "saved", "share", "saved by another text", "share of the state's bits")
    rows = tuple(
        (
            str(row["length"]),
            words.number(row["alone"], 1),
            words.with_interval(row["saved"], (row["saved_low"], row["saved_high"]), 1),
            words.percent(row["share"]),
            words.with_interval(
                row["saved_by_another"], (row["saved_by_another_low"], row["saved_by_another_high"]), 1
            ),
            words.percent(row["share_of_state"], 3),
        )
        for row in text_state_rows(name, state)
    )
    note = words.intervals_note(saved=[*state.bits.interval, *state.bits.other_interval])
    found = [Table("What reading a text saves when it comes again", columns, rows, note)]
    if (swaps := state.transplants) is not None:
        of_parts = tuple(
            (part, words.number(donor, 1), words.number(host, 1))
            for part, donor, host in zip(swaps.parts, swaps.donor.mean(axis=1), swaps.host.mean(axis=1), strict=True)
        )
        title = f"Bits saved with the state behind another text of {swaps.length} tokens"
        found.append(Table(title, ("part", "on its text", "on the own text"), of_parts))
    return found


def longest_shape(state: TextState) -> list[Row]:
    """Rows of the shape of the state behind the longest texts."""
    rows = state_shape_rows("", state)
    return [row for row in rows if row["length"] == max(each["length"] for each in rows)]


def digits(value: float) -> str:
    """Three digits, never as a power of ten."""
    return words.ABSENT if np.isnan(value) else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
