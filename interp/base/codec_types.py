"""How strictly each type is read: nothing is converted but a list to a tuple and a number of numpy to Python's.

`make_converter` makes the two converters of `interp.base.codec`, for results and for settings. Arrays are held to their
jaxtyping annotation (rank and dtype; what axes share is checked by `interp.results.axes`).
"""

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from cattrs import BaseValidationError, Converter
from cattrs.errors import IterableValidationError, IterableValidationNote
from cattrs.gen import make_dict_structure_fn
from jaxtyping import AbstractArray

from interp.base.calls import LARGEST
from interp.base.errors import shown

Hook = Callable[[Any, Any], Any]
"""Structures a plain value as a value of a type."""


class Misfit(Exception):
    """A value is not what its field wants."""

    def __init__(self, want: str, got: Any) -> None:
        super().__init__(want, got)
        self.want, self.got = want, shown(got)


def make_converter(result: bool) -> Converter:
    """A strict converter, of results or of settings; see `interp.base.codec.from_plain` for the difference."""
    converter = Converter(forbid_extra_keys=True, detailed_validation=True)
    scalars: dict[Any, Hook] = {
        int: _integer,
        float: _number_or_nan if result else _number,
        bool: _boolean,
        str: _text,
    }
    for kind, hook in scalars.items():
        converter.register_structure_hook(kind, hook)
    made: list[tuple[Callable[[Any], bool], Callable[[Any, Converter], Hook]]] = [
        (dataclasses.is_dataclass, _of_class),
        (lambda kind: typing.get_origin(kind) in (typing.Union, types.UnionType), _of_union),
        (_is_tuple, _of_tuple),
        (lambda kind: typing.get_origin(kind) in (Mapping, dict), _of_mapping),
    ]
    for wanted, make in made:
        converter.register_structure_hook_factory(wanted, lambda kind, make=make: make(kind, converter))
    converter.register_structure_hook_func(lambda kind: typing.get_origin(kind) is Literal, _literal)
    converter.register_structure_hook_func(_is_free, _object if result else _object_with_tuples)
    converter.register_structure_hook_func(_is_array, _array)
    converter.register_unstructure_hook_func(_is_tuple, lambda value: [converter.unstructure(item) for item in value])
    converter.register_unstructure_hook_func(_is_free, _plain)
    converter.register_unstructure_hook_func(_is_array, lambda value: value)
    converter.register_unstructure_hook(np.generic, lambda value: value.item())
    return converter


def _is_tuple(kind: Any) -> bool:
    return kind is tuple or typing.get_origin(kind) is tuple


def _is_free(kind: Any) -> bool:
    return kind == dict[str, Any]


def _is_array(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, AbstractArray)


# ---------------------------------------------------------------------- single values


def _integer(value: Any, _: Any) -> int:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise Misfit("an integer", value)
    return int(value)


def _number(value: Any, _: Any) -> float | int:
    """A whole number stays as it is written: recipes are named by a digest of their text."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise Misfit("a number", value)
    if isinstance(value, int) and not -LARGEST <= value <= LARGEST:  # torch takes none of more bits
        raise Misfit("a number of at most 64 bits", value)
    return value.item() if isinstance(value, np.generic) else value


def _number_or_nan(value: Any, kind: Any) -> float | int:
    return float("nan") if value is None else _number(value, kind)


def _boolean(value: Any, _: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise Misfit("true or false", value)
    return bool(value)


def _text(value: Any, _: Any) -> str:
    if not isinstance(value, str):
        raise Misfit("text", value)
    return value


def _literal(value: Any, kind: Any) -> Any:
    if not any(type(value) is type(word) and value == word for word in typing.get_args(kind)):
        raise Misfit(_noun(kind), value)
    return value


def _array(value: Any, kind: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray) or not isinstance(value, kind):
        raise Misfit(f"an array of {kind.dtype.__name__} [{kind.dim_str}]", value)
    return value


def _object(value: Any, _: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise Misfit("an object with text as keys", value)
    return dict(value)


def _object_with_tuples(value: Any, kind: Any) -> dict[str, Any]:
    return {key: _with_tuples(part) for key, part in _object(value, kind).items()}


def _with_tuples(value: Any) -> Any:
    """What was written to JSON, which has no tuples, as it was."""
    if isinstance(value, dict):
        return {name: _with_tuples(part) for name, part in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """A JSON value, of whatever a mapping of free form holds; small arrays become lists there."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


# ---------------------------------------------------------------------- what is made of others


def _of_class(kind: Any, converter: Converter) -> Hook:
    by_field: Hook = make_dict_structure_fn(kind, converter)

    def structure(value: Any, _: Any) -> Any:
        if isinstance(value, kind):
            return value
        if not isinstance(value, Mapping):
            raise Misfit(_noun(kind), value)
        return by_field(value, kind)

    return structure


def _of_union(kind: Any, converter: Converter) -> Hook:
    """The first type that takes the value; where only one can be meant, its own word on what is wrong."""
    arms = [arm for arm in typing.get_args(kind) if arm is not types.NoneType]
    optional = len(arms) < len(typing.get_args(kind))

    def structure(value: Any, _: Any) -> Any:
        if value is None and optional:
            return None
        for arm in arms:
            try:
                return converter.structure(value, arm)
            except (BaseValidationError, Misfit):
                if len(arms) == 1 and isinstance(value, Mapping | list | tuple):
                    raise
        raise Misfit(" or ".join([*map(_noun, arms), *["None"] * optional]), value)

    return structure


def _of_tuple(kind: Any, converter: Converter) -> Hook:
    arguments = typing.get_args(kind)
    alike = arguments[-1] is Ellipsis

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, list | tuple) or not (alike or len(value) == len(arguments)):
            raise Misfit(_noun(kind), value)
        kinds = arguments[:1] * len(value) if alike else arguments
        return tuple(_each(converter, range(len(value)), value, kinds))

    return structure


def _of_mapping(kind: Any, converter: Converter) -> Hook:
    _, item = typing.get_args(kind)

    def structure(value: Any, _: Any) -> Any:
        known = _object(value, kind)
        return dict(zip(known, _each(converter, map(repr, known), known.values(), [item] * len(known)), strict=True))

    return structure


def _each(converter: Converter, names: Any, values: Any, kinds: Any) -> list[Any]:
    """Structure values one by one; the first that is wrong is named by its field or index."""
    done = []
    for name, value, kind in zip(names, values, kinds, strict=True):
        try:
            done.append(converter.structure(value, kind))
        except Exception as error:
            error.__notes__ = [*getattr(error, "__notes__", ()), IterableValidationNote("at", name, kind)]
            raise IterableValidationError("item", [error], kind) from error  # pyright: ignore[reportCallIssue]
    return done


def _noun(kind: Any) -> str:
    """What a type wants, in words."""
    nouns: dict[Any, str] = {int: "an integer", float: "a number", bool: "true or false", str: "text"}
    if typing.get_origin(kind) is Literal:
        return f"one of {', '.join(map(repr, typing.get_args(kind)))}"
    if _is_tuple(kind):
        first, *_, last = typing.get_args(kind)
        each = {int: " of integers", float: " of numbers", str: " of texts"}.get(first, "")
        return f"a list{each}" if last is Ellipsis else f"a list{each}, {len(typing.get_args(kind))} long"
    if dataclasses.is_dataclass(kind):
        return f"an object with the fields of {getattr(kind, '__name__', kind)}"
    return nouns.get(kind, f"a {getattr(kind, '__name__', kind)}")
