"""Attention whose heads share keys and values in groups (grouped queries; Ainslie et al. 2023)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from interp.base.axes import Residual
from interp.models.stack.attention import Attention
from interp.models.stack.config import TransformerConfig


class GroupedAttention(Attention):
    """Attention with fewer maps to keys and values than heads: as many consecutive heads share each.

    Every head remains one by itself: it has its own entry in `hook_k` and `hook_v`, in patterns and in what is carried
    from call to call, so that an edit of a key or a value reaches one head alone. What is shared is the weights.
    """

    def _make_weights(self, config: TransformerConfig) -> None:
        d_model = config.d_model
        width = self.heads.width
        self.W_queries = nn.Parameter(torch.empty(d_model, self.heads.n, width))
        self.b_queries = nn.Parameter(torch.empty(self.heads.n, width))
        self.W_KV = nn.Parameter(torch.empty(d_model, 2, self.n_key_value_heads, width))
        self.b_KV = nn.Parameter(torch.empty(2, self.n_key_value_heads, width))

    @property
    def _each(self) -> int:
        """Heads that share keys and values."""
        return self.heads.n // self.n_key_value_heads

    @property
    def W_QKV(self) -> Float[Tensor, "d_model 3 head d_head"]:
        """All weights of queries, keys and values, those that heads share once for each. Made anew; nothing writes to
        it."""
        return torch.cat([self.W_queries[:, None], self.W_KV.repeat_interleave(self._each, dim=2)], dim=1)

    @property
    def b_QKV(self) -> Float[Tensor, "3 head d_head"]:
        """All biases, as `W_QKV`."""
        return torch.cat([self.b_queries[None], self.b_KV.repeat_interleave(self._each, dim=1)])

    def _project(self, x: Residual | tuple[Tensor, Tensor, Tensor], first: int) -> list[Tensor]:
        if isinstance(x, tuple):
            return super()._project(x, first)
        q = F.linear(x[:, first:], self.W_queries.flatten(1).T, self.b_queries.flatten())
        shared = F.linear(x, self.W_KV.flatten(1).T, self.b_KV.flatten()).unflatten(-1, self.b_KV.shape)
        k, v = shared.repeat_interleave(self._each, dim=3).unbind(2)
        return [q.unflatten(-1, self.b_queries.shape), k, v]
