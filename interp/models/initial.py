"""First weights of state-space layers, as their authors draw them, and mimetic ones."""

import math
from typing import Any

import torch
from torch import Tensor

from interp.models.recurrent import fill_uniform


@torch.no_grad()
def init_mamba(mixer: Any, config: Any, generator: torch.Generator) -> None:
    """Draw the weights of a `MambaMixer` as the authors' code (state-spaces/mamba, `mamba_simple.py`) does.

    Maps are U(+-1/sqrt(fan-in)), that out of the layer divided by sqrt(n_layers); A_log is the log of 1, ..., N in
    every channel (S4D-real); D is 1; the bias of Delta is the inverse softplus of a step size drawn log-uniformly between
    dt_min and dt_max, the map to it U(+-R^-1/2).
    """
    channels, state = mixer.A_log.shape
    for name in ("W_in", "W_gate", "W_dt_down", "W_B", "W_C", "W_out"):
        fill_uniform(getattr(mixer, name), getattr(mixer, name).shape[0] ** -0.5, generator)
    for name in ("b_in", "b_gate", "b_out"):
        if getattr(mixer, name) is not None:
            getattr(mixer, name).zero_()
    mixer.W_out.div_(config.n_layers**0.5)
    init_conv(mixer, generator)
    fill_uniform(mixer.W_dt, config.rank**-0.5, generator)
    mixer.b_dt.copy_(step_size_bias(channels, config, generator))
    mixer.A_log.copy_(torch.arange(1.0, state + 1).log().expand(channels, state))
    mixer.D.fill_(1.0)


def init_conv(mixer: Any, generator: torch.Generator) -> None:
    """PyTorch's own for a depthwise convolution: U(+-1/sqrt(width))."""
    bound = mixer.W_conv.shape[1] ** -0.5
    fill_uniform(mixer.W_conv, bound, generator)
    if mixer.b_conv is not None:
        fill_uniform(mixer.b_conv, bound, generator)


def step_size_bias(n: int, config: Any, generator: torch.Generator) -> Tensor:
    """The inverse softplus of `n` step sizes drawn log-uniformly between dt_min and dt_max."""
    low, high = math.log(config.dt_min), math.log(config.dt_max)
    delta = (torch.rand(n, generator=generator) * (high - low) + low).exp().clamp(min=config.dt_floor)
    return delta + (-torch.expm1(-delta)).log()
