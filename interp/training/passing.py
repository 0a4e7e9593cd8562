"""State passing: strings that start from the state that another string has left (Buitrago Ruiz & Gu 2025).

A model that is trained from an empty state alone has never seen the states that longer strings lead to. The other
strings are drawn for the purpose, and read by the weights of the moment, without gradients: so a training is still a
pure function of its recipe and can be resumed.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from interp.base.errors import UserError
from interp.models.recurrent.model import RecurrentModel
from interp.tasks.base import Task
from interp.tasks.sampling import draw_lengths
from interp.training.data import generator_for
from interp.training.recipe import TrainConfig

States = list[Any]
Passing = Callable[[int], States | None]
"""Step -> what each row of this process starts from; None for an empty state."""


def make_passing(
    model: nn.Module,
    task: Task,
    config: TrainConfig,
    process: int = 0,
    processes: int = 1,
    device: torch.device | str = "cpu",
) -> Passing:
    """Make what says, step by step, which states the rows of a process start from.

    Each other string has one length, drawn from those of the recipe for the whole batch: nothing is padding, and its
    state is the one behind its last token. A row starts from an empty state with probability 1 - `pass_state`.

    Raises: UserError for a model with a layer whose past is not a state of fixed size.
    """
    if config.pass_state == 0:
        return lambda _: None
    if not isinstance(model, RecurrentModel) or model.attention is not None:
        raise UserError(
            f"pass_state must be 0 for a model whose layers are not all recurrent; got {config.pass_state}. Leave it "
            "out."
        )
    return lambda step: _states_before(model, task, config, step, slice(process, None, processes), device)


@torch.no_grad()
def _states_before(
    model: RecurrentModel, task: Task, config: TrainConfig, step: int, rows: slice, device: torch.device | str
) -> States:
    generator = generator_for(config.seed, "pass", step)
    length = int(draw_lengths(1, config.phase_at(step).length, generator))
    others = task.sample(config.batch, length, generator).tokens[rows].to(device)
    passed = (torch.rand(config.batch, generator=generator) < config.pass_state)[rows].to(device)
    past = model.new_past()
    model(others, return_type=None, past=past)
    for state in past:
        state.parts = {name: part * passed.view(-1, *[1] * (part.ndim - 1)) for name, part in state.parts.items()}
    return past
