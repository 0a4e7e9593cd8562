"""What a language model is asked in words, how long, and out of which files."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from interp.base.bounds import LETTERS, STRINGS, Bounds
from interp.base.calls import checked_call

TaskName = Literal["copy", "copy-words", "copy-tokens", "repeat", "phone-book", "key-value", "passkey", "questions"]
"""Names of the tasks; copy and its kin show the text twice, as the paper's code does, repeat shows it once."""


@checked_call
@dataclass(frozen=True)
class LanguageSettings:
    """What is asked. `tiny` is for a look at the machinery, not at a model."""

    tasks: tuple[TaskName, ...] = ("copy", "copy-words", "phone-book", "key-value", "passkey", "questions")
    """Which tasks: copy (the paper's prompt), copy-words and copy-tokens (shuffled), repeat (the text shown once),
    phone-book, key-value, passkey, questions."""
    lengths: tuple[int, ...] = (96, 192, 384)
    """Tokens of the text that is copied or searched, of every task but the next two."""
    entries: tuple[int, ...] = (5, 10, 20)
    """Entries of phone books and of key-value lists."""
    strings: int = 16
    """Prompts of each length."""
    text: str = ""
    """A file of text in UTF-8, to be copied; by default a few paragraphs of this package."""
    names: str = ""
    """A file with a name a line, for phone books; by default one of this package."""
    questions: str = ""
    """A JSON file in SQuAD's format; by default a small set of this package."""
    free_running: bool = False
    """Have copies written by the model, too, from its own output (slower). Teacher-forced, the same ones are right."""

    heads: bool = False
    """Say, too, which heads copy: on random tokens, on text and in look-ups, and what is lost without them."""
    head_length: int = 64
    """Tokens of the texts and random strings that heads are scored and ablated on."""
    head_strings: int = 8
    """Strings of each kind for the heads; entries of their phone books are the second of `entries`, or the first."""
    untrained: int = 3
    """Untrained models that the detector holds the heads against, which says their n; 0: it is not run."""
    state: bool = False
    """Say, too, what the state keeps of texts: bits by length beside the model's own prior, how far back a token
    counts, size and shape, and whose text is predicted from the state of another."""
    state_lengths: tuple[int, ...] = (4, 8, 16, 32)
    """Tokens of the texts that the state is measured behind."""
    state_strings: int = 24
    """Texts of each of these lengths."""

    BOUNDS: ClassVar[Bounds] = {
        "lengths": LETTERS,
        "entries": LETTERS,
        "strings": STRINGS,
        "head_length": LETTERS,
        "head_strings": (2, STRINGS[1]),
        "untrained": (0, 10_000),
        "state_lengths": LETTERS,
        "state_strings": (4, STRINGS[1]),
    }

    @classmethod
    def tiny(cls) -> "LanguageSettings":
        """Two short tasks, few prompts."""
        return cls(tasks=("copy", "key-value"), lengths=(8,), entries=(2,), strings=4)
