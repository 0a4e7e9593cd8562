"""`checked_call`: arguments held to their annotations, so that a slip ends in a sentence that names the argument.

Light, for the settings of command lines use it, too: nothing here imports numpy or torch.
"""

import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, cast, overload

from interp.base.errors import UserError, shown, unknown

P = ParamSpec("P")
R = TypeVar("R")
Class = TypeVar("Class", bound=type)


LARGEST = 2**63 - 1
DEVICES = ("cpu", "cuda", "meta")
"""Kinds of devices that are known; any other serves that has float64."""


class _Misfit(Exception):
    """A value is of another type than its annotation; `want` says what is wanted, where the annotation does not."""

    want = ""


class _Giant(_Misfit):
    want = "an integer of 64 bits"


@overload
def checked_call(function: Class) -> Class: ...
@overload
def checked_call(function: Callable[P, R]) -> Callable[P, R]: ...
def checked_call(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function, or a dataclass, so that it refuses arguments of other types than its annotations say.

    Numbers of numpy become Python's, lists become tuples where a tuple is wanted; what an annotation leaves open, or
    what only a type checker can tell, is passed through.

    Raises: (when the function is called) UserError that names the argument, what it must be and what it got; for a name
        that is not an argument, the nearest.

    >>> load("hard-alibi", seed="0")
    UserError: seed must be an integer; got '0'.
    """
    if isinstance(function, type):
        made: Any = function
        made.__init__ = checked_call(made.__init__)
        return made
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = _bound(function, signature, args, kwargs)
        for name, hint in _hints(function).items():
            if name in given.arguments:
                given.arguments[name] = _held(given.arguments[name], hint, name)
        return function(*given.args, **given.kwargs)

    return call


def _bound(
    function: Callable[..., Any], signature: inspect.Signature, args: Any, kwargs: Any
) -> inspect.BoundArguments:
    parameters = signature.parameters
    named = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        for name in kwargs:
            if name not in parameters:
                raise unknown(f"argument of {named}", name, [known for known in parameters if known != "self"])
    try:
        return signature.bind(*args, **kwargs)
    except TypeError as error:
        raise UserError(f"{named} must be called with its own arguments; got others: {error}.") from error


@functools.cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Annotations of a function's single parameters. Those that only a type checker can read are left out."""
    try:
        found = typing.get_type_hints(function, include_extras=True)
    except NameError:
        found = {name: hint for name, hint in function.__annotations__.items() if not isinstance(hint, str)}
    parameters = inspect.signature(function).parameters
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name: hint for name, hint in found.items() if name in parameters and parameters[name].kind not in several}


def _held(value: Any, hint: Any, name: str) -> Any:
    try:
        read = _read(value, hint)
    except _Misfit as misfit:
        wanted = misfit.want or _noun(hint)
        error = UserError(f"{name} must be {wanted}; got {shown(value)}.")
        raise (UserError(f"{error} {advice}") if (advice := _advice(hint)) else error) from None
    if name == "seed" and isinstance(read, int) and read < 0:
        raise UserError(f"seed must be an integer from 0 to {LARGEST}; got {read}.")
    if name == "device" and hint is not str and read is not None:  # a name alone may be `auto`
        _check_device(read)
    return read


def _check_device(asked: Any) -> None:
    """Refuse a device that means nothing, or that this machine does not have: torch would say so much later."""
    import torch  # where devices are asked for it has been imported

    try:
        device = torch.device(asked)
    except RuntimeError:
        device = None
    if device is None or (device.type not in DEVICES and not _holds_floats(device)):
        raise unknown("device", str(asked), DEVICES)
    if device.type == "cuda" and (device.index or 0) >= (found := torch.cuda.device_count()):
        raise UserError(f"device must be one of this machine, which has {found} for CUDA; got {device}. Pass cpu.")


def _holds_floats(device: Any) -> bool:
    """Whether a device of another kind is there, and has the float64 in which much is measured; MPS lacks it."""
    import torch

    try:
        return torch.empty(0, dtype=torch.float64, device=device).device.type == device.type
    except (RuntimeError, TypeError, AssertionError, ImportError):
        return False


