"""Attention of a layer some of whose heads look evenly over their windows: no queries, no keys, a running mean."""

import torch
import torch.nn.functional as F
from einops import einsum
from jaxtyping import Float
from torch import Tensor, nn

from interp.base.axes import HeadVectors, Residual
from interp.models.hooks.point import HookPoint, in_use
from interp.models.stack.attention import Attention
from interp.models.stack.config import TransformerConfig
from interp.models.stack.masks import Mask
from interp.models.stack.running_mean import running_means
from interp.models.stack.scores import Entmax
from interp.models.stack.steps import Steps
from interp.models.stack.transport import Queries


class EvenAttention(Attention):
    """Attention, in which the heads that look evenly have weights for their values alone.

    Their W_Q, W_K, queries and keys are zeros, and their scores whatever a hook makes of those: with a hook on them, on
    scores or on patterns, or where strings are packed, everything is computed as in any other head. Otherwise what they
    write is a running mean over the window, linear in the length.
    """

    def _make_weights(self, config: TransformerConfig) -> None:
        d_model = config.d_model
        looking, width = self.heads.looking, self.heads.width
        self.W_QK = nn.Parameter(torch.empty(d_model, 2, len(looking), width)) if looking else None
        self.b_QK = nn.Parameter(torch.empty(2, len(looking), width)) if looking else None
        self.W_values = nn.Parameter(torch.empty(d_model, self.heads.n, width))
        self.b_values = nn.Parameter(torch.empty(self.heads.n, width))

    @property
    def W_QKV(self) -> Float[Tensor, "d_model 3 head d_head"]:
        """All weights of queries, keys and values: zeros where there are none. Made anew; nothing writes to it."""
        zeros = self.W_values.new_zeros(len(self.W_values), 2, *self.W_values.shape[1:])
        if self.W_QK is not None:
            zeros = zeros.index_copy(2, self._looking(zeros), self.W_QK)
        return torch.cat([zeros, self.W_values[:, None]], dim=1)

    @property
    def b_QKV(self) -> Float[Tensor, "3 head d_head"]:
        """All biases, as `W_QKV`."""
        zeros = self.b_values.new_zeros(2, *self.b_values.shape)
        if self.b_QK is not None:
            zeros = zeros.index_copy(1, self._looking(zeros), self.b_QK)
        return torch.cat([zeros, self.b_values[None]])

    def _looking(self, like: Tensor) -> Tensor:
        return torch.tensor(self.heads.looking, device=like.device)

    def _project(self, x: Residual | tuple[Tensor, Tensor, Tensor], first: int) -> list[Tensor]:
        if isinstance(x, tuple):
            return super()._project(x, first)
        values = F.linear(x, self.W_values.flatten(1).T, self.b_values.flatten())
        v = values.unflatten(-1, self.b_values.shape)
        if self.W_QK is None or self.b_QK is None:
            none = v.new_zeros(()).expand(v.shape)
            return [none[:, first:], none, v]
        index, made = self._looking(v), []
        for part, stream in enumerate((x[:, first:], x)):
            weight, bias = self.W_QK[:, part], self.b_QK[part]
            of_some = F.linear(stream, weight.flatten(1).T, bias.flatten())
            of_all = of_some.new_zeros(*stream.shape[:2], *self.b_values.shape)
            made.append(of_all.index_copy(2, index, of_some.unflatten(-1, bias.shape)))
        return [*made, v]

    def _fast(self, q: Queries, k: HeadVectors, v: HeadVectors, mask: Mask, steps: Steps | None) -> Queries:
        watched = [self.hook_q, self.hook_k]
        if self.rotary_dim is not None:
            watched += [self.hook_rot_q, self.hook_rot_k]
        by_entmax = self.heads.looking and isinstance(self.to_pattern, Entmax)  # its alphas are of all heads
        if mask.segment is not None or in_use(*watched) or by_entmax:
            return super()._fast(q, k, v, mask, steps)
        even, looking = list(self.heads.looking_evenly), list(self.heads.looking)
        windows = [(self.heads.windows or ())[head] for head in even]
        means = running_means(v[:, :, even] if looking else v, windows, q.shape[1])
        if not looking:
            return means
        q, k, v = (y[:, :, looking] for y in (q, k, v))
        steps = None if steps is None else steps[:, :, looking]
        looked = self._some_heads(self.heads.of(self.heads.looking), q, k, v, mask, steps)
        order = torch.tensor([*even, *looking], device=v.device).argsort()
        return torch.cat([means, looked.to(means.dtype)], dim=2)[:, :, order]

    def tables(self, rows: Float[Tensor, "token d_model"]) -> Float[Tensor, "head token d_model"]:
        """What each head would write if it looked at one token alone, for the normalised stream of every token."""
        values = F.linear(rows, self.W_values.flatten(1).T, self.b_values.flatten())
        return einsum(values.unflatten(-1, self.b_values.shape), self.W_O, "t h d, h d m -> h t m")

    @property
    def plain(self) -> bool:
        """Whether all heads look evenly and nothing listens at what they are made of."""
        points = [point for point in self.children() if isinstance(point, HookPoint)]
        return self.fast and self.conv is None and not self.heads.looking and not in_use(*points)
