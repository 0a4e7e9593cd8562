"""First weights of state-space layers, as their authors draw them, and mimetic ones."""

import math
from typing import Any

import torch
from torch import Tensor


@torch.no_grad()
def init_mamba(mixer: Any, config: Any, generator: torch.Generator) -> None:
    """Draw the weights of a `MambaMixer` as the authors' code (state-spaces/mamba, `mamba_simple.py`) does.

    Maps are U(+-1/sqrt(fan-in)), that out of the layer divided by sqrt(n_layers); A_log is the log of 1, ..., N in
    every channel (S4D-real); D is 1; the bias of Delta is the inverse softplus of a step size drawn log-uniformly
    between dt_min and dt_max, the map to it U(+-R^-1/2). Where `config.initialization` is "mimetic", `mimic_attention`
    follows, and the convolution stays as it is drawn: made an identity, it would hide the neighbours from B and C.
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
    if config.initialization == "mimetic":
        mimic_attention(mixer)


@torch.no_grad()
def init_mamba2(mixer: Any, config: Any, generator: torch.Generator) -> None:
    """Draw the weights of a `Mamba2Mixer` as the authors' code (state-spaces/mamba, `mamba2.py`) does.

    As in `init_mamba`, but for A, drawn uniformly within A_range for each head, and the map to Delta, which reads the
    stream and is U(+-1/sqrt(d_model)); the norm's scale is 1. Where `config.initialization` is "mimetic",
    `mimic_attention` follows, and the convolution is made an identity.
    """
    for name in ("W_gate", "W_x", "W_B", "W_C", "W_dt", "W_out"):
        fill_uniform(getattr(mixer, name), getattr(mixer, name).shape[0] ** -0.5, generator)
    for name in ("b_gate", "b_x", "b_B", "b_C", "b_out"):
        if getattr(mixer, name) is not None:
            getattr(mixer, name).zero_()
    mixer.W_out.div_(config.n_layers**0.5)
    init_conv(mixer, generator)
    mixer.b_dt.copy_(step_size_bias(config.n_heads, config, generator))
    low, high = config.A_range
    mixer.A_log.copy_((torch.rand(config.n_heads, generator=generator) * (high - low) + low).log())
    mixer.D.fill_(1.0)
    mixer.norm.w.fill_(1.0)
    if config.initialization == "mimetic":
        mimic_attention(mixer)
        pass_through(mixer)


@torch.no_grad()
def mimic_attention(mixer: Any) -> None:
    """Make a drawn layer begin as linear attention does (Trockman et al. 2024, arXiv 2410.11135).

    Nothing is forgotten and each position counts alike: A_bar = exp(-e^-8) and Delta = 1, whatever the input. A
    position reads most where the like was written: W_C becomes (W_C + W_B) / 2, so that W_C W_B^T is close to the
    identity times a positive number, without the two maps being one.

    Args:
        mixer: has A_log, W_dt, b_dt, W_B and W_C.
    """
    mixer.A_log.fill_(-8.0)
    mixer.W_dt.zero_()
    mixer.b_dt.fill_(inverse_softplus(torch.ones(())))
    mixer.W_C.add_(mixer.W_B).div_(2)


@torch.no_grad()
def pass_through(mixer: Any) -> None:
    """Make the convolution an identity, as mimetic initialisation has it where B and C pass through it (Mamba-2)."""
    mixer.W_conv.zero_()
    mixer.W_conv[:, -1] = 1.0
    if mixer.b_conv is not None:
        mixer.b_conv.zero_()


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
    return inverse_softplus(delta)


def inverse_softplus(x: Tensor) -> Tensor:
    """log(e^x - 1), without overflow."""
    return x + (-torch.expm1(-x)).log()


@torch.no_grad()
def fill_normal(tensor: Tensor, std: float, generator: torch.Generator) -> None:
    """N(0, std^2), drawn on the CPU, whatever the device and the dtype."""
    tensor.copy_(torch.randn(tensor.shape, generator=generator) * std)


@torch.no_grad()
def fill_uniform(tensor: Tensor, bound: float, generator: torch.Generator) -> None:
    """U(-bound, bound), drawn on the CPU."""
    tensor.copy_((torch.rand(tensor.shape, generator=generator) * 2 - 1) * bound)
