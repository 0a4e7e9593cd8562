"""Values as JSON and back, led by the types of dataclass fields: one codec for results, configs, tasks and recipes.

`to_plain` and `from_plain` are the two ways; `checked` holds a class to the same rules when it is called from Python.
cattrs walks the types; `interp.base.codec_types` makes it strict; here its faults become a sentence that names the
field: `heads[3].score must be a number; got 'high'.`
"""

import dataclasses
import functools
import inspect
import typing
from collections.abc import Collection
from typing import Any, TypeVar

from cattrs import BaseValidationError, Converter, ForbiddenExtraKeysError
from cattrs.errors import AttributeValidationNote, IterableValidationNote

from interp.base.codec_types import Misfit, make_converter
from interp.base.errors import UserError, unknown

T = TypeVar("T")

_RESULTS, _SETTINGS = make_converter(result=True), make_converter(result=False)


def to_plain(value: Any) -> Any:
    """A dataclass as dicts, lists, text and numbers; arrays in its fields are left in their places.

    >>> to_plain(TrainConfig())["betas"]
    [0.9, 0.98]
    """
    return _SETTINGS.unstructure(value)


def from_plain(kind: type[T], value: Any, *, result: bool = False) -> T:
    """The inverse of `to_plain`: a dataclass of this kind; a field that is not there has its default.

    >>> from_plain(TrainConfig, {"steps": "ten"})
    UserError: steps must be an integer; got 'ten'.

    Args:
        result: whether it is a result rather than settings: a null stands for a number that is not finite, and what a
            field of free form holds stays as it is (in settings its lists become tuples).

    Raises: UserError that names the field, for a value of another type, a field that is missing or does not exist;
        or whatever the class itself refuses.
    """
    return _structured(_RESULTS if result else _SETTINGS, kind, value)


def without_defaults(value: Any, plain: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Leave out those of a dataclass's fields `names` that have their default.

    For fields that came after recipes had been kept: a recipe is named by a digest of its text, which stays as it was.

    Args:
        value: the dataclass.
        plain: its fields.
        names: those that may be left out.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(value)}
    return {name: item for name, item in plain.items() if name not in names or getattr(value, name) != defaults[name]}


def checked(kind: type[T]) -> type[T]:
    """Class decorator, above `@dataclass`: arguments are held to the types of their fields, and lists become tuples.

    >>> TrainConfig(lr=1e-3)
    UserError: no field of TrainConfig is called 'lr'; the nearest known: learning_rate.

    Raises: (when the class is called) UserError, as `from_plain`.
    """
    build, signature = kind.__init__, inspect.signature(kind)

    @functools.wraps(build)
    def init(self: Any, *arguments: Any, **named: Any) -> None:
        for name in named:
            if name not in signature.parameters:
                raise unknown(f"field of {kind.__name__}", name, signature.parameters)
        try:
            given = signature.bind(*arguments, **named).arguments
        except TypeError as error:
            raise UserError(f"{kind.__name__} must be given its fields; got other arguments ({error}).") from error
        build(self, **{name: _structured(_SETTINGS, _types(kind)[name], value, name) for name, value in given.items()})

    kind.__init__ = init
    return kind


@functools.cache
def _types(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _structured(converter: Converter, kind: Any, value: Any, name: str = "") -> Any:
    try:
        return converter.structure(value, kind)
    except (BaseValidationError, Misfit, RecursionError) as error:
        raise _in_words(error, name, whole=f"a {getattr(kind, '__name__', kind)}") from error


def _in_words(error: BaseException, path: str, whole: str) -> UserError:
    """The first fault of a tree of faults, as a sentence that begins with the path of its field, or names the whole."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, ForbiddenExtraKeysError):
        name, known = min(error.extra_fields, key=str), [field.name for field in dataclasses.fields(error.cl)]
        return unknown(f"field of {error.cl.__name__}", str(name), known)
    if isinstance(error, BaseValidationError):
        strange = (one for one in error.exceptions if isinstance(one, ForbiddenExtraKeysError))
        first = next(strange, error.exceptions[0])  # a slip in a name is also a field that is missing
        return _in_words(first, path + "".join(map(_step, getattr(first, "__notes__", ()))), whole)
    where = path.removeprefix(".") or whole
    if isinstance(error, KeyError):
        return UserError(f"{where} must be given; got nothing.")
    if isinstance(error, RecursionError):
        return UserError(f"{where} must be nested less deeply; got hundreds of levels.")
    if isinstance(error, Misfit):
        return UserError(f"{where} must be {error.want}; got {error.got}.")
    return UserError(
        f"{where} must be a value of its type; got one that cannot be read "
        f"({next(iter(str(error).splitlines()), type(error).__name__)})."
    )


def _step(note: Any) -> str:
    if isinstance(note, AttributeValidationNote):
        return f".{note.name}"
    return f"[{note.index}]" if isinstance(note, IterableValidationNote) else ""
