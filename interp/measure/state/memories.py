"""What does attention add to a recurrence? The two memories of a hybrid, each taken away before it answers.

Behind a string a hybrid carries two things: the keys and values of its attention layers, a row for each letter, and the
states of its recurrent layers, of constant size. Each is replaced by another string's (or by zeros, or the mean), alone
and with the other, and so is that of each layer; the answer then shows which of them held its letters. What attention
layers remember of the answer itself, as it is written, stays.
"""

import torch

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.seeds import as_generator
from interp.measure.state import parts
from interp.measure.state.ablations import ablated, strings_carried
from interp.measure.state.carried import Carried
from interp.measure.state.parts import Choice
from interp.models.hooks.model import HookedModel
from interp.models.stack.key_values import KeyValues
from interp.results.state import StateAblation
from interp.tasks.base import Task


@checked_call
@torch.no_grad()
def memory_ablations(
    model: HookedModel,
    task: Task,
    length: int,
    strings: int,
    generator: torch.Generator | int,
    kind: str = "resample",
) -> tuple[StateAblation, ...]:
    """Take away what attention remembers of each string, what recurrence does, both, and what each layer does.

    >>> attention, recurrence, both, *layers = memory_ablations(model, task, length=10, strings=200, generator=0)
    >>> both.letter_accuracy_after, attention.by_position

    Args:
        model: has attention layers and recurrent ones.
        task: draws the strings.
        length: their letters.
        strings: how many.
        generator: draws them, and as many numbers at random as controls; or a seed.
        kind: what comes instead, one of `ablations.KINDS`.

    Returns: "attention", "recurrence", "both", and "layer 0" and so on, with letter accuracy as a whole and at each
        place of the answer, teacher-forced, and beside as many numbers drawn at random where there are others.

    Raises: UserError for a model that is not a hybrid, an unknown kind, or fewer than two strings.
    """
    check_hybrid(model)
    generator = as_generator(generator)
    batch, state = strings_carried(model, task, length, strings, generator, (kind,))
    attention, recurrence = _memories(state)
    both = Choice("both", "whole", {**attention.masks, **recurrence.masks})
    return ablated(model, batch, state, [attention, recurrence, both, *parts.layers(state)], (kind,), generator)


def check_hybrid(model: HookedModel) -> None:
    """Raises: UserError for a model that is not a hybrid of attention and recurrent layers."""
    past = model.new_past() if isinstance(model, HookedModel) else []
    attending = sum(isinstance(of_layer, KeyValues) for of_layer in past)
    if not 0 < attending < len(past):
        raise UserError(
            f"model must be a hybrid of attention and recurrent layers, whose memories are told apart; got a "
            f"{type(model).__name__} with {attending} of attention and {len(past) - attending} that are "
            'recurrent. Build one: interp.load("hybrid").'
        )


def _memories(state: Carried) -> tuple[Choice, Choice]:
    """All numbers of the attention layers, and all of the recurrent ones."""
    kinds = {f"layer {layer}": isinstance(of_layer, KeyValues) for layer, of_layer in enumerate(state.past)}
    masks = {True: {}, False: {}}
    for choice in parts.layers(state):
        masks[kinds[choice.name]] |= choice.masks
    return Choice("attention", "layers", masks[True]), Choice("recurrence", "layers", masks[False])
