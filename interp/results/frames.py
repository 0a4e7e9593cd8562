"""Results as tables: one row for each observation, one column for each quantity, with its unit in its name.

What a row is follows from the axes that a result's fields name: `length` and `string` of a `LengthAccuracy` make a row
for each string of each length, and what has only a `length` is repeated. Needs pandas, imported when it is asked for.
"""

import dataclasses
import html
import typing
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from jaxtyping import AbstractArray

from interp.base.errors import UserError, unknown
from interp.base.files import write_whole
from interp.base.interval import Interval
from interp.base.words import count
from interp.results.axes import FREE

SHOWN = 8, 10
"""Rows and columns of a table in a notebook."""
SCALARS = str | bool | int | float | np.generic
Axes = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Column:
    """Values along some axes of a result; along none, one value."""

    name: str
    axes: Axes
    values: np.ndarray


def frame(result: Any, axes: Axes = ()) -> Any:
    """Make a table of a result.

    Args:
        result: a dataclass whose fields name their axes.
        axes: a row for each place along these; none: what the result is mostly about (`row_axes`).

    Returns: a pandas DataFrame. An interval is three columns: its ends and its method.

    Raises: UserError for an axis that the result does not have, or without pandas.
    """
    pandas = _pandas()
    columns = list(_columns(result))
    if not columns and (within := frames(result)):
        return _below_each_other(within, "of")
    sizes = {axis: size for each in columns for axis, size in zip(each.axes, each.values.shape, strict=True)}
    for axis in axes:
        if axis not in sizes:
            raise unknown(f"axis of {type(result).__name__}", axis, sizes)
    axes = axes or getattr(result, "ROWS", ()) or row_axes(columns)
    places = (
        dict(zip(axes, np.indices([sizes[axis] for axis in axes]).reshape(len(axes), -1), strict=True)) if axes else {}
    )
    told = [each for each in columns if not each.axes and (not axes or isinstance(each.values.item(), str))]
    along = [each for each in columns if each.axes and {*each.axes} <= {*axes}]
    numbered = {axis: places[axis] for axis in axes if axis not in {each.name for each in along}}
    table: dict[str, Any] = {each.name: each.values for each in told} | numbered
    table |= {each.name: each.values[tuple(places[axis] for axis in each.axes)] for each in along}
    rows = len(next(iter(places.values()))) if axes else 1
    filled = {name: np.broadcast_to(values, rows).tolist() for name, values in table.items()}
    return pandas.DataFrame(filled, index=range(rows))


def row_axes(columns: list[Column]) -> Axes:
    """The axes that most columns have; of two, the longer, then the first."""
    counted = Counter(each.axes for each in columns if each.axes)
    return max(counted, key=lambda axes: (counted[axes], len(axes)), default=())


def frames(result: Any) -> dict[str, Any]:
    """The table of each result within a result; of several in one field, one below the other."""
    found = {}
    for field in dataclasses.fields(result):
        value = getattr(result, field.name)
        items = (
            value if isinstance(value, Mapping) else dict(enumerate(value if isinstance(value, tuple) else (value,)))
        )
        tables = {key: item.frame() for key, item in items.items() if hasattr(item, "frame")}
        if tables:
            several = isinstance(value, tuple | Mapping)
            found[field.name] = _below_each_other(tables, field.name) if several else tables[0]
    return found


def _below_each_other(tables: dict[Any, Any], name: str) -> Any:
    """One table, whose first column says from which each row is."""
    return _pandas().concat(tables, names=[name]).reset_index(level=0).reset_index(drop=True)


def small_table(result: Any) -> str:
    """The first rows of a result as HTML, or, of one without rows, what its fields hold."""
    name = type(result).__name__
    try:
        table = result.frame()
    except UserError:  # without pandas
        return f"<pre>{html.escape(repr(result))}</pre>"
    if not len(table):
        return f"<pre>{html.escape(repr(result))}</pre>"
    shown = table.iloc[: SHOWN[0], : SHOWN[1]]
    size = f"{count(len(table), 'row')}, {count(len(table.columns), 'column')}"
    return (
        f"<p><b>{name}</b>: {size}</p>{shown.to_html(index=False, border=0, na_rep='', float_format='{:.4g}'.format)}"
    )


