"""Texts that prompts are made of, and lists of names: from any file, cut to an exact number of tokens."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from interp.base.errors import InterpError, UserError, shortened
from interp.base.files import read_json
from interp.base.paths import expanded, is_file
from interp.tasks.text.prompts import Writer

ROUNDS = 1000
"""Places of a text that are tried before it is said that none serves."""
OWN = Path(__file__).parent / "data"
"""Names and questions that come with this package."""


@dataclass(frozen=True)
class Corpus:
    """A text. Whatever separates its words is one blank in prompts, as in the paper's code.

    Raises: UserError for an empty text.
    """

    text: str
    name: str = "a text"

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise UserError(f"text must have words; got {self.name}, which is empty. Name another file.")

    @classmethod
    def read(cls, path: str | Path = "") -> "Corpus":
        """Read a text file; without a path, the paragraphs that come with this package.

        Raises: UserError for a file that is not there, or is not text in UTF-8; InterpError for one that is not
            readable.
        """
        if str(path):
            return cls(read_text(expanded(path, "text")), str(path))
        document = read_json(OWN / "questions.json", "a set of questions")
        paragraphs = (p["context"] for article in document["data"] for p in article["paragraphs"])
        return cls(" ".join(paragraphs), "the text of this package")

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Words in order, with their punctuation."""
        return tuple(self.text.split())

    def cut(self, writer: Writer, tokens: int, generator: torch.Generator) -> str:
        """Cut out whole words that are exactly so many tokens, from a place drawn at random.

        Raises: UserError for a text that is too short.
        """
        for _ in range(ROUNDS):
            last = max(1, len(self.words) - tokens // 2)
            start = int(torch.randint(last, (), generator=generator))
            piece = " ".join(self.words[start : start + tokens])
            found, offsets = writer.encode(piece)
            if len(found) < tokens:
                continue
            end = offsets[tokens - 1][1]
            piece, rest = piece[:end], piece[end:]
            if (not rest or rest.startswith(" ")) and writer.count(piece) == tokens:
                return piece
        raise UserError(
            f"text must hold whole words of exactly {tokens} tokens; got {self.name}, of "
            f"{len(self.words)} words. Name a longer text."
        )


def read_text(file: Path) -> str:
    """Read a text file.

    Raises: UserError for a file that is not there, or is not text in UTF-8; InterpError for one that cannot be read.
    """
    if not is_file(file):
        raise UserError(f"text must be a file; got {shortened(str(file))}, where there is none. Check the path.")
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"text must be in UTF-8; got {file}, which is not. Convert it.") from None
    except OSError as error:
        raise InterpError(f"text at {file} must be readable; got an error ({error.strerror or error}).") from error


def read_names(path: str | Path = "") -> tuple[str, ...]:
    """Read a list of names, one a line, each once; without a path, the one that comes with this package.

    Raises: UserError for a file without names, and as `read_text`.
    """
    file = expanded(path, "names") if str(path) else OWN / "names.txt"
    names = tuple(dict.fromkeys(line.strip() for line in read_text(file).splitlines() if line.strip()))
    if not names:
        raise UserError(f"names must be a file with a name a line; got {file}, which has none. Name another file.")
    return names
