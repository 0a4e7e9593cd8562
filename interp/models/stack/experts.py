"""A mixture of experts in the place of an MLP: a router gives every position to a few of many small MLPs."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from interp.models.hooks.point import HookPoint, in_use
from interp.models.stack.layers import ACTIVATIONS, make_mlp

PerExpert = Float[Tensor, "batch pos expert"]
ROUTERS = ("softmax", "sigmoid")
LEAST = 1e-20
"""Least sum that weights are divided by."""


class Experts(nn.Module):
    """sum over the chosen experts e of p_e E_e(x), each E_e an MLP without biases; + sigmoid(x g) S(x), if shared.

    p is the softmax of `hook_router` [batch pos expert], x W_router, over all experts, of which the largest `chosen`
    are kept (Shazeer et al. 2017); where `renormalized`, they are divided by their sum. With the router "sigmoid" p is
    its sigmoid, and those are chosen whose p + b_choice is largest (DeepSeek-V3 2024, 12 to 16; b_choice balances loads
    and has no gradient). `hook_weights` [batch pos expert] holds them, 0 for those that are not chosen: an expert is
    run where its weight is not 0, edited or not; and everywhere, while something listens there and gradients are kept,
    for the gradient at a weight of 0 is what its expert would add. The shared expert S is run everywhere:
    `shared.hook_pre | hook_pre_linear | hook_post`; `hook_shared` [batch pos 1] is its gate before the sigmoid. With
    `latent` the experts, but not S, work on `hook_latent` [batch pos latent], x W_down + b_down, and what they write
    together goes back through W_up and b_up.

    Args:
        d_model: width of the stream.
        experts: how many there are.
        chosen: how many each position is given to.
        width: hidden width of each.
        activation: of all.
        renormalized: whether the weights of those that are chosen sum to 1.
        shared: hidden width of the shared expert; 0: none.
        gated: whether all have a second map of their input (`layers.GatedMLP`).
        router: one of `ROUTERS`.
        shared_gate: whether the shared expert has a gate.
        latent: width that the experts read and write; 0: that of the stream.
    """

    b_choice: Float[Tensor, " expert"]
    """Biases of the choice, at least in float32 whatever the dtype of the rest: they may be large."""

    def __init__(
        self,
        d_model: int,
        experts: int,
        chosen: int,
        width: int,
        activation: str,
        renormalized: bool,
        shared: int,
        *,
        gated: bool = True,
        router: str = "softmax",
        shared_gate: bool = True,
        latent: int = 0,
    ) -> None:
        super().__init__()
        self.chosen, self.width, self.renormalized, self.router = chosen, width, renormalized, router
        self.latent, inner = latent, latent or d_model
        self.W_router = nn.Parameter(torch.empty(d_model, experts))
        if router == "sigmoid":
            self.register_buffer("b_choice", torch.zeros(experts, dtype=torch.float32))
        self.W_each_gate = nn.Parameter(torch.empty(experts, inner, width)) if gated else None
        self.W_each_in = nn.Parameter(torch.empty(experts, inner, width))
        self.W_each_out = nn.Parameter(torch.empty(experts, width, inner))
        self.activation = ACTIVATIONS[activation]
        self.hook_router, self.hook_weights = HookPoint(), HookPoint()
        if latent:
            self.W_down, self.b_down = nn.Parameter(torch.empty(d_model, latent)), nn.Parameter(torch.empty(latent))
            self.W_up, self.b_up = nn.Parameter(torch.empty(latent, d_model)), nn.Parameter(torch.empty(d_model))
            self.hook_latent = HookPoint()
        self.shared = make_mlp(d_model, shared, activation, gated) if shared else None
        self.W_shared = nn.Parameter(torch.empty(d_model, 1)) if shared and shared_gate else None
        if self.W_shared is not None:
            self.hook_shared = HookPoint()

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        weights = self.hook_weights(self.weights(self.hook_router(F.linear(x, self.W_router.T))))
        read = self.hook_latent(F.linear(x, self.W_down.T, self.b_down)) if self.latent else x
        out = self._sum(read, weights)
        out = F.linear(out, self.W_up.T, self.b_up) if self.latent else out
        if self.shared is None:
            return out
        if self.W_shared is None:
            return out + self.shared(x)
        return out + self.hook_shared(F.linear(x, self.W_shared.T)).sigmoid() * self.shared(x)

    def weights(self, logits: PerExpert) -> PerExpert:
        """Weights of the experts, 0 for those that are not chosen."""
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
        by_sigmoid = self.router == "sigmoid"
        shares = wide.sigmoid() if by_sigmoid else wide.softmax(dim=-1)
        chosen = (shares + self.b_choice if by_sigmoid else shares).topk(self.chosen, dim=-1).indices
        values = shares.gather(-1, chosen)
        values = values / values.sum(dim=-1, keepdim=True).clamp(min=LEAST) if self.renormalized else values
        return torch.zeros_like(shares).scatter(-1, chosen, values).to(logits.dtype)

    def written_bias(self) -> Float[Tensor, " d_model"]:
        """The constant that is written whatever is read and chosen."""
        constant = self.b_up if self.latent else torch.zeros_like(self.W_router[:, 0])
        return constant if self.shared is None or self.W_shared is not None else constant + self.shared.b_out

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Move or cast everything, but `b_choice` to nothing narrower than float32."""
        before = getattr(self, "b_choice", None)
        super()._apply(fn, recurse)
        if before is not None and self.b_choice.dtype.itemsize < 4:
            self.b_choice = before.to(self.b_choice.device, torch.float32)
        return self

    def _sum(self, x: Float[Tensor, "batch pos d_inner"], weights: PerExpert) -> Float[Tensor, "batch pos d_inner"]:
        """What the experts write together, each run on the positions where it has weight."""
        flat, given = x.flatten(0, 1), weights.flatten(0, 1)
        out = torch.zeros_like(flat)
        everywhere = weights.is_meta or (torch.is_grad_enabled() and in_use(self.hook_weights))  # meta has no values
        for expert in range(given.shape[1]):
            weight = given[:, expert]
            rows = torch.arange(len(flat), device=flat.device) if everywhere else weight.nonzero()[:, 0]
            written = self._run(expert, flat[rows]) * weight[rows, None]
            out = out.index_add(0, rows, written.to(out.dtype))  # autocast multiplies in another precision
        return out.unflatten(0, x.shape[:2])

    def _run(self, expert: int, x: Float[Tensor, "row d_inner"]) -> Float[Tensor, "row d_inner"]:
        linear = x @ self.W_each_in[expert]
        if self.W_each_gate is None:
            return self.activation(linear) @ self.W_each_out[expert]
        return (self.activation(x @ self.W_each_gate[expert]) * linear) @ self.W_each_out[expert]
