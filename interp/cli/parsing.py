"""Parse a command line into options, by tyro; numbers and text that nothing could use are refused before any work.

`--tiny` changes the defaults and nothing else: what is given beside it counts. So the line is read twice, the second
time with the defaults of a quick look.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args

import tyro

from interp.base.bounds import check_bounds
from interp.base.errors import UserError, shortened
from interp.cli.help import registry

Options = TypeVar("Options")
LARGEST_SEED = 2**32 - 1
LARGEST = 2**63 - 1
PLAIN = (tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone)
"""`--tiny`, without `--no-tiny`; PATH, not {None}|PATH."""


def parse(
    options: type[Options], args: Sequence[str], says: str = "", prog: str | None = None, tiny: Options | None = None
) -> Options:
    """Read a command line. `--help` and what tyro cannot read leave here, with 0 and 2.

    Args:
        options: a dataclass.
        args: the command line, without the program's name.
        says: what `--help` says first.
        prog: how the command is called.
        tiny: the options with the defaults of `--tiny`.

    Raises: UserError for values that nothing could use.
    """
    for arg in args:
        _refuse_other_bytes(arg)
    _refuse_loose_word(options, args, prog)

    def read(default: Any) -> Options:
        return tyro.cli(
            options, args=args, description=says, prog=prog, default=default, config=PLAIN, registry=registry
        )

    chosen = read(tyro.MISSING_NONPROP)
    if tiny is not None and getattr(chosen, "tiny", False):
        chosen = read(tiny)
    refuse_what_cannot_be(chosen)
    check_bounds(chosen, _option)
    return chosen


def refuse_what_cannot_be(options: Any) -> None:
    """Raises: UserError for a seed that no generator takes, an integer past 64 bits, a number that is not finite."""
    for name, value in _numbers(options):
        if name == "--seed" and not 0 <= value <= LARGEST_SEED:
            raise UserError(f"--seed must be an integer from 0 to {LARGEST_SEED}; got {_short(value)}.")
        if isinstance(value, int) and abs(value) > LARGEST:
            raise UserError(f"{name} must be a 64-bit integer; got {_short(value)}.")
        if isinstance(value, int) and value < (least := _least(name)):
            raise UserError(f"{name} must be an integer of at least {least}; got {_short(value)}.")
        if not math.isfinite(value):
            raise UserError(f"{name} must be finite; got {value}.")


def _least(name: str) -> int:
    """The smallest integer that an option takes: what is measured needs a string; nothing is less than none."""
    counts = name.endswith("-strings") or "." in name
    return 1 if counts else 0


def _numbers(value: Any, name: str = "-") -> Iterator[tuple[str, int | float]]:
    """Every number of the options, with the option that it belongs to."""
    if is_dataclass(value):
        for field in fields(value):
            # The settings of a study are options of their own, without a prefix.
            inner = name if field.name == "settings" else f"{name}{'.' if name != '-' else '-'}{_dashed(field.name)}"
            yield from _numbers(getattr(value, field.name), inner)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _numbers(item, name)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _numbers(item, name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, value


def _option(path: str) -> str:
    """The option of a field: the settings of a study are options of their own, without a prefix."""
    return f"--{_dashed(path.removeprefix('settings.'))}"


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _short(number: int | float) -> str:
    """The number, or how long it is: one of 5,000 digits says nothing more."""
    digits = str(abs(number)) if abs(number) < 10**40 else ""
    return f"{'-' if number < 0 else ''}{digits}" if digits else "one of more than 40 digits"


def _refuse_loose_word(options: type[Any], args: Sequence[str], prog: str | None) -> None:
    """Raises: UserError if the line begins with a word that is no option, where every value belongs to one."""
    if not args or args[0].startswith("-") or any(tyro.conf.Positional in get_args(f.type) for f in fields(options)):
        return
    named = any(field.name == "model" for field in fields(options))
    do = f"Write --model {shortened(args[0])}, or see" if named else "See"
    raise UserError(
        f"the first word after {prog or 'the command'} must be an option; got {shortened(args[0])}. {do} --help."
    )


def _refuse_other_bytes(arg: str) -> None:
    try:
        arg.encode()
    except UnicodeEncodeError as error:
        shown = arg.encode(errors="backslashreplace").decode()
        raise UserError(
            f"the command line must be UTF-8; got {shown}. Rename the file: results record the command that made them."
        ) from error
