"""How fast each number of a state fades: the mean log of its decay per position, and the time constant that follows."""

import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.budget import budget
from interp.base.calls import checked_call
from interp.measure.state.carried import separator_at
from interp.models.hooks.model import HookedModel
from interp.models.recurrent.model import RecurrentModel
from interp.tasks.base import Batch


@checked_call
@torch.no_grad()
def log_decays(model: HookedModel, batch: Batch) -> dict[str, Float[Tensor, "*state"]]:
    """Mean log A_bar of each number of the states over the letters of the strings: `blocks.0.h` -> like the state.

    Over strings, too: exp of it is the geometric mean of the decays. Each recurrent family says how it decays
    (`Mixer.log_decay`): of Mamba and Mamba-2 it is exact, log A_bar = Delta A; of an LSTM it is the mean log of the
    forget gate, for the cell (`blocks.0.c`). Layers without a decay of their own (attention, planted memories) are left
    out.

    >>> {name: time_constants(decay).median() for name, decay in log_decays(model, batch).items()}
    """
    if not isinstance(model, RecurrentModel):
        return {}
    mixers = {layer: mixer for layer, mixer in model.mixers.items() if mixer.decay_hook is not None}
    names = {layer: f"blocks.{layer}.mixer.{mixer.decay_hook}" for layer, mixer in mixers.items()}
    if not names:
        return {}
    total: dict[int, Tensor] = {}
    end, past = separator_at(batch), model.new_past()
    first = int(batch.string_start[0])  # what stands before the letters is read, and not counted
    if first:
        model(batch.tokens[:, :first], return_type=None, past=past)
    stretch = max(1, budget(batch.tokens.device).tokens // len(batch))
    for _, cache in model.stream(batch.tokens[:, first:end], list(names.values()), stretch, past):
        for layer, name in names.items():
            total[layer] = total.get(layer, 0) + mixers[layer].log_decay(cache[name])
    count = len(batch) * (end - first)
    return {f"blocks.{layer}.{mixers[layer].decaying}": total[layer] / count for layer in total}


def time_constants(log_decay: Float[Tensor, "*state"]) -> Float[Tensor, "*state"]:
    """-1 / mean log A_bar: positions after which a share of 1/e is left."""
    return -1 / log_decay.clamp(max=-torch.finfo(log_decay.dtype).tiny)
