"""A head that looks a fixed distance back by RoPE: queries and keys that are constant except for a phase."""

import torch
from jaxtyping import Float
from torch import Tensor

FARTHEST = 512
"""Distances among which the wanted one must win."""


def distance_maps(
    constant: slice, d_model: int, distance: int, gain: float, width: int, base: float
) -> tuple[Float[Tensor, "d_model d_qk"], Float[Tensor, "d_model d_qk"]]:
    """q and k on the `width` axes that RoPE turns, whose score is largest at `distance`.

    RoPE turns the i-th pair by position x base^(-2i / width). A key that is ahead of the query by `distance` of these
    angles meets it there: the score is the sum of cos(angle x (distance found - distance wanted)).

    Args:
        constant: axes of the stream whose sum is 1 everywhere.
        d_model: width of the stream.
        distance: how far back.
        gain: nats by which it beats every other distance up to `FARTHEST`.
        width, base: of the model's RoPE.
    """
    angle = base ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    scale = gain / _margin(angle, distance)
    q = torch.zeros(d_model, width, dtype=torch.float64)
    k = torch.zeros(d_model, width, dtype=torch.float64)
    q[constant, : width // 2] = scale
    k[constant] = torch.cat([(angle * distance).cos(), (angle * distance).sin()])
    return q, k


def _margin(angle: Float[Tensor, " pair"], distance: int) -> float:
    """Margin by which the sum of cosines is larger at the wanted distance than at any other."""
    others = torch.arange(FARTHEST, dtype=torch.float64)
    others = others[others != distance]
    return float((1 - ((others[:, None] - distance) * angle).cos()).sum(dim=1).min())
