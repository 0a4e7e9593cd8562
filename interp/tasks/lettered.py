"""What tasks over an alphabet share: its size or its token ids, how it is split where letters play two roles, and the
contrast of two strings that differ in one letter, and how a string of uniform letters is drawn."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError, shown
from interp.base.seeds import as_generator
from interp.tasks.base import Batch, ContrastPair, Task
from interp.tasks.contrast import change_one_letter
from interp.tasks.sampling import Length, draw_lengths, draw_letters, span
from interp.tasks.vocabulary import Vocabulary


@dataclass(frozen=True)
class OverLetters(Task):
    """A task over an alphabet, whose strings end in a separator (if one is needed), which asks for the answer."""

    needs_separator: ClassVar[bool] = True
    fewest_letters: ClassVar[int] = 2
    """Letters that its alphabet must have."""
    alphabet: int = 26
    """Number of letters; with `vocab`, the number that it has."""
    vocab: Vocabulary | None = None
    """Token ids, where they are not those of `Vocabulary.of_letters(alphabet)`."""

    def __post_init__(self) -> None:
        if self.needs_separator and self.vocabulary.separator is None:
            raise UserError(
                f"the vocabulary of {type(self).__name__} must have a separator before the answer; got none."
            )
        object.__setattr__(self, "alphabet", self.vocabulary.n_letters)
        if self.alphabet < self.fewest_letters:
            raise UserError(
                f"alphabet must be at least {self.fewest_letters} letters for {type(self).__name__}; got "
                f"{self.alphabet}."
            )

    @property
    def vocabulary(self) -> Vocabulary:
        return self.vocab or Vocabulary.of_letters(self.alphabet)

    @property
    def has_prompt_end(self) -> bool:
        return self.vocabulary.separator is not None


@dataclass(frozen=True)
class OneLetterContrasts(OverLetters):
    """A task whose contrasts change one letter of the string, and all that is copied from it."""

    @property
    def contrasts(self) -> bool:
        return True

    @property
    def answer_letters(self) -> range:
        """Letters, 0, 1, ..., that an answer is made of."""
        return range(self.n_letters)

    @checked_call
    def contrast(
        self, n: int, length: Length, generator: torch.Generator | int, place: int | None = None
    ) -> ContrastPair:
        """Draw strings, and beside each another with one letter changed, in the string and in the answer.

        Args:
            place: which letter of the answer, 0, 1, ...; None draws it for each string.
        """
        generator = as_generator(generator)
        batch = self.sample(n, length, generator)
        return change_one_letter(batch, self.vocabulary, generator, place, self.answer_letters)


@dataclass(frozen=True)
class UniformString(OneLetterContrasts):
    """A task that draws one string of independent uniform letters, and asks something about it (`ask`)."""

    needs_separator: ClassVar[bool] = False
    fewest_letters: ClassVar[int] = 1

    @property
    def uniform_letters(self) -> bool:
        return True

    @checked_call
    def sample(self, n: int, length: Length, generator: torch.Generator | int) -> Batch:
        """Draw `n` strings; see `Task.sample`."""
        generator = as_generator(generator)
        lengths = draw_lengths(n, length, generator)
        return self.ask(draw_letters(n, span(length)[1], self.n_letters, generator), lengths)

    @abstractmethod
    def ask(self, letters: Int[Tensor, "batch letter"], lengths: Int[Tensor, " batch"]) -> Batch:
        """Make the batch that asks about the first `lengths` letters of each row."""


@dataclass(frozen=True)
class InHalves(OverLetters):
    """A task whose first letters (half of them, rounded up) are asked with and whose last letters are the answer."""

    fewest_letters: ClassVar[int] = 4

    @property
    def n_keys(self) -> int:
        """Letters of the first half: keys, names, what surrounds a passkey."""
        return -(-self.n_letters // 2)

    @property
    def n_values(self) -> int:
        """Letters of the second half: values, digits."""
        return self.n_letters // 2

    @property
    def answer_letters(self) -> range:
        """Letters of the second half, as letters of the whole alphabet."""
        return range(self.n_keys, self.n_letters)


def check_count(name: str, value: int, least: int = 1) -> None:
    """Refuse what counts nothing. Raises: UserError that names it."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UserError(f"{name} must be an integer of at least {least}; got {shown(value)}.")
