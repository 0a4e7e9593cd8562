"""Attention whose keys and values are made of a normalised latent (multi-head latent attention; DeepSeek-V2 2024)."""

from typing import Any

import torch
import torch.nn.functional as F
from einops import einsum
from jaxtyping import Float
from torch import Tensor, nn

from interp.base.axes import Residual
from interp.base.errors import UserError
from interp.models.stack.attention import Attention
from interp.models.stack.config import TransformerConfig
from interp.models.stack.layers import RMSNorm

EPS = 1e-6
"""What the latent's norm adds to its mean square, as the authors have it, whatever other norms add."""


class LatentAttention(Attention):
    """Attention with keys (c W_keys, x W_shared_key) and values c W_values of the latent c = RMSNorm(x W_latent).

    The last `d_shared_key` numbers of every head's key are the same map of the stream. Every head remains one by
    itself: it has its own entry in `hook_k` [batch pos head d_head] and `hook_v` [batch pos head d_value], in patterns
    and in what is carried from call to call, where other code carries the latent. Hook points of its own:
    `latent_norm.hook_scale | hook_normalized` (where a path into keys or values is watched, an entry for each head's
    keys, then one for each head's values).
    """

    def _make_weights(self, config: TransformerConfig) -> None:
        assert config.d_latent is not None
        d, n, width, latent = config.d_model, self.heads.n, self.heads.width, config.d_latent
        self.W_queries, self.b_queries = nn.Parameter(torch.empty(d, n, width)), nn.Parameter(torch.empty(n, width))
        self.W_latent, self.b_latent = nn.Parameter(torch.empty(d, latent)), nn.Parameter(torch.empty(latent))
        self.latent_norm = RMSNorm(latent, EPS)
        self.W_keys = nn.Parameter(torch.empty(latent, n, width - config.d_shared_key))
        self.W_values = nn.Parameter(torch.empty(latent, n, config.d_value or width))
        shared = config.d_shared_key
        self.W_shared_key = nn.Parameter(torch.empty(d, shared)) if shared else None
        self.b_shared_key = nn.Parameter(torch.empty(shared)) if shared else None

    @property
    def W_QKV(self) -> Any:
        """Raises: UserError: between stream and keys stands a norm."""
        raise UserError(
            "attention must map the stream itself to keys and values for W_QKV; got one with a latent between them. "
            "Use W_queries, W_latent, W_keys and W_values."
        )

    b_QKV = W_QKV

    def _project(self, x: Residual | tuple[Tensor, Tensor, Tensor], first: int) -> list[Tensor]:
        if isinstance(x, tuple):
            of_queries, of_keys, of_values = x
            q = einsum(of_queries, self.W_queries, "b p h m, m h d -> b p h d") + self.b_queries
            both = self._latent(torch.cat([of_keys, of_values], dim=2))
            of_k, of_v = both.chunk(2, dim=2)
            k = einsum(of_k, self.W_keys, "b p h l, l h d -> b p h d")
            return [q, self._with_shared(k, of_keys), einsum(of_v, self.W_values, "b p h l, l h d -> b p h d")]
        q = F.linear(x[:, first:], self.W_queries.flatten(1).T, self.b_queries.flatten())
        latent = self._latent(x)
        k, v = (F.linear(latent, W.flatten(1).T).unflatten(-1, W.shape[1:]) for W in (self.W_keys, self.W_values))
        return [q.unflatten(-1, self.b_queries.shape), self._with_shared(k, x[:, :, None]), v]

    def _latent(self, x: Float[Tensor, "*axes d_model"]) -> Float[Tensor, "*axes latent"]:
        return self.latent_norm(F.linear(x, self.W_latent.T, self.b_latent))

    def _with_shared(
        self, k: Float[Tensor, "batch pos head d_own"], x: Float[Tensor, "batch pos #head d_model"]
    ) -> Float[Tensor, "batch pos head d_head"]:
        """Keys with the part that all heads share behind their own."""
        if self.W_shared_key is None:
            return k
        shared = F.linear(x, self.W_shared_key.T, self.b_shared_key)
        return torch.cat([k, shared.expand(-1, -1, k.shape[2], -1)], dim=-1)
