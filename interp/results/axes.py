"""Axes that must agree: what is called `length` in two fields of a result is equally long in both.

Arrays name their axes in their annotation (`Float[np.ndarray, "length pos"]`), tuples in an `Annotated`:
`lengths: Annotated[tuple[int, ...], "length"]`. A part that is not a result of its own (a `HeadScore` in `HeadScores`)
shares the axes of what it is part of.
"""

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np
from jaxtyping import AbstractArray

from interp.base.errors import UserError

FREE = "_"
"""An axis of any length."""
Sizes = dict[str, tuple[int, str]]
"""Axis -> its length, and the field that said so first."""


def check_axes(value: Any, whole: type, around: Sizes | None = None, path: str = "") -> None:
    """Compare the lengths of all axes within a dataclass, and within what it is made of.

    Args:
        whole: the class whose instances have axes of their own.
        around: the axes of what this is part of.
        path: where it stands, for the error.

    Raises: UserError that names both fields.
    """
    sizes = dict(around or {})
    hints = typing.get_type_hints(type(value), include_extras=True)
    found = [
        part
        for field in dataclasses.fields(value)
        for part in _walk(hints[field.name], getattr(value, field.name), f"{path}{field.name}")
    ]
    for place, held, names in found:
        for name, size in zip(names, _sizes(held), strict=True):
            known, first = (size, place) if name == FREE else sizes.setdefault(name, (size, place))
            if size != known:
                raise UserError(f"{place} must have {known} along {name}, as {first} has; got {size}.")
    for place, held, _ in found:
        if dataclasses.is_dataclass(held):
            check_axes(held, whole, {} if isinstance(held, whole) else sizes, f"{place}.")


def _walk(hint: Any, value: Any, place: str) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """(place, value, names of its axes) of each array, tuple with an axis, and dataclass that a field holds."""
    if typing.get_origin(hint) is Annotated:
        hint, axis = typing.get_args(hint)
        if value is not None:
            yield place, value, (axis,)
    if isinstance(value, np.ndarray):
        arms = [arm for arm in (hint, *typing.get_args(hint)) if isinstance(arm, type)]
        array = next(arm for arm in arms if issubclass(arm, AbstractArray))
        yield place, value, tuple(array.dim_str.split())
    elif dataclasses.is_dataclass(value):
        yield place, value, ()
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _walk(_of_items(hint, tuple), item, f"{place}[{index}]")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _walk(_of_items(hint, Mapping), item, f"{place}[{key!r}]")


def _sizes(value: Any) -> tuple[int, ...]:
    if isinstance(value, np.ndarray):
        return value.shape
    return () if dataclasses.is_dataclass(value) else (len(value),)


def _of_items(hint: Any, kind: type) -> Any:
    """The type of what a tuple (of one kind of thing) or a mapping holds; it may be one of several types of a field."""
    for arm in (hint, *typing.get_args(hint)):
        if typing.get_origin(arm) is kind or (kind is Mapping and typing.get_origin(arm) is dict):
            arguments = [argument for argument in typing.get_args(arm) if argument is not Ellipsis]
            return arguments[-1]
    return Any
