"""How a result is kept: scalars and tuples in `results.json`, arrays in `arrays.npz`; back by the types of fields.

The JSON names the digest of the arrays, so that files of two runs are never taken for one result. What is read is held
to the types of the fields (`interp.base.codec`) and to the axes that they share (`interp.results.axes`).
"""

import dataclasses
import time
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from interp.base.codec import from_plain, to_plain
from interp.base.errors import InterpError, UserError, shortened
from interp.base.files import Write, json_text, read_json, write_together
from interp.results.arrays import DAMAGE, OfAnotherRun, digest, npz_bytes, read_arrays
from interp.results.axes import check_axes

RESULTS, ARRAYS = "results.json", "arrays.npz"
SCHEMA = "interp/3"
"""A result of another schema is refused, never translated. It changes where a field that older results lack can have no
default."""
AGAIN = (0.01, 0.03, 0.1)
"""Seconds after which a result is read again whose two files do not belong together: a writer may be between them."""
GLANCE = 120
"""Characters that a result shows of a field, unless it is a sentence."""
R = TypeVar("R", bound="Result")  # not Self: beartype, under which the tests run, cannot check it method by method


class Result:
    """A frozen dataclass that can be written to a folder and read back.

    >>> accuracy.save("results/mine")
    >>> LengthAccuracy.load("results/mine").string_correct.mean(axis=1)
    """

    def __init_subclass__(cls) -> None:
        cls.__repr__ = Result.__repr__  # `dataclass` leaves it be; its own would write every array out

    def __repr__(self) -> str:
        """A line a field; of arrays and of results within it, what they are."""
        fields = dataclasses.fields(typing.cast(Any, self))
        lines = [f"  {field.name}: {_at_a_glance(getattr(self, field.name))}" for field in fields]
        return "\n".join([type(self).__name__, *lines])

    def _repr_html_(self) -> str:
        """A small table for notebooks: the first rows of `frame`, or what the fields hold."""
        from interp.results.frames import small_table

        return small_table(self)

    def frame(self, *axes: str) -> Any:
        """Make a tidy table: one row for each observation, units in the names of the columns.

        >>> accuracy.frame().groupby("length").string_correct.mean()

        Args:
            axes: a row for each place along these, by the names that the fields' annotations give them; none: what the
                result is mostly about.

        Returns: a pandas DataFrame; an interval is three columns: its ends and its method.

        Raises: UserError for an axis that it does not have, naming those that it has, or without pandas.
        """
        from interp.results.frames import frame

        return frame(self, axes)

    def frames(self) -> dict[str, Any]:
        """Make the table of each result within this one, by the name of its field; of several, one below the other."""
        from interp.results.frames import frames

        return frames(self)

    def write_table(self, path: str | Path, *axes: str) -> Path:
        """Write `frame(*axes)` as `.csv` or `.parquet`, whole or not at all. Returns the path.

        Raises: UserError for another ending, or as `frame`; InterpError if it cannot be written.
        """
        from interp.results.frames import write_table

        return write_table(self.frame(*axes), Path(path))

    def save(self, folder: str | Path) -> Path:
        """Write `results.json` and `arrays.npz`, both or neither. Returns the folder.

        Raises: InterpError if they cannot be written.
        """
        write_together(self.writes(Path(folder)))
        return Path(folder)

    def writes(self, folder: Path) -> dict[Path, Write]:
        """What `save` writes, for `write_together` with files that are drawn from it."""
        document, arrays = packed(self)
        content = npz_bytes(arrays)
        head = {"schema": SCHEMA, "result": type(self).__name__, "arrays_sha256": digest(content)}
        text = json_text({**head, **self._arrange(document)})
        return {
            folder / ARRAYS: lambda path: path.write_bytes(content),
            folder / RESULTS: lambda path: path.write_text(text, encoding="utf-8"),
        }

    @classmethod
    def load(cls: type[R], folder: str | Path) -> R:
        """Read what `save` wrote. A field that did not exist then has its default; another schema is refused.

        Raises: UserError if the folder holds no result or another kind of result; InterpError if it is damaged, or its
            files are of two runs.
        """
        for wait in AGAIN:
            try:
                return cls._load(Path(folder))
            except OfAnotherRun:
                time.sleep(wait)
        return cls._load(Path(folder))

    @classmethod
    def _load(cls: type[R], folder: Path) -> R:
        document = read_json(folder / RESULTS, "a result")
        if not isinstance(document, dict):
            raise UserError(f"{folder} must hold a {cls.__name__}; got a {RESULTS} without a result in it.")
        found = document.pop("schema", None), document.pop("result", None)
        kind, schema = (shortened(str(name)) for name in reversed(found))
        if found != (SCHEMA, cls.__name__):
            raise UserError(
                f"{folder} must hold a {cls.__name__} of schema {SCHEMA}; got {kind} of schema {schema}. "
                f"{'Name another folder' if found[0] == SCHEMA else 'Run the analysis again with this version'}."
            )
        try:
            arrays = read_arrays(folder / ARRAYS, document.pop("arrays_sha256", None))
            return unpacked(cls, cls._restore(document), arrays)
        except DAMAGE as error:
            raise InterpError(
                f"the result in {folder} must be as it was written; got a damaged one ({str(error).rstrip('.')}). "
                "Run the analysis again."
            ) from error

    @staticmethod
    def _arrange(document: dict[str, Any]) -> dict[str, Any]:
        """Where in the document readers look for what."""
        return document

    @staticmethod
    def _restore(document: dict[str, Any]) -> dict[str, Any]:
        """The inverse of `_arrange`."""
        return document


