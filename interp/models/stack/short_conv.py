"""A short convolution of queries, keys and values: what lets a single layer of attention look n-grams up."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp.base.axes import HeadVectors
from interp.models.scan.conv import causal_conv
from interp.models.stack.layer_heads import LayerHeads

Parts = Float[Tensor, "batch pos 3 head d_head"]
Window = Float[Tensor, "batch before 3 head d_head"]


class ShortConv(nn.Module):
    """Each number of a query, a key or a value becomes a weighted sum of itself and of those just before it.

        q_t = sum_j w_j * q_(t - j), j from 0 to width - 1, with weights of its own for each number

    One layer with it does n-gram associative recall at any length, n the width less one (CAT; Li et al. 2025, arXiv
    2407.05591): the key of a position can hold the letters before it, the query the last letters, and the value stays.

    Args:
        width: positions that it reaches over, the present one included.
        heads: of the layer.
    """

    def __init__(self, width: int, heads: LayerHeads) -> None:
        super().__init__()
        self.W_conv = nn.Parameter(torch.empty(width, 3, heads.n, heads.width))
        """[place part head d_head]: place 0 is the present position, 1 the one before it; parts are q, k, v."""

    @property
    def reach(self) -> int:
        """Positions before the present one."""
        return len(self.W_conv) - 1

    def forward(
        self, qkv: list[HeadVectors], segment: Int[Tensor, "batch pos"] | None = None, window: Window | None = None
    ) -> tuple[list[HeadVectors], Window]:
        """Convolve queries, keys and values of the same positions.

        Args:
            qkv: the three.
            segment: which packed string each position belongs to; nothing passes from one to another.
            window: the last `reach` positions before these; None for zeros.

        Returns: the three, and the window of what follows.
        """
        x = torch.stack(qkv, dim=2)
        if segment is None:
            filters = self.W_conv.flatten(1).flip(0).T
            before = None if window is None else window.flatten(2)
            mixed, after = causal_conv(x.flatten(2), filters, initial=before)
            return list(mixed.view(x.shape).unbind(2)), after.unflatten(2, x.shape[2:])
        mixed, after = self.place_by_place(x, segment, window)
        return list(mixed.unbind(2)), after

    def place_by_place(
        self, x: Parts, segment: Int[Tensor, "batch pos"] | None = None, window: Window | None = None
    ) -> tuple[Parts, Window]:
        """The sum as it is written, one offset after the other: what `forward` does faster where nothing is packed."""
        before = x.new_zeros(len(x), self.reach, *x.shape[2:]) if window is None else window
        line, n = torch.cat([before, x], dim=1), x.shape[1]
        mixed = self.W_conv[0] * x
        for back in range(1, self.reach + 1):
            earlier = line[:, self.reach - back : self.reach - back + n]
            if segment is not None:
                here = segment.new_full((len(segment), back), -1)
                same = torch.cat([here, segment], dim=1)[:, :n] == segment
                earlier = earlier * same[..., None, None, None]
            mixed = mixed + self.W_conv[back] * earlier
        return mixed.to(x.dtype), line[:, n:]
