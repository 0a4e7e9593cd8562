"""A mixture of experts in the place of an MLP: a router gives every position to a few of many small MLPs."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from interp.models.hooks.point import HookPoint
from interp.models.stack.layers import ACTIVATIONS, GatedMLP

PerExpert = Float[Tensor, "batch pos expert"]


class Experts(nn.Module):
    """sum over the chosen experts e of p_e E_e(x), each E_e a gated MLP without biases; + sigmoid(x g) S(x), if shared.

    p is the softmax of `hook_router` [batch pos expert], x W_router, over all experts, of which the largest `chosen`
    are kept (Shazeer et al. 2017); where `renormalized`, they are divided by their sum. `hook_weights` [batch pos
    expert] holds them, 0 for those that are not chosen: an expert is run where its weight is not 0, edited or not. The
    shared expert S is run everywhere: `shared.hook_pre | hook_pre_linear | hook_post`; `hook_shared` [batch pos 1] is
    its gate before the sigmoid.

    Args:
        d_model: width of the stream.
        experts: how many there are.
        chosen: how many each position is given to.
        width: hidden width of each.
        activation: of all.
        renormalized: whether the weights of those that are chosen sum to 1.
        shared: hidden width of the shared expert; 0: none.
    """

    def __init__(
        self, d_model: int, experts: int, chosen: int, width: int, activation: str, renormalized: bool, shared: int
    ) -> None:
        super().__init__()
        self.chosen, self.width, self.renormalized = chosen, width, renormalized
        self.W_router = nn.Parameter(torch.empty(d_model, experts))
        self.W_each_gate = nn.Parameter(torch.empty(experts, d_model, width))
        self.W_each_in = nn.Parameter(torch.empty(experts, d_model, width))
        self.W_each_out = nn.Parameter(torch.empty(experts, width, d_model))
        self.activation = ACTIVATIONS[activation]
        self.hook_router, self.hook_weights = HookPoint(), HookPoint()
        self.shared = GatedMLP(d_model, shared, activation) if shared else None
        if shared:
            self.W_shared = nn.Parameter(torch.empty(d_model, 1))
            self.hook_shared = HookPoint()

    def forward(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        weights = self.hook_weights(self.weights(self.hook_router(F.linear(x, self.W_router.T))))
        out = self._sum(x, weights)
        if self.shared is None:
            return out
        return out + self.hook_shared(F.linear(x, self.W_shared.T)).sigmoid() * self.shared(x)

    def weights(self, logits: PerExpert) -> PerExpert:
        """Weights of the experts, 0 for those that are not chosen."""
        shares = logits.to(torch.promote_types(logits.dtype, torch.float32)).softmax(dim=-1)
        top = shares.topk(self.chosen, dim=-1)
        values = top.values / top.values.sum(dim=-1, keepdim=True) if self.renormalized else top.values
        return torch.zeros_like(shares).scatter(-1, top.indices, values).to(logits.dtype)

    def _sum(self, x: Float[Tensor, "batch pos d_model"], weights: PerExpert) -> Float[Tensor, "batch pos d_model"]:
        """What the experts write together, each run on the positions where it has weight."""
        flat, given = x.flatten(0, 1), weights.flatten(0, 1)
        out = torch.zeros_like(flat)
        for expert in range(given.shape[1]):
            weight = given[:, expert]
            every = torch.arange(len(flat), device=flat.device)
            rows = every if weight.is_meta else weight.nonzero()[:, 0]  # meta tensors have no values
            written = self._run(expert, flat[rows]) * weight[rows, None]
            out = out.index_add(0, rows, written.to(out.dtype))  # autocast multiplies in another precision
        return out.unflatten(0, x.shape[:2])

    def _run(self, expert: int, x: Float[Tensor, "row d_model"]) -> Float[Tensor, "row d_model"]:
        gate, linear = x @ self.W_each_gate[expert], x @ self.W_each_in[expert]
        return (self.activation(gate) * linear) @ self.W_each_out[expert]
