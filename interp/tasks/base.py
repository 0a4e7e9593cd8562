"""What a model is asked: a `Task` samples a `Batch`, and the batch carries its own answer.

tokens      $  c  a  b  |  c  a  b          CopyTask, 3 letters
targets     c  a  b  |  c  a  b  .          the tokens shifted by one
loss_mask   .  .  .  .  1  1  1  1          what is trained: the answer and the end token
answer      .  .  .  .  1  1  1  .          what is scored: the answer's letters
source     -1 -1 -1 -1  1  2  3 -1          where in `tokens` each answer letter is copied from
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from interp.base.axes import Tokens
from interp.tasks.vocabulary import Vocabulary


@dataclass(frozen=True)
class Batch:
    """Strings, what follows each position, and where it is copied from. See the picture above."""

    tokens: Int[Tensor, "batch pos"]
    targets: Int[Tensor, "batch pos"]
    loss_mask: Bool[Tensor, "batch pos"]
    answer: Bool[Tensor, "batch pos"]
    source: Int[Tensor, "batch pos"]
    segment: Int[Tensor, "batch pos"] | None = None
    """Which packed string a position belongs to, if packed strings are isolated from each other; else None."""

    def __len__(self) -> int:
        return self.tokens.shape[0]

    def to(self, device: torch.device | str) -> "Batch":
        moved = {name: value.to(device) for name, value in vars(self).items() if value is not None}
        return replace(self, **moved)

    def rows(self, index: slice) -> "Batch":
        """Some of the strings, as a batch."""
        return replace(self, **{name: value[index] for name, value in vars(self).items() if value is not None})


class Task(ABC):
    """A vocabulary and a way to draw strings. Implementations are frozen dataclasses of plain JSON values."""

    @property
    @abstractmethod
    def vocabulary(self) -> Vocabulary: ...

    @abstractmethod
    def sample(self, n: int, length: int | tuple[int, int], generator: torch.Generator) -> Batch:
        """Draw `n` strings, vectorised, on the generator's device.

        Args:
            n: number of strings.
            length: letters per string, or (shortest, longest), both included, drawn uniformly for each string.
            generator: the only source of randomness.
        """

    def decode(self, tokens: Tokens) -> list[str]:
        """Token ids as text, one string per row."""
        return [self.vocabulary.decode(row) for row in tokens]
