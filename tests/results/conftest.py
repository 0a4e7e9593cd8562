"""Instances of every kind of result, made from the types of the fields alone; each axis has a length of its own."""

import copy
import dataclasses
import typing
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pkgutil import walk_packages
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from jaxtyping import AbstractArray

import interp
from interp.results.record import Result

LENGTHS = (2, 3, 4, 5, 6, 7)


def every_kind() -> list[type[Result]]:
    """Every class of results in the package, by importing all modules that are named after results."""
    for module in walk_packages(interp.__path__, "interp."):
        if "result" in module.name:
            import_module(module.name)
    return sorted(_below(Result), key=lambda kind: kind.__name__)


def _below(kind: type) -> Iterator[type]:
    for one in kind.__subclasses__():
        if one.__module__.startswith("interp."):
            yield one
        yield from _below(one)


@pytest.fixture(params=every_kind(), ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> type[Result]:
    """Each class of results in turn."""
    return request.param


@pytest.fixture(scope="session")
def made() -> Callable[..., Any]:
    """Makes an instance of any dataclass: `made(StepCurve)`; with `full=False`, without what may be None or empty."""
    return lambda kind, full=True: _made(kind, full)


@pytest.fixture(scope="session")
def changed() -> Callable[..., Any]:
    """Makes a copy of a result with other fields, without the checks of shapes that the tests add to its class."""

    def change(result: Any, **fields: Any) -> Any:
        other = copy.copy(result)
        for name, value in fields.items():
            object.__setattr__(other, name, value)
        return other

    return change


def _made(kind: type, full: bool, sizes: dict[str, int] | None = None) -> Any:
    """An instance of a dataclass. `full`: what may be None or empty is there."""
    sizes = {} if sizes is None or issubclass(kind, Result) else sizes
    hints = typing.get_type_hints(kind, include_extras=True)
    return kind(**{field.name: _value(hints[field.name], full, sizes) for field in dataclasses.fields(kind)})


def _value(hint: Any, full: bool, sizes: dict[str, int]) -> Any:
    def size(axis: str) -> int:
        return LENGTHS[len(sizes) % len(LENGTHS)] if axis == "_" else sizes.setdefault(axis, 2 + len(sizes) % 6)

    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        inner, axis = arguments
        if typing.get_origin(inner) is not tuple:
            return _value(inner, full, sizes)
        return tuple(_value(typing.get_args(inner)[0], full, sizes) for _ in range(size(axis)))
    if origin is Literal:
        return arguments[0]
    if type(None) in arguments:
        return _value(next(a for a in arguments if a is not type(None)), full, sizes) if full else None
    if origin is tuple:
        kinds = arguments[:1] * 2 if arguments[-1] is Ellipsis else arguments
        return tuple(_value(kind, full, sizes) for kind in kinds)
    if hint in (dict[str, Any], Mapping[str, Any]):
        return {"seed": 0, "array": None, "in": {"a": [1, "é"]}}
    if origin in (dict, Mapping):
        return {"one.0": _value(arguments[1], full, sizes)} if full else {}
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        shape = tuple(size(axis) for axis in hint.dim_str.split())
        numbers = np.arange(np.prod(shape)).reshape(shape)
        return next(numbers.astype(kind) for kind in (float, int, bool) if isinstance(numbers.astype(kind), hint))
    if dataclasses.is_dataclass(hint):
        return _made(typing.cast(type, hint), full, sizes)
    return {int: 3, float: 0.25, bool: True, str: "ä"}[hint]
