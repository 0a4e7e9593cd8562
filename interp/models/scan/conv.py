"""The short causal convolution before Mamba's recurrence, one filter per channel.

`shifted` adds up shifted copies of the input in place, with a backward of its own; `reference` is torch's `conv1d`.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from interp.models.scan.axes import agree
from interp.models.scan.choice import choose
from interp.models.scan.precision import promoted, without_autocast

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
    size = agree(
        "causal_conv", x=(x, "batch pos channel"), weight=(weight, "channel width"), bias=(bias, "channel")
    )
    width = size["width"]
    if initial is None:
        initial = x.new_zeros(len(x), width - 1, size["channel"])
    agree("causal_conv", x=(x, "batch pos channel"), initial=(initial, f"batch {width - 1} channel"))
    method = choose("causal_conv", x.device, dtype=x.dtype, width=width)
    if method == "causal-conv1d":
        from interp.models.scan import kernels

        return kernels.causal_conv(x, weight, bias, initial)
    dtype = x.dtype
    bias = weight.new_zeros(len(weight)) if bias is None else bias
    x, weight, bias, initial = promoted(x, weight, bias, initial)
    with without_autocast(x.device):
        if method == "reference":
            out, window = causal_conv_reference(x, weight, bias, initial)
        else:
            longer = torch.cat([initial, x], dim=1)
            out, window = _Shifted.apply(longer, weight, bias), longer[:, size["pos"] :].clone()
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
    """From [batch width-1+pos channel] to [batch pos channel]; in place, for what takes the time is large temporaries."""

    @staticmethod
    def forward(ctx: Any, longer: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(longer, weight)
        last = weight.shape[1] - 1
        out = torch.addcmul(bias, longer[:, last:], weight[:, last])
        for j in range(last):
            out.addcmul_(longer[:, j : j + out.shape[1]], weight[:, j])
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        longer, weight = ctx.saved_tensors
        seen = [longer[:, j : j + grad.shape[1]] for j in range(weight.shape[1])]
        d_longer = torch.zeros_like(longer)
        for j in range(weight.shape[1]):
            d_longer[:, j : j + grad.shape[1]].addcmul_(grad, weight[:, j])
        d_weight = torch.stack([(grad * x).sum((0, 1)) for x in seen], dim=1)
        return d_longer, d_weight, grad.sum((0, 1))
