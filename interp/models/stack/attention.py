"""Attention with hook points on every quantity, and two paths that compute the same.

The fast path is `scaled_dot_product_attention`. The explicit path writes scores and pattern out; it runs as soon as
something listens at `hook_attn_scores` or `hook_pattern`, or when `Attention.fast` is switched off.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp.base.axes import HeadVectors, Residual
from interp.models.hooks.point import HookPoint, in_use
from interp.models.stack.positions import rotate

Queries = Float[Tensor, "batch query head d_head"]


@dataclass
class KeyValues:
    """One layer's keys and values so far, [batch pos head d_head]; empty at first."""

    keys: Tensor | None = None
    values: Tensor | None = None

    @property
    def length(self) -> int:
        """Positions so far."""
        return 0 if self.keys is None else self.keys.shape[1]

    def tensors(self) -> dict[str, Tensor]:
        """What is kept, by name; nothing at first."""
        return {} if self.keys is None or self.values is None else {"keys": self.keys, "values": self.values}

    def append(self, keys: HeadVectors, values: HeadVectors) -> tuple[Tensor, Tensor]:
        """Add new positions; returns all keys and values [batch key head d_head], the new ones last."""
        if self.keys is not None and self.values is not None:
            keys, values = torch.cat([self.keys, keys], dim=1), torch.cat([self.values, values], dim=1)
        self.keys, self.values = keys, values
        return keys, values


@dataclass
class Mask:
    """What all layers share: who may look where, and where the tokens stand."""

    queries: Int[Tensor, "#batch query"]
    """Positions of the tokens that look: the new ones, or the last of them."""
    keys: Int[Tensor, "#batch key"]
    """Positions of the new tokens, which are looked at (the past is besides)."""
    bias: Float[Tensor, "#batch #head query all_keys"] | None
    """Added to the scores; None where it would be the causal mask alone, which the fast path knows by itself."""

    @property
    def first(self) -> int:
        """Index, among the new tokens, of the first that looks."""
        return self.keys.shape[1] - self.queries.shape[1]

    def scores(self, q: Queries, k: HeadVectors) -> Float[Tensor, "batch head query pos"]:
        """q k^T / sqrt(d_head), hidden places at -inf."""
        scores = einsum(q, k, "b q h d, b k h d -> b h q k") * q.shape[-1] ** -0.5
        if self.bias is not None:
            return scores + self.bias
        hidden = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        return scores.masked_fill(hidden, -torch.inf)


