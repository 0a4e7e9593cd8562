"""`TextTask`: a task that is asked in words, and how what a model writes is scored."""

import re
import string
from abc import abstractmethod
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import torch

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.seeds import as_generator
from interp.tasks.base import Task
from interp.tasks.batch import Batch
from interp.tasks.text.prompts import Prompt, Writer, lay_out
from interp.tasks.vocabulary import Vocabulary

ARTICLES = re.compile(r"\b(a|an|the)\b")


@dataclass(frozen=True)
class TextTask(Task):
    """A task asked in words. `prompts` writes them; `sample` lays them out."""

    writer: Writer
    """The tokenizer of the model that is asked."""

    unit: ClassVar[str] = "tokens"
    """What a length counts."""
    ends: ClassVar[str] = "\n"
    """Where a written answer is cut off."""

    @property
    def vocabulary(self) -> Vocabulary:
        return self.writer.vocabulary

    @abstractmethod
    def one(self, length: int, generator: torch.Generator) -> Prompt:
        """Write one prompt of a length."""

    def prompts(self, n: int, length: int | tuple[int, int], generator: torch.Generator | int) -> tuple[Prompt, ...]:
        """Write `n` prompts.

        Args:
            n: how many.
            length: of what is copied or searched, in `unit`; or (shortest, longest), drawn for each.
            generator: the only source of randomness, or a seed.

        Raises: UserError for a length that the text does not have, or a prompt beyond the model's context.
        """
        drawn = as_generator(generator)
        low, high = (length, length) if isinstance(length, int) else length
        if low < 1 or high < low:
            raise UserError(f"length must be at least 1 of {self.unit}; got {length}.")
        return tuple(self.one(low + draw(high - low + 1, drawn), drawn) for _ in range(n))

    def sample(self, n: int, length: int | tuple[int, int], generator: torch.Generator | int) -> Batch:
        return lay_out(self.prompts(n, length, generator), self.vocabulary.pad)

    def cut(self, written: str) -> str:
        """Return what counts of what a model wrote: what stands before `ends`, without blanks around it."""
        return written.split(self.ends)[0].strip()

    def exact(self, prompt: Prompt, written: str) -> float:
        """Return 1 for a right answer, sign for sign, else 0."""
        return float(any(self.cut(written) == right.strip() for right in prompt.accepted))


def draw(n: int, generator: torch.Generator) -> int:
    """Draw a whole number below n."""
    return int(torch.randint(n, (), generator=generator))


@checked_call
def normalised(answer: str) -> str:
    """Return an answer as SQuAD compares it: small letters, no punctuation, no articles, single blanks.

    >>> normalised("The  Cat's house.")
    'cats house'
    """
    bare = "".join(sign for sign in answer.lower() if sign not in string.punctuation)
    return " ".join(ARTICLES.sub(" ", bare).split())


def exact_match(answer: str, accepted: tuple[str, ...]) -> float:
    """Return 1 if an answer is one of those accepted, normalised; else 0."""
    return float(any(normalised(answer) == normalised(right) for right in accepted))


@checked_call
def f1(answer: str, accepted: tuple[str, ...]) -> float:
    """Return the best harmonic mean of precision and recall over words, normalised, as SQuAD scores it.

    >>> round(f1("in the old town", ("the old town hall",)), 3)
    0.667
    """
    return max(_f1(normalised(answer).split(), normalised(right).split()) for right in accepted)


def _f1(told: list[str], right: list[str]) -> float:
    if not told or not right:
        return float(told == right)
    shared = sum((Counter(told) & Counter(right)).values())
    return 2 * shared / (len(told) + len(right))
