"""The norm of queries or keys, before they are used: each head by itself, or all heads of a layer together."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interp.base.axes import HeadVectors
from interp.models.hooks.point import HookPoint, in_use

KINDS = ("head", "layer", None)
"""Each head is divided by its own rms; all of a layer's by theirs together; none is."""


class HeadNorm(nn.Module):
    """Queries or keys over their rms, times a learned scale (RMSNorm; Dehghani et al. 2023 for why).

    `hook_scale` [batch pos head] is the rms that each head is divided by, [batch pos 1] of all heads together.

    Args:
        kind: "head" or "layer", as in `KINDS`.
        n_heads, d_head: of the layer.
        eps: added to the mean square.
    """

    def __init__(self, kind: str, n_heads: int, d_head: int, eps: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(n_heads * d_head))
        self.groups, self.eps = n_heads if kind == "head" else 1, eps
        self.hook_scale = HookPoint()

    def forward(self, x: HeadVectors) -> HeadVectors:
        parts = x.flatten(2).unflatten(-1, (self.groups, -1))
        if in_use(self.hook_scale):
            scale = self.hook_scale((parts.square().mean(dim=-1) + self.eps).sqrt())
            parts = parts / scale[..., None]
        else:
            parts = F.rms_norm(parts, parts.shape[-1:], eps=self.eps)
        return (parts.flatten(2) * self.w).unflatten(-1, x.shape[2:])


def normed(norm: HeadNorm | None, x: Tensor) -> Tensor:
    """Apply a norm, if there is one."""
    return x if norm is None else norm(x)
