"""`interp COMMAND ...`: which command it is, and where it ends."""

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from interp.base.errors import UserError
from interp.cli.commands import command, names
from interp.cli.endings import end
from interp.cli.streams import say

HELP = ("-h", "--help", "help")
VERSION = ("-V", "--version")


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command `interp`.

    Args:
        args: the command line, without the program's name; None: that of this process.
    """
    words = list(sys.argv[1:] if args is None else args)
    end(lambda: _dispatch(words))


def run_command(name: str, args: Sequence[str] | None = None, says: str | None = None) -> NoReturn:
    """Run one command of `interp` as a program of its own, as the scripts of `analyses/` do.

    Args:
        name: of the command.
        args: the command line, without the program's name; None: that of this process.
        says: what `--help` says first; None: what it says of the command.
    """
    words = list(sys.argv[1:] if args is None else args)
    end(lambda: _run(name, words, f"python {sys.argv[0]}", says))


def _dispatch(words: list[str]) -> None:
    if len(words) > 1 and words[0] == "help":
        words = [*words[1:], "--help"]
    if not words or words[0] in HELP:
        say(_overview())
        return
    name, *rest = words
    if name in VERSION:
        from interp import __version__

        say(f"interp {__version__}")
        return
    if name.startswith("-"):
        raise UserError(f"the first word after interp must be a command; got {name}. Put options after the command.")
    _run(name, rest, f"interp {name}")


def _run(name: str, args: list[str], called: str, says: str | None = None) -> None:
    # Read when torch is loaded. On busy cores OpenMP's threads otherwise burn, waiting for each other, more than they
    # save: a training step on two such cores took ten times as long as on one.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with _uncollected():
        from interp.cli.parsing import parse  # and tyro with it, which the overview does without

        found = command(name)
        options, tiny = found.options()
        chosen = parse(options, args, says or found.says(called), called, tiny)
    found.work(chosen)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Imports and parsing leave next to no garbage: looking for it is a tenth of the time that `--help` takes."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _overview() -> str:
    lines = [f"  {name:10}{command(name).question}" for name in names()]
    return "\n".join(
        [
            "usage: interp COMMAND [OPTIONS]",
            "",
            "How does a sequence model copy? Every command leaves a page, or a model, and the numbers behind it.",
            "",
            *lines,
            "",
            "interp COMMAND --help, or interp help COMMAND, lists its options; interp -V prints the version.",
        ]
    )
