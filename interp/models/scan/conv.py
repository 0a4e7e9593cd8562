"""The short causal convolution before Mamba's recurrence, one filter per channel.

`shifted` adds up shifted copies of the input in place, with a backward of its own; `reference` is torch's `conv1d`.
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from interp.base.errors import UserError
from interp.models.scan.axes import agree
from interp.models.scan.methods import choose
from interp.models.scan.precision import promoted, without_autocast

CELLS = 2**16
"""Numbers of a block on a CPU, for each thread."""
Channels = Float[Tensor, "batch pos channel"]
Window = Float[Tensor, "batch width_less_1 channel"]


def causal_conv(
    x: Channels,
    weight: Float[Tensor, "channel width"],
    bias: Float[Tensor, " channel"] | None = None,
    initial: Window | None = None,
) -> tuple[Channels, Window]:
    """Convolve each channel with its filter over the present and the width - 1 positions before; no activation.

        out_t = sum_j weight[:, j] x_{t - width + 1 + j} + bias

    Args:
        x: the input.
        weight: the filters; the last column meets the present position.
        bias: added to every output; None for none.
        initial: the width - 1 inputs before the first; None for zeros.

    Returns: the output, and the last width - 1 inputs (the `initial` of what follows), both in the dtype of x.

    Raises: UserError if shapes do not fit together, or for the method that `using` asks for, if it cannot run here.
    """
    size = agree("causal_conv", x=(x, "batch pos channel"), weight=(weight, "channel width"), bias=(bias, "channel"))
    width = size["width"]
    before = [size["batch"], width - 1, size["channel"]]
    if initial is not None and list(initial.shape) != before:
        raise UserError(
            f"initial of causal_conv must have shape [batch width-1 channel] = {before}, as the filters have "
            f"{width} columns; got {list(initial.shape)}."
        )
    method = choose("causal_conv", x.device, dtype=x.dtype, width=width)
    if method == "causal-conv1d":
        from interp.models.scan import kernels

        return kernels.causal_conv(x, weight, bias, initial)
    dtype = x.dtype
    bias = weight.new_zeros(len(weight)) if bias is None else bias
    past = x.new_zeros(before) if initial is None else initial
    x, weight, bias, past = promoted(x, weight, bias, past)
    with without_autocast(x.device):
        if method == "reference":
            out, window = causal_conv_reference(x, weight, bias, past)
        else:
            out = _Shifted.apply(x, weight, bias)
            if initial is not None and width > 1:  # it reaches the first width - 1 outputs
                start = out[:, : width - 1]
                start += causal_conv_reference(torch.zeros_like(start), weight, None, past)[0]
            end = x[:, max(size["pos"] - width + 1, 0) :]
            window = torch.cat([past, end], dim=1)[:, end.shape[1] :]
    return out.to(dtype), window.to(dtype)


def causal_conv_reference(
    x: Channels,
    weight: Float[Tensor, "channel width"],
    bias: Float[Tensor, " channel"] | None = None,
    initial: Window | None = None,
) -> tuple[Channels, Window]:
    """`causal_conv` by torch's `conv1d`."""
    channels, width = weight.shape
    if initial is None:
        initial = x.new_zeros(len(x), width - 1, channels)
    longer = torch.cat([initial, x], dim=1)
    out = F.conv1d(longer.mT, weight[:, None], bias, groups=channels).mT
    return out, longer[:, x.shape[1] :]


class _Shifted(torch.autograd.Function):
    """Convolve from zeros before the first position: in place, and some strings at a time, which stay in the cache."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        out, columns = torch.empty_like(x), weight.T.contiguous()
        for some in _blocks(x):
            here, made = x[some], out[some]
            torch.addcmul(bias, here, columns[-1], out=made)
            for now, before, j in _shifts(x.shape[1], len(columns)):
                made[:, now].addcmul_(here[:, before], columns[j])
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, weight = ctx.saved_tensors
        columns = weight.T.contiguous()
        d_x, d_columns = torch.empty_like(x), torch.zeros_like(columns)
        for some in _blocks(x):
            here, change, made = x[some], grad[some], d_x[some]
            made.copy_(change * columns[-1])
            d_columns[-1] += (change * here).sum((0, 1))
            for now, before, j in _shifts(x.shape[1], len(columns)):
                made[:, before].addcmul_(change[:, now], columns[j])
                d_columns[j] += (change[:, now] * here[:, before]).sum((0, 1))
        return d_x, d_columns.T, grad.sum((0, 1))


def _blocks(x: Channels) -> Iterator[slice]:
    """Strings of which a CPU takes some at a time, others all."""
    at_once = torch.get_num_threads() * CELLS // max(1, x[:1].numel()) if x.device.type == "cpu" else len(x)
    return (slice(start, start + max(1, at_once)) for start in range(0, len(x), max(1, at_once)))


def _shifts(length: int, width: int) -> Iterator[tuple[slice, slice, int]]:
    """For each column but the last, nearest first: the positions that read, those that they read, and the column."""
    for distance in range(1, width):
        yield slice(distance, None), slice(0, max(length - distance, 0)), width - 1 - distance