class Attention(nn.Module):
    """Multi-head attention. The weights of queries, keys and values are one matrix; W_Q, W_K, W_V are views of it.

    Hook points: `hook_q | hook_k | hook_v | hook_z` [batch pos head d_head] (with RoPE also
    `hook_rot_q | hook_rot_k`, rotated), `hook_attn_scores` (scaled, biased, -inf where hidden) and `hook_pattern`
    [batch head query key]; on demand `hook_result` [batch pos head d_model], what each head writes, and
    `hook_q_input | hook_k_input | hook_v_input` [batch pos head d_model], which the block runs before its norm.
    """

    def __init__(self, d_model: int, n_heads: int, d_head: int, rotary_dim: int | None, rotary_base: float) -> None:
        super().__init__()
        self.W_QKV = nn.Parameter(torch.empty(d_model, 3, n_heads, d_head))
        self.b_QKV = nn.Parameter(torch.empty(3, n_heads, d_head))
        self.W_O = nn.Parameter(torch.empty(n_heads, d_head, d_model))
        self.b_O = nn.Parameter(torch.empty(d_model))
        self.rotary_dim, self.rotary_base = rotary_dim, rotary_base
        self.fast = True
        self.hook_q_input, self.hook_k_input, self.hook_v_input = HookPoint(), HookPoint(), HookPoint()
        self.hook_q, self.hook_k, self.hook_v = HookPoint(), HookPoint(), HookPoint()
        if rotary_dim is not None:
            self.hook_rot_q, self.hook_rot_k = HookPoint(), HookPoint()
        self.hook_attn_scores, self.hook_pattern = HookPoint(), HookPoint()
        self.hook_z, self.hook_result = HookPoint(), HookPoint()

    @property
    def W_Q(self) -> Float[Tensor, "head d_model d_head"]:
        return self.W_QKV[:, 0].transpose(0, 1)

    @property
    def W_K(self) -> Float[Tensor, "head d_model d_head"]:
        return self.W_QKV[:, 1].transpose(0, 1)

    @property
    def W_V(self) -> Float[Tensor, "head d_model d_head"]:
        return self.W_QKV[:, 2].transpose(0, 1)

    @property
    def b_Q(self) -> Float[Tensor, "head d_head"]:
        return self.b_QKV[0]

    @property
    def b_K(self) -> Float[Tensor, "head d_head"]:
        return self.b_QKV[1]

    @property
    def b_V(self) -> Float[Tensor, "head d_head"]:
        return self.b_QKV[2]

    def forward(
        self,
        x: Residual | tuple[Tensor, Tensor, Tensor],
        mask: Mask,
        past: KeyValues | None = None,
    ) -> Float[Tensor, "batch query d_model"]:
        """Attend; returns what is written at the positions that look.

        Args:
            x: the normalised residual stream, or three of them [batch pos head d_model], one for each head's queries
                (only where it looks), keys and values, so that a path into one of them can be patched.
            mask: from `HookedTransformer`.
            past: keys and values of earlier positions, extended in place.
        """
        q, k, v = self._project(x, mask.first)
        if in_use(self.hook_q, self.hook_k, self.hook_v):
            q, k, v = q.clone(), k.clone(), v.clone()  # they are views of one tensor, which autograd keeps from edits
        q, k, v = self.hook_q(q), self.hook_k(k), self.hook_v(v)
        if self.rotary_dim is not None:
            q = self.hook_rot_q(rotate(q, mask.queries, self.rotary_dim, self.rotary_base))
            k = self.hook_rot_k(rotate(k, mask.keys, self.rotary_dim, self.rotary_base))
        if past is not None:
            k, v = past.append(k, v)
        explicit = not self.fast or in_use(self.hook_attn_scores, self.hook_pattern)
        z = self.hook_z(self._explicit(q, k, v, mask) if explicit else self._sdpa(q, k, v, mask))
        if in_use(self.hook_result):
            return self.hook_result(einsum(z, self.W_O, "b p h d, h d m -> b p h m")).sum(dim=2) + self.b_O
        return F.linear(z.flatten(2), self.W_O.flatten(0, 1).T, self.b_O)

    def _project(self, x: Residual | tuple[Tensor, Tensor, Tensor], first: int) -> list[Tensor]:
        """Queries of the positions from `first` on; keys and values of all."""
        if isinstance(x, tuple):
            maps = zip(x, self.W_QKV.unbind(1), self.b_QKV, strict=True)
            return [einsum(y, weight, "b p h m, m h d -> b p h d") + bias for y, weight, bias in maps]
        if first == 0:
            return self._heads(x, slice(None))
        return self._heads(x[:, first:], slice(0, 1)) + self._heads(x, slice(1, 3))

    def _heads(self, x: Residual, which: slice) -> list[HeadVectors]:
        """One product for several of queries, keys and values, then apart."""
        weight, bias = self.W_QKV[:, which], self.b_QKV[which]
        return list(F.linear(x, weight.flatten(1).T, bias.flatten()).unflatten(-1, bias.shape).unbind(2))

    def _explicit(self, q: Queries, k: HeadVectors, v: HeadVectors, mask: Mask) -> Queries:
        scores = self.hook_attn_scores(mask.scores(q, k))
        pattern = self.hook_pattern(scores.softmax(dim=-1))
        return einsum(pattern, v, "b h q k, b k h d -> b q h d")

    def _sdpa(self, q: Queries, k: HeadVectors, v: HeadVectors, mask: Mask) -> Queries:
        q, k, v = (y.transpose(1, 2) for y in (q, k, v))
        bias = mask.bias
        z = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, is_causal=bias is None)
        return z.transpose(1, 2)
