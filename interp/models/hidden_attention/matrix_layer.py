"""The hidden attention of matrix-valued states, with what they erase.

    S_t = A_t S_(t-1) + k_t v_t^T,  A_t = Diag(a_t) - e_t p_t^T,  y_t = S_t^T q_t      is
    y_q = sum over k <= q of alpha[q, k] v_k,   alpha[q, k] = q_q^T A_q ... A_(k+1) k_k

one number for all channels of a head. A query is carried back through the transposed A from its own position to the
first, and meets each key on its way: exact, and stable as the recurrence itself is.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from interp.models.hidden_attention.layer import ReadLayer, Rows, before_conv

Channels = Float[Tensor, "batch pos channel"]


@dataclass(frozen=True)
class MatrixLayer(ReadLayer):
    """A layer with a matrix-valued state, between a convolution and a gate where it has them."""

    x: Channels
    """What the convolution reads; without one, u."""
    u: Channels
    """The values, head after head; where the norm takes the mean off each head's output, without that of theirs."""
    held: Channels
    """u over what the convolution gives: the sigmoid of that."""
    gate: Channels
    """The layer's own input to W_out over y."""
    terms: Any
    """Its recurrence, with all factors of the write in k and all of the output in q: has q, k, decay, erase, probe."""
    W_out: Float[Tensor, "channel d_model"]
    n_heads: int
    W_conv: Float[Tensor, "channel width"] | None = None
    past_state: Channels | None = None
    """Weight of each value's direct way to what W_out reads, past the state and the norm; None where there is none."""
    taken: Channels | None = None
    """What the norm takes off each head's output, its mean; None where it takes nothing off."""
    lacks: Channels | None = None
    """What u lacks of the values that go past the norm, the mean of each head's; None where it lacks nothing."""

    @property
    def width(self) -> int:
        """Channels of a head."""
        return self.u.shape[2] // self.n_heads

    @property
    def channels_alike(self) -> int:
        return self.width

    def alpha(
        self,
        channels: slice,
        rows: Rows,
        *,
        through_conv: bool = False,
        gated: bool = False,
        direct: bool = True,
    ) -> Float[Tensor, "batch channel query key"]:
        heads = slice(channels.start // self.width, (channels.stop - 1) // self.width + 1)
        alpha = self._rows(heads, rows).repeat_interleave(self.width, dim=1)
        alpha = alpha[:, channels.start - heads.start * self.width :][:, : channels.stop - channels.start]
        if through_conv and self.W_conv is not None:
            alpha = alpha * self.held[..., channels].transpose(1, 2)[:, :, None]
            alpha = before_conv(alpha, self.W_conv[channels])
        if not gated:
            return alpha
        gate = self.gate[..., channels]
        gate = gate[:, rows] if isinstance(rows, slice) else gate.take_along_dim(rows[:, None, None], dim=1)
        alpha = alpha * gate.transpose(1, 2)[..., None]
        if not direct or self.past_state is None:
            return alpha
        at = torch.arange(self.u.shape[1], device=self.u.device)
        query = at[None, rows] if isinstance(rows, slice) else rows[:, None]
        return alpha + (query[..., None] == at)[:, None] * self.past_state[..., channels].transpose(1, 2)[:, :, None]

    def remainder(self, *, through_conv: bool, gated: bool, direct: bool) -> Channels:  # noqa: ARG002
        if not gated and self.taken is not None:
            return self.taken.to(self.u.dtype)
        if not gated or self.past_state is None:
            return torch.zeros_like(self.u)
        past = torch.zeros_like(self.u) if self.lacks is None else self.past_state * self.lacks
        return past if direct else past + self.past_state * self.u

    def numbers_per_channel(self, pairs: int) -> int:
        return pairs

    def _rows(self, heads: slice, rows: Rows) -> Float[Tensor, "batch head query key"]:
        """alpha of some heads."""
        t, n = self.terms, self.u.shape[1]
        asked = torch.arange(n, device=self.u.device)[None, rows] if isinstance(rows, slice) else rows[:, None]
        reads = t.q[:, :, heads].take_along_dim(asked[..., None, None], dim=1).transpose(1, 2)  # [batch head query key]
        back, columns = torch.zeros_like(reads), []
        asked, end = asked[:, None, :, None], rows.stop if isinstance(rows, slice) else n
        for at in range(end - 1, -1, -1):
            back = torch.where(asked == at, reads, back)
            columns.append((back @ t.k[:, at, heads, :, None])[..., 0])
            kept = back * t.decay[:, at, heads, None]
            if t.erase is not None:
                kept = kept - (back @ t.erase[:, at, heads, :, None]) * t.probe[:, at, heads, None]
            back = kept
        alpha = torch.stack(columns[::-1], dim=-1)
        return torch.nn.functional.pad(alpha, (0, n - end))
