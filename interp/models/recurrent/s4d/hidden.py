"""The hidden attention of S4D: its kernel, the same for every string and from every position."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from interp.models.hidden_attention.layer import Channels, ReadLayer, Rows
from interp.models.recurrent.s4d.recurrence import Diagonal, toeplitz


@dataclass(frozen=True)
class S4DLayer(ReadLayer):
    """An S4D layer in one forward pass."""

    x: Channels
    u: Channels
    gate: Channels
    """GELU(y) over y."""
    D: Float[Tensor, " channel"]
    W_out: Float[Tensor, "channel d_model"]
    parts: Diagonal
    n_heads: int = 1

    def alpha(
        self,
        channels: slice,
        rows: Rows,
        *,
        through_conv: bool = False,  # noqa: ARG002
        gated: bool = False,
        direct: bool = True,
    ) -> Float[Tensor, "batch channel query key"]:
        n = self.u.shape[1]
        alpha = toeplitz(self.parts.at(channels).kernel(n))
        if direct:
            alpha = alpha + self.D[channels, None, None] * torch.eye(n, dtype=alpha.dtype, device=alpha.device)
        asked = torch.arange(n, device=alpha.device)[None, rows] if isinstance(rows, slice) else rows[:, None]
        alpha = alpha[:, asked].transpose(0, 1).expand(len(self.u), -1, -1, -1)
        if not gated:
            return alpha.clone()
        gate = self.gate[..., channels].take_along_dim(asked[..., None], dim=1)
        return alpha * gate.transpose(1, 2)[..., None]

    def remainder(self, *, through_conv: bool, gated: bool, direct: bool) -> Channels:  # noqa: ARG002
        past_state = torch.zeros_like(self.u) if direct else self.D * self.u
        return past_state * self.gate if gated else past_state

    def numbers_per_channel(self, pairs: int) -> int:
        return max(pairs, self.parts.C.shape[1] * self.u.shape[1])
