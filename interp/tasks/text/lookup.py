"""Looking up a number by its name: the phone book of the paper, and pairs of keys and values."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from interp.base.errors import UserError, shown
from interp.tasks.text.base import TextTask, draw
from interp.tasks.text.corpus import ROUNDS, read_names
from interp.tasks.text.prompts import Prompt, Writer


@dataclass(frozen=True)
class Lookup(TextTask):
    """Write the number of a name: entries a line, a blank line, solved entries, a blank line, a name and a colon.

    A length counts entries, as in the paper, or exactly the tokens of the book with its line ends.

    Raises: UserError for a name that stands twice, or that cannot be told from its number.
    """

    names: tuple[str, ...]
    """Each once: a name stands in a book once at most, unlike in the paper's code."""
    digits: int = 10
    first: str = "6789"
    """Digits that a number can begin with."""
    solved: int = 2
    """Entries, not the one that is asked for, that are shown once more before it."""
    per: Literal["entries", "tokens"] = "entries"

    def __post_init__(self) -> None:
        odd = [name for name in self.names if ": " in name or "\n" in name or not name.strip()]
        if odd:
            raise UserError(
                f"names must have letters, and neither a line end nor a colon before a blank, which stands before a "
                f"number; got {shown(odd[0])}. Leave it out."
            )
        if twice := [name for name, times in Counter(self.names).items() if times > 1]:
            raise UserError(f"names must be different from each other; got {shown(twice[0])} twice. Leave one out.")

    @property
    def unit(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What a length counts."""
        return self.per

    def one(self, length: int, generator: torch.Generator) -> Prompt:
        lines = self._entries(length, generator) if self.per == "entries" else self._tokens(length, generator)
        if len(lines) <= self.solved:
            raise UserError(
                f"length must leave more than {self.solved} entries, those that are shown solved; got {len(lines)}. "
                "Ask for a longer book."
            )
        chosen = torch.randperm(len(lines), generator=generator)[: self.solved + 1].tolist()
        asked, shown = chosen[0], chosen[1:]
        name, number = lines[asked].split(": ")
        book = "\n".join(lines) + "\n"
        solved = "".join(f"{lines[i]}\n" for i in shown)
        text = book + (f"\n{solved}" if shown else "") + f"\n{name}:"
        start = sum(len(line) + 1 for line in lines[:asked]) + len(name) + 1
        answer = f" {number}"
        return self.writer.prompt(text, answer, [(0, start, len(answer))], length, (number,))

    def _line(self, name: str, generator: torch.Generator) -> str:
        rest = (str(draw(10, generator)) for _ in range(self.digits - 1))
        return f"{name}: {self.first[draw(len(self.first), generator)]}{''.join(rest)}"

    def _entries(self, length: int, generator: torch.Generator) -> list[str]:
        if length > len(self.names):
            raise UserError(
                f"length must be at most {len(self.names)} entries, as many as there are different names; got "
                f"{length}. Name a longer list."
            )
        chosen = torch.randperm(len(self.names), generator=generator)[:length]
        return [self._line(self.names[i], generator) for i in chosen]

    def _tokens(self, length: int, generator: torch.Generator) -> list[str]:
        """Entries that are exactly so many tokens together: one of those taken is exchanged until they are."""
        for _ in range(ROUNDS):
            order = torch.randperm(len(self.names), generator=generator).tolist()
            pool = [self._line(self.names[i], generator) for i in order[: length // 2 + 8]]
            sizes = [self.writer.count(f"{line}\n") for line in pool]
            taken, total = 0, 0
            while taken < len(pool) and total + sizes[taken] <= length:
                total, taken = total + sizes[taken], taken + 1
            lines = _exchanged(pool, sizes, taken, length - total)
            if lines and self.writer.count("\n".join(lines) + "\n") == length:
                return lines
        raise UserError(
            f"length must be that of whole entries of the list of names; got {length} tokens, for which none were "
            "found. Ask for another length, or name a longer list."
        )


def _exchanged(pool: Sequence[str], sizes: Sequence[int], taken: int, missing: int) -> list[str]:
    """The first entries, one of them exchanged for one that is longer by what is missing; [] where there is none."""
    for here in range(taken if missing else 0):
        for there in range(taken, len(pool)):
            if sizes[there] - sizes[here] == missing:
                return [*pool[:here], pool[there], *pool[here + 1 : taken]]
    return [] if missing else list(pool[:taken])


def phone_book(writer: Writer, names: Sequence[str] | None = None, **options: Any) -> Lookup:
    """Return the paper's phone book: numbers of ten digits that begin with 6 to 9, and two solved entries."""
    return Lookup(writer, tuple(read_names() if names is None else names), **options)


def key_values(writer: Writer, keys: Sequence[str] | None = None, **options: Any) -> Lookup:
    """Return the key-value probe: a word and a number of three digits a line, and a word that asks for its own."""
    words = sorted({name.split()[-1].lower() for name in read_names()}) if keys is None else keys
    return Lookup(writer, tuple(words), **({"digits": 3, "first": "123456789", "solved": 0} | options))
