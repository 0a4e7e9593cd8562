"""Numbers of the state ablated before the answer: set to zero, to their mean, or to another string's.

Beside each stands the same done to as many numbers drawn at random, several times; where all of the state is taken
away, there are no others to draw.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.errors import UserError, unknown
from interp.base.estimates import crossed_interval, difference_interval
from interp.base.seeds import as_generator
from interp.measure.state import parts
from interp.measure.state.blocks import carry_all, each_block
from interp.measure.state.carried import Carried, answer_logits
from interp.measure.state.decay import log_decays
from interp.measure.state.parts import Choice
from interp.models.hooks.model import HookedModel
from interp.results.state import StateAblation
from interp.tasks.base import Batch, Task, need

CONTROLS = 8
"""Random sets of numbers that each choice is held against."""


def zeros(state: Carried, generator: torch.Generator) -> Carried:  # noqa: ARG001
    """Replace every number of the state by 0."""
    return state.edited({name: torch.zeros_like(part) for name, part in state.parts.items()})


def means(state: Carried, generator: torch.Generator) -> Carried:  # noqa: ARG001
    """The mean over the strings, in every string."""
    return state.edited({name: part.mean(dim=0, keepdim=True).expand_as(part) for name, part in state.parts.items()})


def others(state: Carried, generator: torch.Generator) -> Carried:
    """Each string has another's."""
    n = len(next(iter(state.parts.values())))
    shift = int(torch.randint(1, n, (), generator=generator))
    return state.rows(torch.arange(n).roll(shift))


KINDS: dict[str, Callable[[Carried, torch.Generator], Carried]] = {"zero": zeros, "mean": means, "resample": others}
"""What replaces the numbers that are ablated."""


@torch.no_grad()
def state_ablations(
    model: HookedModel,
    task: Task,
    length: int,
    strings: int,
    generator: torch.Generator | int,
    kinds: tuple[str, ...] = ("zero", "mean", "resample"),
) -> tuple[StateAblation, ...]:
    """Take each layer's state, the windows and each band of time constants away, in every way of `kinds`.

    Args:
        model: carries a state from call to call.
        task: draws the strings.
        length: their letters.
        strings: how many.
        generator: draws them, the random controls and the strings that others are given; or a seed.
        kinds: of `KINDS`.

    Raises: UserError for an unknown kind, or fewer than two strings.
    """
    generator = as_generator(generator)
    batch, state = strings_carried(model, task, length, strings, generator, kinds)
    choices = [*parts.layers(state), *parts.windows(state)[:1], *parts.bands(log_decays(model, batch))]
    return ablated(model, batch, state, choices, kinds, generator)


@torch.no_grad()
def strings_carried(
    model: HookedModel, task: Task, length: int, strings: int, generator: torch.Generator, kinds: Sequence[str]
) -> tuple[Batch, Carried]:
    """Draw strings; returns them, and what the model carries behind each.

    Raises: UserError for an unknown kind of ablation, or fewer than two strings, of which each is given another's.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise unknown("kind of state ablation", kind, KINDS)
    if strings < 2 or length < 1:
        raise UserError(f"strings must be at least 2 and length at least 1; got {strings} and {length}.")
    need(task, "has_prompt_end")
    batch = task.sample(strings, length, generator).to(model.device)
    return batch, carry_all(model, batch)


@torch.no_grad()
def ablated(
    model: HookedModel,
    batch: Batch,
    state: Carried,
    choices: Sequence[Choice],
    kinds: Sequence[str],
    generator: torch.Generator,
) -> tuple[StateAblation, ...]:
    """Take each of some choices away in each way of `kinds`, beside as many numbers drawn at random.

    Args:
        state: what the model carries behind these strings.
        generator: draws the random numbers, and the strings that others are given.
    """
    clean, every = _letters(model, batch, state), state.flat().shape[1]
    found = []
    for kind in kinds:
        instead = KINDS[kind](state, generator)
        for choice in choices:
            others_too = choice.size < every
            controls = [parts.at_random(choice, state, generator) for _ in range(CONTROLS if others_too else 0)]
            found.append(_ablation(model, batch, state, instead, choice, controls, kind, clean))
    return tuple(found)


def _ablation(
    model: HookedModel,
    batch: Batch,
    state: Carried,
    instead: Carried,
    choice: Choice,
    controls: list[Choice],
    kind: str,
    clean: Float[np.ndarray, "string pos"],
) -> StateAblation:
    letters, before = _letters(model, batch, choice.mixed(instead, state)), clean.mean(axis=1)
    beside = np.array([_letters(model, batch, control.mixed(instead, state)).mean(axis=1) for control in controls])
    left = letters.mean(axis=1)
    return StateAblation(
        name=choice.name,
        kind=kind,
        length=batch.answer_tokens.shape[1],
        size=choice.size,
        letter_accuracy_before=float(before.mean()),
        letter_accuracy_after=float(left.mean()),
        interval=difference_interval(left, before),
        control_mean=float(beside.mean()) if controls else None,
        control_interval=crossed_interval(beside) if controls else None,
        letter_correct=left,
        by_position=letters.mean(axis=0),
    )


def _letters(model: HookedModel, batch: Batch, state: Carried) -> Float[np.ndarray, "string pos"]:
    """1 for each letter that is right, teacher-forced, and 0 for any other."""

    def right(strings: Batch, state: Carried) -> Float[Tensor, "batch pos"]:
        return (answer_logits(model, strings, state).argmax(dim=-1) == strings.answer_tokens).double()

    return each_block(right, model, batch, state).cpu().numpy()
