"""One string, letter by letter: numbers of the state as they change, and what probes read from it at each step.

The state behind t letters is the one before the separator of a string of t letters, so that the probes are those of
`held_bits`, trained and tempered anew at each step, on other strings.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from interp.measure.state.bits import check_alphabet, check_lengths
from interp.measure.state.carried import Parts, carry
from interp.measure.state.decay import log_decays, time_constants
from interp.measure.state.probe_features import inner_products, state_features
from interp.measure.state.probe_fit import Probes
from interp.measure.state.probes import ProbeSettings
from interp.models.hooks.model import HookedModel
from interp.models.stack.key_values import KeyValues
from interp.results.state import StateMovie
from interp.tasks.base import Batch, Task, need
from interp.tasks.sampling import draw_letters

ROWS = 96
"""Numbers of one part of the state that are shown, at most."""


@dataclass(frozen=True)
class Shown:
    """The numbers of a part that are shown, and their time constants, where it has them."""

    numbers: Int[Tensor, " row"]
    constants: tuple[float, ...] | None


@torch.no_grad()
def watch(
    model: HookedModel,
    task: Task,
    length: int,
    generator: torch.Generator | int,
    settings: ProbeSettings | None = None,
    seed: int = 0,
) -> StateMovie:
    """Read one string, and keep numbers of the state and the probability that probes give to its letters at each step.

    Args:
        model: carries a state from call to call.
        task: draws independent, uniform letters.
        length: letters of the string, each a step.
        generator: draws the string, and those that the probes are trained, tempered and tested on; or a seed.
        settings: how many of these.
        seed: of the random projection of large states.

    Returns: of each part of the state that does not grow with the string, up to `ROWS` of its numbers: evenly chosen
        from fast to slow where they have time constants, else in order.

    Raises: UserError for a length below 1, a task of one letter, or too few strings for the probes.
    """
    settings = settings or ProbeSettings()
    need(task, "lays_out_letters", "uniform_letters", "has_prompt_end")
    check_lengths([length])
    check_alphabet(task)
    settings.check(task.n_letters)
    letters = draw_letters(sum(settings.strings) + 1, length, task.n_letters, generator)
    one = task.layout(letters[-1:]).to(model.device)  # the last string is the one that is watched
    shown = _shown(model, one, carry(model, one).parts)
    readable, average, frames = np.full((length, length), np.nan), np.full((length, length), np.nan), []
    for step in range(1, length + 1):
        batch = task.layout(letters[:, :step])
        products = [inner_products(part, settings.train) for part in state_features(model, batch, seed).values()]
        bits = Probes(torch.stack(products).sum(dim=0)).bits(
            letters[:, :step].to(model.device), task.n_letters, settings.temper
        )
        readable[step - 1, :step] = 2.0 ** bits[-1] / task.n_letters
        average[step - 1, :step] = (2.0 ** bits[:-1] / task.n_letters).mean(axis=0)
        parts = carry(model, batch.rows(slice(-1, None)).to(model.device)).parts
        frames += [[parts[name].flatten()[some.numbers].float().cpu().numpy() for name, some in shown.items()]]
    return StateMovie(
        letters=tuple(task.vocabulary.decode(token[None]) for token in one.tokens[0, 1 : length + 1].cpu()),
        chance=1 / task.n_letters,
        parts=tuple(shown),
        states=tuple(np.stack(part, axis=1) for part in zip(*frames, strict=True)),
        time_constants=tuple(some.constants for some in shown.values()),
        readable=readable,
        average=average,
    )


def _shown(model: HookedModel, one: Batch, parts: Parts) -> dict[str, Shown]:
    decays, found = log_decays(model, one), {}
    growing = {layer for layer, past in enumerate(model.new_past()) if isinstance(past, KeyValues)}
    for name, part in parts.items():
        if int(name.split(".")[1]) in growing:
            continue
        order, decay = torch.arange(part[0].numel()), decays.get(name)
        if decay is not None:
            order = decay.flatten().argsort().cpu()
        kept = order[torch.linspace(0, len(order) - 1, min(ROWS, len(order))).round().long()].to(part.device)
        constants = None if decay is None else tuple(time_constants(decay).flatten()[kept].tolist())
        found[name] = Shown(kept, constants)
    return found
