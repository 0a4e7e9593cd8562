"""Where a token stands: position encodings as a bias on the scores, or as a rotation of queries and keys.

ALiBi adds slope x distance; Hard-ALiBi cuts each head off beyond its window (Jelassi et al. 2024, section 2); RoPE
rotates (Su et al. 2021, in GPT-NeoX's half-split layout). NoPE leaves only the causal mask.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor


def attention_bias(
    queries: Int[Tensor, " query"],
    keys: Int[Tensor, " key"],
    dtype: torch.dtype,
    slopes: Sequence[float] | None = None,
    windows: tuple[int | None, ...] | None = None,
) -> Float[Tensor, "head query key"]:
    """What is added to the scores: 0 or slope x (key - query) where a head may look, -inf where it may not.

    A head of window m sees the positions query - m + 1 .. query; None sees all of 0 .. query. The head axis has size 1
    where all heads are alike.

    Args:
        queries, keys: positions in the sequence.
        slopes: ALiBi's, one per head.
        windows: Hard-ALiBi's, one per head.
    """
    distance = queries[:, None] - keys
    hidden = (distance < 0)[None]
    if windows is not None:
        unlimited = torch.iinfo(distance.dtype).max
        reach = torch.tensor([unlimited if w is None else w for w in windows], device=keys.device)
        hidden = hidden | (distance >= reach[:, None, None])
    bias = torch.zeros(hidden.shape, dtype=dtype, device=keys.device)
    if slopes is not None:
        bias = -distance * torch.tensor(slopes, dtype=dtype, device=keys.device)[:, None, None]
    return bias.masked_fill_(hidden, -torch.inf)


def segment_bias(
    queries: Int[Tensor, "batch query"], keys: Int[Tensor, "batch key"], dtype: torch.dtype
) -> Float[Tensor, "batch 1 query key"]:
    """-inf between positions of different segments, so that packed strings do not see each other."""
    apart = queries[:, None, :, None] != keys[:, None, None, :]
    return torch.zeros(apart.shape, dtype=dtype, device=keys.device).masked_fill_(apart, -torch.inf)


def rotate(
    x: Float[Tensor, "batch pos head d_head"], positions: Int[Tensor, "#batch pos"], dim: int, base: float
) -> Float[Tensor, "batch pos head d_head"]:
    """RoPE on the first `dim` coordinates of each head: the pair (i, i + dim/2) turns by position / base^(2i/dim)."""
    frequency = base ** (-torch.arange(0, dim, 2, device=x.device, dtype=torch.float32) / dim)
    angle = positions[:, :, None, None] * frequency
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    first, second, rest = x[..., : dim // 2], x[..., dim // 2 : dim], x[..., dim:]
    return torch.cat([first * cos - second * sin, second * cos + first * sin, rest], dim=-1)
