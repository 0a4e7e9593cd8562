"""What `--help` says of an option: its docstring as one paragraph, and its default where that says something.

A rule for tyro, which leaves each line break of an attribute's docstring where the source has it, and shows defaults
such as None beside a sentence that says what is done by default.
"""

from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import tyro
from docstring_parser import parse_from_object
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructFieldSpec, StructTypeInfo

WORDLESS = ("None", "", "''", "False")
"""Defaults that say nothing: the docstring says what is done without the option."""

registry = ConstructorRegistry()
"""For `tyro.cli`: how dataclasses become options."""


@registry.struct_rule
def _options(info: StructTypeInfo) -> StructConstructorSpec | None:
    """Take the fields of a dataclass as tyro itself would, with their help in our words."""
    if not is_dataclass(info.type):
        return None
    given = [_field(each, info) for each in fields(info.type)]
    return StructConstructorSpec(instantiate=info.type, fields=tuple(given))


def _field(field: Field[Any], info: StructTypeInfo) -> StructFieldSpec:
    default = getattr(info.default, field.name, _own_default(field))
    hint, metavar = _hint(default), _metavar(field.type)
    shown: Any = Annotated[field.type, tyro.conf.arg(help_behavior_hint=hint, metavar=metavar)]
    plain = field.name == "settings" or is_dataclass(default)
    return StructFieldSpec(
        name=field.name,
        type=field.type if plain or _is_repeatable(field.type) else shown,  # pyright: ignore[reportArgumentType]
        default=default,
        helptext=lambda: _paragraph(info.type, field.name),
    )


def _own_default(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else tyro.MISSING_NONPROP


def _hint(default: Any) -> Callable[[str], str]:
    """What stands behind the paragraph. A switch that is on by default has an option that turns it off."""
    if default is True:
        return lambda _: "(on, unless this is given)"
    return lambda label: "" if label in WORDLESS else f"(default: {label})"


def _metavar(annotation: Any) -> str | None:
    """`INT INT` for a tuple that may be None, which tyro puts into braces; None: as tyro has it."""
    if get_origin(annotation) not in (UnionType, Union):
        return None
    held = [each for each in get_args(annotation) if each is not NoneType]
    if len(held) != 1 or get_origin(held[0]) is not tuple:
        return None
    inner = [each.__name__.upper() for each in get_args(held[0]) if each is not Ellipsis]
    return f"[{inner[0]} [{inner[0]} ...]]" if Ellipsis in get_args(held[0]) else " ".join(inner)


def _is_repeatable(annotation: Any) -> bool:
    return tyro.conf.UseAppendAction in get_args(annotation)


@cache
def _paragraph(options: type[Any], name: str) -> str | None:
    """The docstring of a field, of the class that has it, on one line."""
    for owner in options.__mro__:
        for each in parse_from_object(owner).params if owner is not object else ():
            if each.arg_name == name and each.description:
                return " ".join(each.description.split())
    return None
