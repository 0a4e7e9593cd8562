"""How fast each number of a state fades: the mean log of its decay per position, and the time constant that follows."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.budget import budget
from interp.measure.state.carried import separator_at
from interp.models.hooks.model import HookedModel
from interp.models.recurrent.lstm.mixer import LSTMMixer
from interp.models.recurrent.model import RecurrentModel
from interp.models.recurrent.state_space import StateSpaceMixer
from interp.tasks.base import Batch


@torch.no_grad()
def log_decays(model: HookedModel, batch: Batch) -> dict[str, Float[Tensor, "*state"]]:
    """Mean log A_bar of each number of the states over the letters of the strings: `blocks.0.h` -> like the state.

    Over strings, too: exp of it is the geometric mean of the decays. Of Mamba and Mamba-2 it is exact, log A_bar =
    Delta A; of an LSTM it is the mean log of the forget gate, for the cell (`blocks.0.c`). Layers without a decay of
    their own (attention, planted memories) are left out.
    """
    if not isinstance(model, RecurrentModel):
        return {}
    sources = {layer: name for layer, mixer in model.mixers.items() if (name := _source(mixer)) is not None}
    names = {layer: f"blocks.{layer}.mixer.{name}" for layer, name in sources.items()}
    if not names:
        return {}
    total: dict[int, Tensor] = {}
    end, past = separator_at(batch), model.new_past()
    first = int(batch.string_start[0])  # what stands before the letters is read, and not counted
    model(batch.tokens[:, :first], return_type=None, past=past)
    stretch = max(1, budget(batch.tokens.device).tokens // len(batch))
    for _, cache in model.stream(batch.tokens[:, first:end], list(names.values()), stretch, past):
        for layer, name in names.items():
            value = cache[name].log() if sources[layer] == "hook_f" else cache[name]
            total[layer] = total.get(layer, 0) + value.double().sum(dim=(0, 1))
    count = len(batch) * (end - first)
    return {_state(layer, model.mixers[layer]): _of_state(model.mixers[layer], total[layer] / count) for layer in total}


def time_constants(log_decay: Float[Tensor, "*state"]) -> Float[Tensor, "*state"]:
    """-1 / mean log A_bar: positions after which a share of 1/e is left."""
    return -1 / log_decay.clamp(max=-torch.finfo(log_decay.dtype).tiny)


def _source(mixer: Any) -> str | None:
    if isinstance(mixer, StateSpaceMixer):
        return "hook_delta"
    return "hook_f" if isinstance(mixer, LSTMMixer) else None


def _state(layer: int, mixer: Any) -> str:
    return f"blocks.{layer}.{'c' if isinstance(mixer, LSTMMixer) else 'h'}"


def _of_state(mixer: Any, mean: Tensor) -> Float[Tensor, "*state"]:
    """From a mean per channel (per head) to one for each number of the state."""
    if isinstance(mixer, LSTMMixer):
        return mean
    shape = mixer.state_shapes()["h"]
    rate = mixer.A.double()
    if rate.ndim == 2:  # Mamba: a rate for each channel and state
        return mean[:, None] * rate
    return (mean * rate)[:, None, None].expand(shape)  # Mamba-2: one for each head
