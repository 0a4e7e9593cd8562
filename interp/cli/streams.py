"""Stdout and stderr that outlive their reader, and lines and tables for whoever reads them.

A reader that goes away (`interp heads | head -1`), a full disk behind a redirection or a terminal that knows only ASCII
must not cost the result: what cannot be printed is dropped or spelt out, and the work continues.
"""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interp.studies.study import Table

IN_ASCII = {0x2192: "->", 0x2212: "-", 0x2013: "-", 0x2026: "...", 0xD7: "x", 0xB1: "+-", 0x2264: "<=", 0x2265: ">="}
"""Arrow, minus, dash, dots, times, plus or minus, at most, at least: what our own sentences and tables hold."""
WIDE = 10_000
"""Columns of what is not a terminal: lines there are never folded."""


class Lasting:
    """A text stream (whatever a terminal, a test or a notebook calls one) whose failures to write end in silence."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or drop what cannot be written. Returns: the number of characters."""
        with self._or_nowhere():
            self._stream.write(in_encoding(text, self._stream.encoding))
        return len(text)

    def flush(self) -> None:
        """Flush, or drop what waits."""
        with self._or_nowhere():
            self._stream.flush()

    @contextmanager
    def _or_nowhere(self) -> Iterator[None]:
        """Point a stream that failed at nothing, with what it still holds and what libraries write."""
        try:
            yield
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            with suppress(OSError, ValueError):
                os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def lasting_streams() -> Iterator[None]:
    """Within it, nothing that is written to stdout or stderr fails."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (Lasting(_open(stream, fd)) for fd, stream in ((1, sys.stdout), (2, sys.stderr)))
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = before


def _open(stream: Any, fd: int) -> Any:
    """The stream; if it was closed from the start, one that leads nowhere.

    It takes the place of the closed one among the file descriptors, which the next file to be opened would have had.
    """
    if stream is not None:
        return stream
    nowhere = os.open(os.devnull, os.O_WRONLY)
    if nowhere != fd:
        os.dup2(nowhere, fd)
        os.close(nowhere)
    return open(fd, "w", encoding="utf-8", closefd=False)


def in_encoding(text: str, encoding: str | None) -> str:
    """The text with what the encoding of a stream lacks spelt out: an arrow as ->, other characters as \\xe9."""
    encoding = encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(IN_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    return text


def say(text: str = "") -> None:
    """Print a line, at once: whoever reads through a pipe sees it when a person at the terminal would."""
    print(text, flush=True)


def say_paragraph(text: str) -> None:
    """Print a paragraph: folded between words at a terminal, which would fold within them; one line elsewhere."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDE
    lines = text.split("\n")
    say("\n".join(textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False) for line in lines))


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> None:
    """Print a table: the first column aligned to the left, the others to the right; folded only at a terminal.

    `note` stands below.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDE
    table = Table(box=None, pad_edge=False)
    for at, column in enumerate(columns):
        side = "right" if at else "left"
        table.add_column(
            Text(in_encoding(column, sys.stdout.encoding)), justify=side, overflow="fold", header_style="bold"
        )
    for row in rows:
        table.add_row(*(Text(in_encoding(cell, sys.stdout.encoding)) for cell in row))
    say(f"\n{title}" if title else "")
    console.print(table)
    if note:
        say_paragraph(note)


def show_tables(tables: Iterable["Table"]) -> None:
    """Print each table of a study or an experiment."""
    for table in tables:
        show_table(table.title, table.columns, table.rows, table.note)
