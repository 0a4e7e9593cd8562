"""The short causal convolution of Mamba's blocks, one filter per channel: written as shifted multiply-adds, and by `conv1d`."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from interp.models.scan.axes import agree
from interp.models.scan.choice import choose


def causal_conv(
    x: Float[Tensor, "batch pos channel"],
    weight: Float[Tensor, "channel width"],
    bias: Float[Tensor, " channel"] | None = None,
    initial: Float[Tensor, "batch width_less_1 channel"] | None = None,
) -> tuple[Float[Tensor, "batch pos channel"], Float[Tensor, "batch width_less_1 channel"]]:
    """Convolves each channel with its filter over the present and the width - 1 positions before, without an activation.

        out[t] = sum_j weight[:, j] * x[t - (width - 1) + j] + bias

    Args:
        x: the inputs.
        weight: the filters; the last column meets the present position.
        bias: added to every output.
        initial: the width - 1 inputs before the first; zeros if None.

    Returns: the outputs, and the window: the last width - 1 inputs, which is the `initial` of what follows.
    Raises: UserError for axes that do not agree.
    """
    width = weight.shape[-1]
    agree("causal_conv", x=(x, "batch pos channel"), weight=(weight, "channel width"), bias=(bias, "channel"))
    if initial is None:
        initial = x.new_zeros(len(x), width - 1, x.shape[2])
    agree("causal_conv", x=(x, "batch _ channel"), initial=(initial, f"batch {width - 1} channel"))
    method = choose("causal_conv", x.device)
    if method == "causal-conv1d":
        from interp.models.scan import kernels

        return kernels.causal_conv(x, weight, bias, initial)
    run = causal_conv_reference if method == "reference" else _shifted
    return run(x, weight, bias, initial)


def causal_conv_reference(x, weight, bias=None, initial=None):
    width = weight.shape[1]
    if initial is None:
        initial = x.new_zeros(len(x), width - 1, x.shape[2])
    longer = torch.cat([initial, x], 1)
    out = F.conv1d(longer.mT, weight[:, None], bias, groups=len(weight)).mT
    return out, longer[:, longer.shape[1] - width + 1 :]


def _shifted(x, weight, bias, initial):
    width = weight.shape[1]
    longer = torch.cat([initial, x], 1)
    out = sum(longer[:, j : j + x.shape[1]] * weight[:, j] for j in range(width))
    if bias is not None:
        out = out + bias
    return out, longer[:, longer.shape[1] - width + 1 :]
