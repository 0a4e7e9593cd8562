"""Fields of a dataclass from the text after a question mark, `n=3&key=prefix`, and back."""

import dataclasses
import types
import typing
from typing import Any
from urllib.parse import parse_qsl, urlencode

from interp.base.errors import UserError, shown, unknown

WORDS = {"true": True, "yes": True, "false": False, "no": False}


def parse(options: str, cls: type, what: str) -> dict[str, Any]:
    """Read fields by the types that the class gives them.

    Args:
        options: `n=3&key=prefix`.
        cls: a dataclass; its fields of plain types (int, float, bool, text, a choice, or None) can be given.
        what: its name in a refusal.

    Raises: UserError for text of another form, an unknown field, a field given twice, or a value of another type.
    """
    hints = typing.get_type_hints(cls)
    plain = {field.name: hints[field.name] for field in dataclasses.fields(cls) if _types(hints[field.name])}
    try:
        pairs = parse_qsl(options, keep_blank_values=True, strict_parsing=True, max_num_fields=100)
    except ValueError:
        raise UserError(f"options of {what} must be written name=value&name=value; got {shown(options)}.") from None
    found: dict[str, Any] = {}
    for name, text in pairs:
        if name not in plain:
            raise unknown(f"field of {what}", name, plain)
        if name in found:
            raise UserError(f"{name} of {what} must be given once; got it twice in {shown(options)}.")
        found[name] = _value(name, text, plain[name])
    return found


def write(kind: str, value: Any) -> str:
    """Write a dataclass as its name and those of its plain fields that are not at their defaults."""
    hints = typing.get_type_hints(type(value))
    changed = {
        field.name: getattr(value, field.name)
        for field in dataclasses.fields(value)
        if _types(hints[field.name]) and getattr(value, field.name) != field.default
    }
    words = {name: str(item).lower() if isinstance(item, bool | None) else item for name, item in changed.items()}
    return f"{kind}?{urlencode(words)}" if words else kind


def _types(hint: Any) -> tuple[Any, ...]:
    """The plain types, None and choices that a field may hold; none where it may hold something else."""
    if typing.get_origin(hint) is typing.Literal:
        return typing.get_args(hint)
    parts = (
        typing.get_args(hint) if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union else ()
    )
    if parts:
        found = [_types(part) for part in parts]
        return tuple(item for of_part in found for item in of_part) if all(found) else ()
    return (hint,) if hint in (int, float, bool, str, type(None)) else ()


def _value(name: str, text: str, hint: Any) -> Any:
    """The text as the first type of the hint that it can be.

    Raises: UserError that says what it must be.
    """
    allowed = _types(hint)
    for kind in allowed:
        if kind is type(None) and text.lower() == "none":
            return None
        if kind is bool and text.lower() in WORDS:
            return WORDS[text.lower()]
        if not isinstance(kind, type) and text == str(kind):
            return kind
        if kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
        if kind is str:
            return text
    said = {int: "an integer", float: "a number", bool: "yes or no", str: "text", type(None): "none"}
    wanted = " or ".join(said[kind] if isinstance(kind, type) else repr(kind) for kind in allowed)
    raise UserError(f"{name} must be {wanted}; got {shown(text)}.")
