"""The hidden attention of Mamba-3: an input is written by its own position and once more by the next."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from interp.models.hidden_attention.layer import Rows
from interp.models.hidden_attention.matrix_layer import Channels, MatrixLayer

PerHead = Float[Tensor, "batch pos head"]


@dataclass(frozen=True, kw_only=True)
class Mamba3Layer(MatrixLayer):
    """A layer whose `terms` write at each position what it and the next one write; `twice` takes the latter back."""

    twice: PerHead
    """Weight that an input would have at its own position through what only the next one writes."""
    D: Float[Tensor, " head"]
    """Weight of each input's direct way to the output."""

    def alpha(
        self, channels: slice, rows: Rows, *, through_conv: bool = False, gated: bool = False, direct: bool = True
    ) -> Float[Tensor, "batch channel query key"]:
        alpha = super().alpha(channels, rows, through_conv=through_conv, gated=gated)
        here = (self.D if direct else torch.zeros_like(self.D)) - self.twice
        here = here.repeat_interleave(self.width, dim=2)
        here = (here * self.gate if gated else here)[..., channels].transpose(1, 2)
        at = torch.arange(self.u.shape[1], device=self.u.device)
        query = at[None, rows] if isinstance(rows, slice) else rows[:, None]
        return alpha + (query[..., None] == at)[:, None] * here[:, :, None]

    def remainder(self, *, through_conv: bool, gated: bool, direct: bool) -> Channels:  # noqa: ARG002
        past_state = torch.zeros_like(self.u) if direct else self.D.repeat_interleave(self.width) * self.u
        return past_state * self.gate if gated else past_state
