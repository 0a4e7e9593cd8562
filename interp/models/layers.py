"""The parts of a transformer block beside attention: LayerNorm and MLP, with TransformerLens's hook names."""

from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from interp.models.hooked import in_use

ACTIVATIONS = {"gelu": F.gelu, "gelu_new": partial(F.gelu, approximate="tanh"), "relu": F.relu, "silu": F.silu}
"""By TransformerLens's names; `gelu_new` is GPT-2's."""


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


class MLP(nn.Module):
    """act(x W_in + b_in) W_out + b_out; `hook_pre` and `hook_post` stand before and after the activation."""

    def __init__(self, d_model: int, d_mlp: int, activation: str) -> None:
        super().__init__()
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