def write_table(table: Any, path: Path) -> Path:
    """Write a DataFrame as `.csv` or `.parquet`, whole or not at all.

    Raises: UserError for another ending.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise UserError(f"path must end in .csv or .parquet; got {path.name}. Name the form by its ending.")
    if path.suffix == ".csv":
        return write_whole(path, lambda at: table.to_csv(at, index=False, lineterminator="\n"))
    return write_whole(path, lambda at: table.to_parquet(at, index=False))


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise UserError("pandas must be installed for tables; got none. Install it: pip install pandas.") from error
    return pandas


def _columns(value: Any) -> Iterator[Column]:
    """The columns that the fields of a dataclass make, each name once."""
    seen = set()
    for column in _of_fields(value):
        if column.name not in seen:
            seen.add(column.name)
            yield column


def _of_fields(value: Any) -> Iterator[Column]:
    hints = typing.get_type_hints(type(value), include_extras=True)
    for field in dataclasses.fields(value):
        yield from _column(value, field.name, getattr(value, field.name), hints[field.name])


def _column(owner: Any, name: str, value: Any, hint: Any) -> Iterator[Column]:
    unit = getattr(type(owner), "UNITS", {}).get(name)
    if typing.get_origin(hint) is Annotated and isinstance(value, tuple):
        yield from _of_items(name, unit, value, typing.get_args(hint)[1])
    elif isinstance(value, np.ndarray):
        arms = [arm for arm in (hint, *typing.get_args(hint)) if isinstance(arm, type)]
        axes = tuple(next(arm for arm in arms if issubclass(arm, AbstractArray)).dim_str.split())
        if FREE not in axes:
            yield Column(_named(name, unit), axes, value)
    elif isinstance(value, Mapping):
        inner = next(iter(typing.get_args(hint)[1:]), None)
        for key, item in value.items():
            yield from _column(owner, f"{name}_{key}", item, inner)
    elif isinstance(value, SCALARS | Interval):
        yield from _of_items(name, unit, (value,), None)


def _of_items(name: str, unit: str | None, items: tuple[Any, ...], axis: str | None) -> Iterator[Column]:
    """Columns of values along an axis; without one, of a single value."""
    some = next((item for item in items if item is not None), None)
    axes = () if axis is None else (axis,)

    def column(called: str, values: list[Any]) -> Column:
        made = np.empty(len(values), dtype=object)
        made[:] = values
        return Column(called, axes, made if axes else made.reshape(()))

    if isinstance(some, Interval):
        stem = name.removesuffix("interval").rstrip("_")
        for end in ("low", "high"):
            called = _named(f"{stem}_{end}".lstrip("_"), unit)
            yield column(called, [item and getattr(item, end) for item in items])
        yield column(f"{stem}_method".lstrip("_"), [item and item.method for item in items])
    elif dataclasses.is_dataclass(some):
        yield from _of_parts(items, axes)
    elif isinstance(some, tuple):
        yield column(name, [None if item is None else " ".join(map(str, item)) for item in items])
    elif not isinstance(some, np.ndarray | Mapping):
        called = axis if axis is not None and name in (f"{axis}s", axis) else name
        yield column(_named(called, unit), list(items))


def _of_parts(items: tuple[Any, ...], axes: Axes) -> Iterator[Column]:
    """Columns of the fields of dataclasses that stand along an axis."""
    hints = typing.get_type_hints(type(items[0]), include_extras=True)
    units = getattr(type(items[0]), "UNITS", {})
    for field in dataclasses.fields(items[0]):
        values = tuple(getattr(item, field.name) for item in items)
        some = next((value for value in values if value is not None), None)
        if typing.get_origin(hints[field.name]) is Annotated:  # a tuple with an axis of its own
            table = np.array([list(value) for value in values], dtype=object)
            inner = typing.get_args(hints[field.name])[1]
            if table.ndim == 2:
                yield Column(_named(field.name, units.get(field.name)), (*axes, inner), table)
        elif not dataclasses.is_dataclass(some) or isinstance(some, Interval):
            yield from _of_items(field.name, units.get(field.name), values, axes[0])


def _named(name: str, unit: str | None) -> str:
    return name if unit is None or name.endswith(f"_{unit}") else f"{name}_{unit}"
