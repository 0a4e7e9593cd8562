"""Parts that recurrent layers are made of: weights, maps, and a linear recurrence that is open at every step."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from interp.models.hooks.point import HookPoint
from interp.models.scan.linear import linear_scan


def linear_scan_edited(
    A_bar: Tensor, write: Tensor, h: Any, edited: dict[int, HookPoint]
) -> Float[Tensor, "batch pos *state"]:
    """Compute all states of h_t = A_bar_t h_(t-1) + write_t, each edited one carried on as its hook point leaves it.

    Args:
        A_bar: [batch pos ...], decays for the first axes of `write`, or axes that broadcast against them.
        write: [batch pos ...].
        h: the state before the first position; None for zeros.
        edited: position -> the hook point of the state there.
    """
    A_bar = A_bar.reshape(*A_bar.shape, *[1] * (write.ndim - A_bar.ndim))
    stretches, begin, end = [], 0, write.shape[1]
    for at, point in edited.items():
        states = linear_scan(A_bar[:, begin : at + 1], write[:, begin : at + 1], h)
        h = point(states[:, -1].clone())
        stretches += [states[:, :-1], h[:, None]]
        begin = at + 1
    if begin < end:
        stretches.append(linear_scan(A_bar[:, begin:], write[:, begin:], h))
    return stretches[0] if len(stretches) == 1 else torch.cat(stretches, dim=1)


def weight(*shape: int) -> nn.Parameter:
    """Make a parameter of this shape, not drawn yet."""
    return nn.Parameter(torch.empty(shape))


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Map x W + b; weights stand as [in out]."""
    return F.linear(x, weight.T, bias)
