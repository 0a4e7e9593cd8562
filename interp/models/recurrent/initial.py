"""First weights of state-space layers, as their authors draw them, and mimetic ones."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.errors import UserError
from interp.models.stack.checks import require_choice

INITIALIZATIONS = ("authors", "mimetic")


def check_first_weights(config: Any) -> None:
    """Raises: UserError for an unknown initialization, or as `check_step_sizes` does."""
    require_choice("initialization", config.initialization, INITIALIZATIONS)
    check_step_sizes(config)


def check_step_sizes(config: Any) -> None:
    """Raises: UserError for step sizes of an untrained model that are not positive or in disorder."""
    if not 0 < config.dt_min <= config.dt_max < math.inf or not 0 < config.dt_floor < math.inf:
        raise UserError(
            f"dt_min, dt_max and dt_floor must be positive, and dt_min at most dt_max; got {config.dt_min}, "
            f"{config.dt_max} and {config.dt_floor}."
        )


def check_rates(config: Any) -> None:
    """Raises: UserError for decay rates of an untrained model that are not positive or in disorder."""
    if not 0 < config.A_range[0] <= config.A_range[1] < math.inf:
        raise UserError(f"A_range must be two positive numbers, the smaller first; got {config.A_range}.")


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
    for name in ("w_dt", "w_B", "w_C"):
        if getattr(mixer, name) is not None:
            getattr(mixer, name).fill_(1.0)
    mixer.W_out.div_(config.n_layers**0.5)
    init_conv(mixer, generator)
    fill_uniform(mixer.W_dt, config.rank**-0.5, generator)
    mixer.b_dt.copy_(step_size_bias(channels, config, generator))
    mixer.A_log.copy_(torch.arange(1, state + 1, dtype=torch.float32, device="cpu").log().expand(channels, state))
    mixer.D.fill_(1.0)
    if config.initialization == "mimetic":
        mimic_attention(mixer)


@torch.no_grad()
def init_mamba2(mixer: Any, config: Any, generator: torch.Generator) -> None:
    """Draw the weights of a `Mamba2Mixer` as the authors' code (state-spaces/mamba, `mamba2.py`) does.

    As in `init_mamba`, except for A, drawn uniformly within A_range for each head, and the map to Delta, which reads
    the stream and is U(+-1/sqrt(d_model)); the norm's scale is 1. Where `config.initialization` is "mimetic",
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
    mixer.A_log.copy_(uniform(config.n_heads, config.A_range[0], config.A_range[1], generator).log())
    mixer.D.fill_(1.0)
    if mixer.norm is not None:
        mixer.norm.w.fill_(1.0)
    if config.initialization == "mimetic":
        mimic_attention(mixer)
        pass_through(mixer)


@torch.no_grad()
def mimic_attention(mixer: Any) -> None:
    """Make a drawn layer begin as linear attention does (Trockman et al. 2024, arXiv 2410.11135).

    Nothing is forgotten and each position counts alike: A_bar = exp(-e^-8) and Delta = 1, whatever the input. A
    position reads most where something similar was written: W_C becomes (W_C + W_B) / 2, so that W_C W_B^T is close to
    the identity times a positive number, without the two maps being one.

    Args:
        mixer: has A_log, W_dt, b_dt, W_B and W_C.
    """
    mixer.A_log.fill_(-8.0)
    mixer.W_dt.zero_()
    mixer.b_dt.fill_(inverse_softplus(torch.ones((), dtype=torch.float32, device="cpu")))
    mixer.W_C.add_(mixer.W_B).div_(2)


@torch.no_grad()
def pass_through(mixer: Any) -> None:
    """Make the convolution an identity, as mimetic initialisation has it where B and C pass through it (Mamba-2)."""
    mixer.W_conv.zero_()
    mixer.W_conv[:, -1] = 1.0
    if mixer.b_conv is not None:
        mixer.b_conv.zero_()


def init_conv(mixer: Any, generator: torch.Generator) -> None:
    """Draw the convolution as PyTorch draws a depthwise one: U(+-1/sqrt(width))."""
    bound = mixer.W_conv.shape[1] ** -0.5
    fill_uniform(mixer.W_conv, bound, generator)
    if mixer.b_conv is not None:
        fill_uniform(mixer.b_conv, bound, generator)


def step_size_bias(n: int, config: Any, generator: torch.Generator) -> Float[Tensor, " n"]:
    """Draw the bias of Delta: the inverse softplus of `n` step sizes drawn log-uniformly between dt_min and dt_max."""
    drawn = uniform(n, math.log(config.dt_min), math.log(config.dt_max), generator)
    return inverse_softplus(drawn.exp().clamp(min=config.dt_floor))


def inverse_softplus(x: Tensor) -> Tensor:
    """log(e^x - 1), without overflow."""
    return x + (-torch.expm1(-x)).log()


@torch.no_grad()
def fill_normal(tensor: Tensor, std: float, generator: torch.Generator) -> None:
    """Fill a tensor from N(0, std^2)."""
    tensor.copy_(_draw(torch.randn, tensor.shape, generator) * std)


@torch.no_grad()
def fill_uniform(tensor: Tensor, bound: float, generator: torch.Generator) -> None:
    """Fill a tensor from U(-bound, bound)."""
    tensor.copy_((_draw(torch.rand, tensor.shape, generator) * 2 - 1) * bound)


def uniform(n: int, low: float, high: float, generator: torch.Generator) -> Float[Tensor, " n"]:
    """Draw `n` numbers from U(low, high)."""
    return _draw(torch.rand, (n,), generator) * (high - low) + low


def _draw(kind: Callable[..., Tensor], shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Draw on the CPU in float32: a seed means the same weights whatever the device and the default dtype."""
    return kind(tuple(shape), generator=generator, dtype=torch.float32, device="cpu")