def packed(result: Result) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A result as JSON values, and its arrays by the keys that stand in their places; `unpacked` is the way back."""
    arrays: dict[str, np.ndarray] = {}
    return _without_arrays(to_plain(result), "", arrays), arrays


def unpacked(kind: type[R], document: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> R:
    """The result that `packed` took apart.

    Raises: UserError for what is not of this kind, or does not fit together; another of `DAMAGE` for what no JSON can
        hold.
    """
    left = dict(arrays)
    result = from_plain(kind, _with_arrays(document, "", left), result=True)
    if left:
        raise UserError(
            f"arrays must be those of the fields of {kind.__name__}; got others ({', '.join(sorted(left)[:6])})."
        )
    check_axes(result, Result)
    return result


def _without_arrays(value: Any, where: str, arrays: dict[str, np.ndarray]) -> Any:
    """Plain values with a key in place of each array: its path."""
    if isinstance(value, np.ndarray):
        arrays[where] = value
        return {"array": where}
    if isinstance(value, dict):
        return {key: _without_arrays(item, f"{where}.{key}".lstrip("."), arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_arrays(item, f"{where}.{i}", arrays) for i, item in enumerate(value)]
    return value


def _with_arrays(value: Any, where: str, arrays: dict[str, np.ndarray]) -> Any:
    """The inverse; takes what it puts out of `arrays`. Another object that looks like a key is left as it is."""
    if value == {"array": where} and where in arrays:
        return arrays.pop(where)
    if isinstance(value, Mapping):
        return {key: _with_arrays(item, f"{where}.{key}".lstrip("."), arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_arrays(item, f"{where}.{i}", arrays) for i, item in enumerate(value)]
    return value


def _at_a_glance(value: Any) -> str:
    """A value in a few words: `float64 [4 128]`, `StateProfile`, `24 HeadScore`, a number, a sentence."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} [{' '.join(map(str, value.shape))}]"
    if isinstance(value, Mapping) and value and all(map(_is_large, value.values())):
        value = tuple(value.values())
    if isinstance(value, tuple | list) and value and all(map(_is_large, value)):
        return f"{len(value)} {type(value[0]).__name__}"
    text = type(value).__name__ if isinstance(value, Result) or _has_arrays(value) else str(value)
    return text if len(text) <= GLANCE or isinstance(value, str) else f"{text[:GLANCE]}..."


def _has_arrays(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and any(isinstance(field, np.ndarray) for field in vars(value).values())


def _is_large(value: Any) -> bool:
    return isinstance(value, np.ndarray) or dataclasses.is_dataclass(value)
