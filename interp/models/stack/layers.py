"""The parts of a block beside attention and recurrence: norms and MLP, with TransformerLens's hook names."""

from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from interp.models.hooks.point import HookPoint, in_use


def squared_relu(x: Tensor) -> Tensor:
    """max(x, 0)^2 (So et al. 2021)."""
    return F.relu(x).square()


ACTIVATIONS = {
    "gelu": F.gelu,
    "gelu_new": partial(F.gelu, approximate="tanh"),
    "relu": F.relu,
    "relu2": squared_relu,
    "silu": F.silu,
}
"""Activations by TransformerLens's names; `gelu_new` is GPT-2's, `relu2` is `squared_relu`."""

NORMS = ("LN", "LNPre", "RMS", None)
"""LayerNorm with learned scale and shift, or without; RMSNorm; no norm."""


class LayerNorm(nn.Module):
    """LayerNorm ("LN"), or without the learned scale and shift ("LNPre", whose scale and shift the next map can hold).

    `hook_scale` [... 1] is the standard deviation that is divided by; `hook_normalized` [... d_model] the result.
    """

    def __init__(self, d_model: int, learned: bool, eps: float = 1e-5) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(d_model)) if learned else None
        self.b = nn.Parameter(torch.zeros(d_model)) if learned else None
        self.eps = eps
        self.hook_scale = HookPoint()
        self.hook_normalized = HookPoint()

    def forward(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
        if not in_use(self.hook_scale):
            return self.hook_normalized(F.layer_norm(x, x.shape[-1:], self.w, self.b, self.eps))
        centred = x - x.mean(dim=-1, keepdim=True)
        scale = self.hook_scale((centred.square().mean(dim=-1, keepdim=True) + self.eps).sqrt())
        normalized = centred / scale
        return self.hook_normalized(normalized if self.w is None else normalized * self.w + self.b)


class RMSNorm(nn.Module):
    """x / rms(x), times a learned scale ("RMS"; Zhang & Sennrich 2019). `hook_scale` [... group] is the rms divided by.

    Args:
        d_model: width.
        eps: added to the mean square.
        groups: parts of the width that are normalised each by itself.
        centred: whether each part's mean is taken off it first, which makes it a LayerNorm without a shift.
    """

    def __init__(self, d_model: int, eps: float = 1e-5, groups: int = 1, centred: bool = False) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(d_model))
        self.eps, self.groups, self.centred = eps, groups, centred
        self.hook_scale = HookPoint()
        self.hook_normalized = HookPoint()

    def forward(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
        parts = x.unflatten(-1, (self.groups, -1))
        parts = parts - parts.mean(dim=-1, keepdim=True) if self.centred else parts
        if not in_use(self.hook_scale):
            return self.hook_normalized(F.rms_norm(parts, parts.shape[-1:], eps=self.eps).flatten(-2) * self.w)
        scale = self.hook_scale((parts.square().mean(dim=-1) + self.eps).sqrt())
        return self.hook_normalized((parts / scale[..., None]).flatten(-2) * self.w)


def make_norm(normalization: str | None, d_model: int, eps: float = 1e-5) -> nn.Module:
    """The norm of this name, one of `NORMS`; None is the identity."""
    if normalization is None:
        return nn.Identity()
    if normalization == "RMS":
        return RMSNorm(d_model, eps)
    return LayerNorm(d_model, learned=normalization == "LN", eps=eps)


class MLP(nn.Module):
    """act(x W_in + b_in) W_out + b_out; `hook_pre` and `hook_post` stand before and after the activation."""

    def __init__(self, d_model: int, d_mlp: int, activation: str) -> None:
        super().__init__()
        self.width = d_mlp
        self.W_in = nn.Parameter(torch.empty(d_model, d_mlp))
        self.b_in = nn.Parameter(torch.empty(d_mlp))
        self.W_out = nn.Parameter(torch.empty(d_mlp, d_model))
        self.b_out = nn.Parameter(torch.empty(d_model))
        self.activation = ACTIVATIONS[activation]
        self.hook_pre = HookPoint()
        self.hook_post = HookPoint()

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        pre = self.hook_pre(F.linear(x, self.W_in.T, self.b_in))
        return F.linear(self.hook_post(self.activation(pre)), self.W_out.T, self.b_out)

    def written_bias(self) -> Float[Tensor, " d_model"]:
        """The constant that is written whatever is read."""
        return self.b_out


class GatedMLP(nn.Module):
    """(act(x W_gate + b_gate) * (x W_in + b_in)) W_out + b_out (Shazeer 2020; with SiLU, SwiGLU).

    `hook_pre` stands before the activation, `hook_pre_linear` at what it is multiplied by, `hook_post` at the product.
    """

    def __init__(self, d_model: int, d_mlp: int, activation: str) -> None:
        super().__init__()
        self.width = d_mlp
        self.W_gate, self.b_gate = nn.Parameter(torch.empty(d_model, d_mlp)), nn.Parameter(torch.empty(d_mlp))
        self.W_in, self.b_in = nn.Parameter(torch.empty(d_model, d_mlp)), nn.Parameter(torch.empty(d_mlp))
        self.W_out, self.b_out = nn.Parameter(torch.empty(d_mlp, d_model)), nn.Parameter(torch.empty(d_model))
        self.activation = ACTIVATIONS[activation]
        self.hook_pre, self.hook_pre_linear, self.hook_post = HookPoint(), HookPoint(), HookPoint()

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        pre = self.hook_pre(F.linear(x, self.W_gate.T, self.b_gate))
        linear = self.hook_pre_linear(F.linear(x, self.W_in.T, self.b_in))
        return F.linear(self.hook_post(self.activation(pre) * linear), self.W_out.T, self.b_out)

    def written_bias(self) -> Float[Tensor, " d_model"]:
        """The constant that is written whatever is read."""
        return self.b_out


def make_mlp(d_model: int, d_mlp: int, activation: str, gated: bool) -> MLP | GatedMLP | None:
    """An MLP of one of the two kinds; None of no width."""
    return (GatedMLP if gated else MLP)(d_model, d_mlp, activation) if d_mlp else None
