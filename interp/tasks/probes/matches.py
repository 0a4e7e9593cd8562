"""How long the contexts of two positions agree: the match length m(q, j), on which n-gram lookups are defined."""

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor

from interp.base.axes import Tokens
from interp.base.calls import checked_call
from interp.base.errors import UserError


@checked_call
def match_lengths(tokens: Tokens, limit: int, queries: slice = slice(None)) -> Int[Tensor, "batch query key"]:
    """Compute the length of the longest common suffix of the tokens that end at q and of those that end at j, at most
    `limit`.

    Zero for j >= q. An n-gram lookup attends from q to j + 1 where m[q, j] >= n.

    >>> interp.tasks.match_lengths(torch.tensor([[0, 1, 2, 0, 1]]), limit=3)[0, 4]
    tensor([0, 2, 0, 0, 0])

    Args:
        limit: longest length that is told apart; the cost grows with it.
        queries: a block of rows, so that long strings fit in memory: the result holds `batch * rows * pos` integers.

    Raises: UserError for a limit below 0.
    """
    if limit < 0:
        raise UserError(f"limit must be at least 0 tokens; got {limit}.")
    limit = min(limit, tokens.shape[1])
    pos = torch.arange(tokens.shape[1], device=tokens.device)
    # Before the beginning stand two different paddings, so that a match ends there.
    at_query, at_key = F.pad(tokens, (limit, 0), value=-1), F.pad(tokens, (limit, 0), value=-2)
    agree = pos < pos[queries, None]
    length = torch.zeros_like(agree, dtype=torch.long).expand(tokens.shape[0], -1, -1)
    for back in range(limit):
        last = limit - back
        same = at_query[:, last:][:, : len(pos)][:, queries, None] == at_key[:, None, last:][:, :, : len(pos)]
        agree = agree & same
        length = length + agree
    return length
