"""How a result is kept: scalars and tuples in `results.json`, arrays in `arrays.npz`; back by the types of fields."""

import dataclasses
import struct
import types
import typing
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
from jaxtyping import AbstractArray

from interp.base.errors import InterpError, UserError
from interp.base.files import Write, json_text, read_json, write_together

SCHEMA = "interp/1"
GLANCE = 120
"""Characters that a result shows of a field, unless it is a sentence."""
DAMAGE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    RuntimeError,
    BadZipFile,
    zlib.error,
    struct.error,
)
"""What a damaged file can raise on its way through JSON, zip and npz."""
R = TypeVar("R", bound="Result")  # not Self: beartype, under which the tests run, cannot check it method by method


class Result:
    """A frozen dataclass that can be written to a folder and read back."""

    def __init_subclass__(cls) -> None:
        cls.__repr__ = Result.__repr__  # `dataclass` leaves it be; its own would write every array out

    def __repr__(self) -> str:
        """A line a field; of arrays and of results within it, what they are."""
        fields = dataclasses.fields(typing.cast(Any, self))
        lines = [f"  {field.name}: {_at_a_glance(getattr(self, field.name))}" for field in fields]
        return "\n".join([type(self).__name__, *lines])

    def save(self, folder: str | Path) -> Path:
        """Write `results.json` and `arrays.npz`, both or neither. Returns the folder."""
        write_together(self.writes(Path(folder)))
        return Path(folder)

    def writes(self, folder: Path) -> dict[Path, Write]:
        """What `save` writes, for `write_together` with files that are drawn from it."""
        arrays: dict[str, np.ndarray] = {}
        packed = self._arrange(_pack(self, "", arrays))
        document = {"schema": SCHEMA, "result": type(self).__name__, **packed}
        text = json_text(document)
        return {
            folder / "arrays.npz": lambda path: _write_npz(path, arrays),
            folder / "results.json": lambda path: path.write_text(text, encoding="utf-8"),
        }

    @classmethod
    def load(cls: type[R], folder: str | Path) -> R:
        """Read what `save` wrote.

        Raises: UserError if the folder holds no result or another kind of result; InterpError if it is damaged.
        """
        folder = Path(folder)
        document = read_json(folder / "results.json", "a result")
        if not isinstance(document, dict):
            raise UserError(f"{folder} should hold a {cls.__name__}; its results.json holds no result.")
        if (found := (document.get("schema"), document.get("result"))) != (SCHEMA, cls.__name__):
            raise UserError(
                f"{folder} should hold a {cls.__name__} of schema {SCHEMA}; it holds {found[1]} of {found[0]}."
            )
        try:
            with (folder / "arrays.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return _unpack(cls, cls._restore(document), dict(arrays))
        except DAMAGE as error:
            raise InterpError(f"the result in {folder} is damaged: {error}.") from error

    @staticmethod
    def _arrange(document: dict[str, Any]) -> dict[str, Any]:
        return document

    @staticmethod
    def _restore(document: dict[str, Any]) -> dict[str, Any]:
        return document


def _at_a_glance(value: Any) -> str:
    """In a few words: `float64 [4 128]`, `StateProfile`, `24 HeadScore`, a number, a sentence."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} [{' '.join(map(str, value.shape))}]"
    if isinstance(value, tuple | list) and value and all(map(dataclasses.is_dataclass, value)):
        return f"{len(value)} {type(value[0]).__name__}"
    text = type(value).__name__ if isinstance(value, Result) else str(value)
    return text if len(text) <= GLANCE or isinstance(value, str) else f"{text[:GLANCE]}..."


def packed(result: Result) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A result as JSON values, and its arrays by the keys that stand in their places; `unpacked` is the way back."""
    arrays: dict[str, np.ndarray] = {}
    return _pack(result, "", arrays), arrays


def unpacked(kind: type[R], document: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> R:
    """Raises: KeyError, TypeError, ValueError, ... of `DAMAGE` for what `packed` did not make."""
    return _unpack(kind, document, arrays)


def _write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]: no field is called allow_pickle


def _pack(value: Any, where: str, arrays: dict[str, np.ndarray]) -> Any:
    """A JSON value; arrays are moved to `arrays` and leave their key behind."""
    if isinstance(value, np.ndarray):
        arrays[where] = value
        return {"array": where}
    if dataclasses.is_dataclass(value):
        items = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {name: _pack(item, f"{where}.{name}".lstrip("."), arrays) for name, item in items.items()}
    if isinstance(value, tuple | list):
        return [_pack(item, f"{where}.{i}", arrays) for i, item in enumerate(value)]
    if isinstance(value, Mapping) and all(map(dataclasses.is_dataclass, value.values())):
        return {str(key): _pack(item, f"{where}.{key}", arrays) for key, item in value.items()}
    return _plain(value)


def _plain(value: Any) -> Any:
    """A JSON value, of whatever a mapping holds; small arrays become lists there."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _unpack(kind: Any, value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The inverse of `_pack`, led by the type of the field; what a `dict[str, Any]` holds stays as JSON left it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        chosen = next(a for a in arguments if a is not type(None))
        return None if value is None else _unpack(chosen, value, arrays)
    if isinstance(kind, type) and issubclass(kind, AbstractArray):
        return arrays[value["array"]]
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints, needed = typing.get_type_hints(kind), dataclasses.MISSING
        known = (
            f.name for f in dataclasses.fields(kind) if f.name in value or f.default is f.default_factory is needed
        )
        return kind(**{name: _unpack(hints[name], value[name], arrays) for name in known})  # older results lack fields
    if origin is tuple:
        item_kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(_unpack(k, item, arrays) for k, item in zip(item_kinds, value, strict=True))
    if origin in (Mapping, dict):
        return {key: _unpack(arguments[1], item, arrays) for key, item in value.items()}
    return float("nan") if kind is float and value is None else value