def _read(value: Any, hint: Any) -> Any:
    """The value as its annotation has it. Raises: _Misfit."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _read(value, arguments[0])
    if origin in (typing.Union, types.UnionType):
        return _of_union(value, arguments)
    if origin is Literal:
        return _kept(value, any(type(value) is type(word) and value == word for word in arguments))
    if hint is None or hint is types.NoneType:
        return _kept(value, value is None)
    if hint is bool:
        return bool(_kept(value, type(value).__name__ in ("bool", "bool_")))
    if hint in (int, float):
        return _of_number(value, hint)
    if origin is tuple or hint is tuple:
        return _of_tuple(value, arguments)
    if origin in (Sequence, Iterable) or hint in (Sequence, Iterable):
        return _of_sequence(value, arguments)
    if origin is Callable or hint is Callable:
        return _kept(value, callable(value))
    if origin in (Mapping, dict):
        return _kept(value, isinstance(value, Mapping))
    return _kept(value, _is_one(value, origin or hint))


def _kept(value: Any, fits: bool) -> Any:
    if not fits:
        raise _Misfit
    return value


def _is_one(value: Any, kind: Any) -> bool:
    """Whether it is an instance of a class: of an array's annotation, one of its dtype and rank."""
    if not isinstance(kind, type):
        return True
    if hasattr(kind, "dim_str") and getattr(value, "is_sparse", False):
        return False  # it has no elements in their places
    try:
        return isinstance(value, kind)
    except TypeError:  # a protocol that only a type checker can read
        return True


def _of_number(value: Any, kind: type) -> int | float:
    """A number of Python's own; an integer in place of a float stays one, unless it is too large for its bits."""
    _kept(value, isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool))
    number = cast("int | float", getattr(value, "item", lambda: value)())
    if isinstance(number, int) and not -LARGEST <= number <= LARGEST:
        raise _Giant
    return number


def _of_union(value: Any, arms: tuple[Any, ...]) -> Any:
    giant = False
    for arm in arms:
        try:
            return _read(value, arm)
        except _Misfit as misfit:
            giant = giant or isinstance(misfit, _Giant)
    raise _Giant if giant else _Misfit


def _of_tuple(value: Any, kinds: tuple[Any, ...]) -> Any:
    _kept(value, isinstance(value, list | tuple))
    if not kinds:
        return tuple(value)
    if kinds[-1] is Ellipsis:
        return tuple(_read(item, kinds[0]) for item in value)
    _kept(value, len(value) == len(kinds))
    return tuple(_read(item, kind) for item, kind in zip(value, kinds, strict=True))


def _of_sequence(value: Any, kinds: tuple[Any, ...]) -> Any:
    """A sequence stays what it is, a range or an array among them, as long as each of its items fits."""
    listed = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    _kept(value, listed or bool(getattr(value, "ndim", 0)))
    items = [_read(item, kinds[0]) for item in value] if kinds else list(value)
    return items if isinstance(value, list) else tuple(items)


def _advice(hint: Any) -> str:
    """What to do, where a class among the wanted says it of itself, as `ADVICE`; not of those that inherit it."""
    own = (getattr(arm, "__dict__", {}).get("ADVICE", "") for arm in (hint, *typing.get_args(hint)))
    return next(filter(None, own), "")


def _noun(hint: Any) -> str:
    """What an annotation wants, in words: a class may say it of itself, as `WANTED`."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    nouns = {int: "an integer", float: "a number", bool: "True or False", str: "text", Path: "a path"}
    if origin is typing.Annotated:
        return _noun(arguments[0])
    if origin in (typing.Union, types.UnionType):
        arms = sorted(arguments, key=lambda arm: arm is types.NoneType)
        return " or ".join("None" if arm is types.NoneType else _noun(arm) for arm in arms)
    if origin is Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        return f"({', '.join(map(_noun, arguments))})"
    if origin in (tuple, Sequence, Iterable) or hint in (tuple, Sequence, Iterable):
        return f"a list, each of whose items is {_noun(arguments[0])}" if arguments else "a list"
    if origin is Callable or hint is Callable:
        return "a function"
    if origin in (Mapping, dict):
        return "a dict"
    if hasattr(hint, "dim_str"):  # an array's annotation
        return f"a {hint.array_type.__name__} of {hint.dtype.__name__} [{hint.dim_str}]"
    own = getattr(hint, "__dict__", {}).get("WANTED")
    return nouns.get(hint) or own or f"a {getattr(hint, '__name__', hint)}"
