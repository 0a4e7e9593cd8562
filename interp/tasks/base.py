"""What a model is asked: a `Task` samples a `Batch`, and the batch carries its own answer.

tokens      $  c  a  b  |  c  a  b          CopyTask, 3 letters
targets     c  a  b  |  c  a  b  .          the tokens shifted by one
loss_mask   .  .  .  .  1  1  1  1          what is trained: the answer and the end token
answer      .  .  .  .  1  1  1  .          what is scored: the answer's letters
source     -1 -1 -1 -1  1  2  3 -1          where in `tokens` each answer letter is copied from
copied_from .  1  1  1  .  .  .  .          the same, seen from there; string_start is the first of them, 1
                        ^                   prompt_end, 4: asks for the first letter of the answer

A measurement asks a task for the capabilities that it needs (`need`), never for its class.
"""

from abc import ABC, abstractmethod
from dataclasses import fields, is_dataclass, replace
from typing import Any, ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.axes import Tokens
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.tasks.batch import Batch as Batch
from interp.tasks.batch import ContrastPair as ContrastPair
from interp.tasks.vocabulary import Vocabulary

CAPABILITIES = {
    "lays_out_letters": "lay out given letters and ask for a copy of them",
    "uniform_letters": "draw letters that are independent and uniform",
    "has_prompt_end": "mark the end of the string with a separator before its answer",
    "contrasts": "pair strings with others that differ in known places",
}
"""What a task may be able to do, as the refusal of one that is not says it."""


class Task(ABC):
    """A vocabulary and a way to draw strings. Implementations are frozen dataclasses of plain JSON values.

    A task says by its capabilities what can be asked of it; each is False unless it says otherwise.

    >>> isinstance(interp.CopyTask(), interp.tasks.Task), interp.CopyTask().lays_out_letters
    (True, True)
    """

    needs_separator: ClassVar[bool] = False
    """Whether its vocabulary must have a separator."""
    asked_by: ClassVar[str] = ""
    """The command of a study that asks this task, where most measurements cannot; else empty."""

    @property
    @abstractmethod
    def vocabulary(self) -> Vocabulary:
        """The token ids that the strings are made of."""

    @abstractmethod
    def sample(self, n: int, length: int | tuple[int, int], generator: torch.Generator | int) -> Batch:
        """Draw `n` strings, vectorised, on the CPU whatever the device of the model: a seed means the same strings.

        Args:
            n: number of strings.
            length: letters per string, or (shortest, longest), both included, drawn uniformly for each string.
            generator: the only source of randomness, or a seed.
        """

    @property
    def n_letters(self) -> int:
        """Letters of its alphabet."""
        return self.vocabulary.n_letters

    @property
    def lays_out_letters(self) -> bool:
        """Whether `layout` makes the batch that asks for given letters, one after the other."""
        return False

    @property
    def uniform_letters(self) -> bool:
        """Whether the letters of a string are independent and uniform, so that each holds log2 of their number bits."""
        return False

    @property
    def has_prompt_end(self) -> bool:
        """Whether a separator that is not itself copied asks for the answer, so that a state can be taken before it."""
        return False

    @property
    def contrasts(self) -> bool:
        """Whether `contrast` pairs strings with others that differ in known places."""
        return False

    def layout(self, letters: Int[Tensor, "batch letter"], lengths: Int[Tensor, " batch"] | None = None) -> Batch:
        """Make the batch that asks for these letters, if the task `lays_out_letters`.

        Args:
            letters: letters 0, 1, ... of the alphabet (not token ids).
            lengths: how many of a row's letters are the string; None: all.
        """
        del letters, lengths
        raise refusal(self, "lays_out_letters")

    def background(self, n: int, width: int, generator: torch.Generator) -> Int[Tensor, "batch letter"] | None:
        """Draw letters that repeats are planted into; None: independent and uniform ones."""
        del n, width, generator
        return None

    def contrast(
        self, n: int, length: int | tuple[int, int], generator: torch.Generator | int, place: int | None = None
    ) -> ContrastPair:
        """Draw strings, and beside each another that differs in one letter and so in one answer, if it `contrasts`.

        Args:
            n, length, generator: as in `sample`.
            place: which letter of the answer is asked for, 0, 1, ...; None draws it for each string.
        """
        del n, length, generator, place
        raise refusal(self, "contrasts")

    def over(self, vocabulary: Vocabulary) -> "Task":
        """Ask the same in other token ids, those of another model.

        Raises: UserError for a task without a field `vocab`, or a vocabulary that lacks what the task needs.
        """
        if not is_dataclass(self) or "vocab" not in {field.name for field in fields(self)}:
            raise UserError(
                f"a task must have a field `vocab` to be asked of a model with another vocabulary; got "
                f"{type(self).__name__}. Ask it of models that were trained on it."
            )
        standard = vocabulary == Vocabulary.of_letters(vocabulary.n_letters)
        task: Any = self
        return replace(task, alphabet=vocabulary.n_letters, vocab=None if standard else vocabulary)

    @checked_call
    def decode(self, tokens: Tokens) -> list[str]:
        """Write token ids as text, one string per row."""
        return [self.vocabulary.decode(row) for row in tokens]


@checked_call
def need(task: Task, *capabilities: str) -> None:
    """Refuse a task that cannot do what a measurement needs.

    >>> interp.tasks.need(interp.CopyTask(), "lays_out_letters", "has_prompt_end")

    Args:
        task: the one that a measurement was asked to use.
        capabilities: names of `CAPABILITIES`, which are properties of a task.

    Raises: UserError that names the first capability that it lacks.
    """
    for name in capabilities:
        if not getattr(task, name):
            raise refusal(task, name)


def refusal(task: Task, capability: str) -> UserError:
    """Make the error for a task without a capability."""
    if task.asked_by:
        return UserError(
            f"task must {CAPABILITIES[capability]} ({capability}); got {type(task).__name__}, which does not. "
            f"Ask interp {task.asked_by}, or load(SPEC, task='copy')."
        )
    return UserError(
        f"task must {CAPABILITIES[capability]} ({capability}); got {type(task).__name__}, which does not. "
        "Use CopyTask(), or load(SPEC, task='copy')."
    )
