"""The matrix of a selective recurrence: how much of the input at each position is in the output at each later one.

    h_t = exp(delta_t A) h_(t-1) + delta_t u_t B_t,  y_t = C_t . h_t    is    y_q = sum over k <= q of alpha[q, k] u_k
    alpha[q, k] = C_q . (exp(A (delta_(k+1) + ... + delta_q)) delta_k B_k)

Rows are made for a block of queries at a time. What decays before the block and since it began are two factors, both at
most 1, so that a block takes one matrix product over the state; within the block every pair has its exponential. The
sums of step sizes run over what lies between two positions and are never differences of longer sums: nothing cancels.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Recurrence:
    """What the matrix is made of; a `rate` is what decays by itself: a channel of Mamba, a head of Mamba-2."""

    delta: Float[Tensor, "batch pos rate"]
    A: Float[Tensor, "rate state_or_1"]
    B: Float[Tensor, "batch pos #rate state"]
    C: Float[Tensor, "batch pos #rate state"]

    def rows(self, queries: slice) -> Float[Tensor, "batch rate query key"]:
        """alpha of a block of queries, to all keys.

        Takes batch x rate x state x (keys + queries squared) numbers of memory, besides the rows.
        """
        since = self.delta[:, queries].cumsum(dim=1)
        reads = self.C[:, queries] * (self.A * since[..., None]).exp()
        before = einsum(reads, self._left(slice(0, queries.start)), "b q r n, b k r n -> b r q k")
        rows = torch.cat([before, self._within(queries)], dim=3)
        return F.pad(rows, (0, self.delta.shape[1] - queries.stop))

    def row(self, query: Int[Tensor, " batch"]) -> Float[Tensor, "batch rate 1 key"]:
        """alpha of one query of each string, to all keys."""
        at = query[:, None, None]
        later = torch.arange(self.delta.shape[1], device=query.device)[:, None] > at
        ended = replace(self, delta=self.delta.masked_fill(later, 0.0))  # writes nothing, and decays no further
        reads = self.C.take_along_dim(at[..., None], dim=1).expand(-1, -1, len(self.A), -1)
        return einsum(reads, ended._left(slice(None)), "b q r n, b k r n -> b r q k")

    def _left(self, keys: slice) -> Float[Tensor, "batch key rate state"]:
        """What is left of each of these positions' writes in the state after the last of them."""
        delta = self.delta[:, keys]
        after = F.pad(delta[:, 1:], (0, 0, 0, 1))[:, : delta.shape[1]].flip(1).cumsum(dim=1).flip(1)
        return self.B[:, keys] * (delta[..., None] * (self.A * after[..., None]).exp())

    def _within(self, block: slice) -> Float[Tensor, "batch rate query key"]:
        """alpha where the key lies in the block, too."""
        delta, B, C = self.delta[:, block], self.B[:, block], self.C[:, block]
        seen = delta.new_ones(delta.shape[1], delta.shape[1]).tril()
        between = (delta[:, :, None] * seen.tril(-1)[..., None]).cumsum(dim=1)  # of the steps after the key
        reads = C[:, :, None] * B[:, None] * (self.A * between[..., None]).exp()
        return einsum(reads.sum(dim=-1), delta, seen, "b q k r, b k r, q k -> b r q k")
