"""The mean of the last w values at every position: what a head that looks evenly over a window writes."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from interp.base.axes import Tokens
from interp.models.stack.layer_heads import Window


def running_means(
    values: Float[Tensor, "batch pos #head inner"], windows: Sequence[Window], last: int | None = None
) -> Float[Tensor, "batch query head inner"]:
    """Average each head's values over its window, itself included, which the first position cuts off.

    In time and memory linear in the length, whatever the windows: differences of a running sum, which is kept in double
    precision, so that they are as exact as the values at a million positions, too.

    Args:
        values: what is averaged; with one head for all windows where they average the same.
        windows: one per head; None: all positions so far.
        last: return only this many of the last positions; None: all.
    """
    first, cut = 0 if last is None else values.shape[1] - last, 0
    if all(windows):
        cut = max(0, first + 1 - max(w or 0 for w in windows))  # no window reaches what comes before
    values, first, n = values[:, cut:], first - cut, values.shape[1] - cut
    total = F.pad(values.double().cumsum(dim=1), (0, 0, 0, 0, 1, 0))
    seen = torch.arange(cut + first + 1, cut + n + 1, device=values.device)[None, :, None]
    means = []
    for head, window in enumerate(windows):
        here = total[:, :, head if total.shape[2] > 1 else 0]
        w = n if window is None else min(window, n)
        begun = here[:, max(first + 1 - w, 0) : n + 1 - w]  # the sums before each window; those cut off begin with 0
        before = F.pad(begun, (0, 0, n - first - begun.shape[1], 0))
        means.append((here[:, first + 1 :] - before) / (seen if window is None else seen.clamp(max=window)))
    return torch.stack(means, dim=2).to(values.dtype)


def token_shares(
    tokens: Tokens, windows: Sequence[Window], d_vocab: int, dtype: torch.dtype
) -> Float[Tensor, "batch pos head token"]:
    """The share of each token in each window: an even look at embeddings is a sum over tokens by these."""
    there: Int[Tensor, "batch pos token"] = F.one_hot(tokens, d_vocab)
    return running_means(there[:, :, None].to(dtype), windows)
