"""The strings of a step: a pure function of the recipe's seed and the step, so that resuming needs no random state.

Every process draws the whole batch and keeps its own rows. The drawing is cheap beside a step, the number of trained
tokens is known everywhere without communication, and a training sees the same strings however many processes share it.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.seeds import numbered_generator
from interp.tasks.base import Batch, Task, need
from interp.tasks.lettered import UniformString
from interp.tasks.packing import pack
from interp.tasks.sampling import draw_lengths, draw_letters, span
from interp.training.recipe import TrainConfig

PURPOSES = ("train", "evaluate", "pass")


def generator_for(seed: int, purpose: Literal["train", "evaluate", "pass"], number: int = 0) -> torch.Generator:
    """A generator of its own for each seed, purpose and number (of a step, say), on the CPU."""
    return numbered_generator(seed, PURPOSES.index(purpose), number)


def draw(task: Task, config: TrainConfig, step: int) -> Batch:
    """The batch of a step, for all processes together, on the CPU.

    Raises: UserError if the recipe wants hard strings of a task that has none.
    """
    generator = generator_for(config.seed, "train", step)
    if config.context is not None:
        return pack(task, config.batch, config.context, config.length, generator, isolate=config.isolate)
    phase = config.phase_at(step)
    length = int(draw_lengths(1, phase.length, generator)) if config.one_length else phase.length
    if phase.hard_letters is None:
        return task.sample(config.batch, length, generator)
    if not isinstance(task, UniformString):
        need(task, "lays_out_letters", "uniform_letters")
    different = torch.full((config.batch,), task.n_letters)
    different[::2] = _sizes(phase.hard_letters, len(different[::2]), generator)
    lengths, (shortest, longest) = draw_lengths(config.batch, length, generator), span(length)
    letters = draw_letters(config.batch, longest, task.n_letters, generator, different)
    if isinstance(task, UniformString):
        return task.ask(letters, lengths)
    return task.layout(letters, None if shortest == longest else lengths)


def _sizes(letters: int | tuple[int, ...], n: int, generator: torch.Generator) -> Int[Tensor, " string"]:
    """Letters of each of `n` hard strings."""
    if isinstance(letters, int):
        return torch.full((n,), letters)
    return torch.tensor(letters)[torch.randint(len(letters), (n,), generator=generator)]


@dataclass(frozen=True)
class Share:
    """One process's rows of a step's batch, and what it must know about the whole."""

    batch: Batch
    processes: int
    trained: int
    """Trained tokens in the rows of all processes."""
    first: int
    """No string is trained before this position; 0 for a model that cannot make use of it."""


def share(
    batch: Batch,
    process: int = 0,
    processes: int = 1,
    device: torch.device | str = "cpu",
    answers_only: bool = False,
) -> Share:
    """Every `processes`-th row from row `process` on, moved to its device.

    Args:
        answers_only: whether the model can leave out what comes before the first answer.
    """
    rows = batch.rows(slice(process, None, processes)).to(device)
    first = int(batch.loss_mask.any(dim=0).int().argmax()) if answers_only else 0
    return Share(rows, processes, int(batch.loss_mask.sum()), first)


def count_examples(batch: Batch) -> int:
    """Strings that are asked for an answer: one per row, or, where they are packed, one per unbroken run of answers."""
    begins = batch.answer[:, 1:] & ~batch.answer[:, :-1]
    return int(begins.sum() + batch.answer[:, 0].sum())
