"""Keys carried to later queries by a product of matrices I - beta w w^T (PaTH; Yang et al. 2025), in blocks.

Written out, every pair of positions has a product of its own. In blocks of positions it is compact (the WY form of
products of Householder matrices; Bischof & Van Loan 1987): within a block one triangular system gives all scores; from
block to block a query is carried back by one matrix, and keys are carried once, to the end of their block.
"""

from contextlib import nullcontext

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from interp.base.axes import HeadVectors

Queries = Float[Tensor, "batch query head d_head"]
NARROW, WIDE = 32, 48
"""Positions of a block, for d_head below 64 and from there on: with fewer a query is carried more often, which costs
more the wider it is; with more the systems within blocks cost more."""


def transported_scores(
    q: Queries,
    k: HeadVectors,
    w: Float[Tensor, "batch pos head d_head"],
    beta: Float[Tensor, "batch pos head"],
    block: int | None = None,
) -> Float[Tensor, "batch head query pos"]:
    """Multiply q_i^T H_i H_(i-1) ... H_(j+1) k_j / sqrt(d_head), H_t = I - beta_t w_t w_t^T, for all i and j <= i.

    In single precision at least, whatever autocast says. What stands at j > i has no meaning, and is to be hidden.

    Args:
        q: queries of the last positions [batch query head d_head].
        k: keys of all.
        w, beta: of all.
        block: positions of a block; None for what suits d_head.
    """
    block = block or (NARROW if q.shape[-1] < 64 else WIDE)
    kind = q.device.type
    with torch.autocast(kind, enabled=False) if kind in ("cpu", "cuda") else nullcontext():
        return _in_blocks(q, k, w, beta, block).to(q.dtype)


def _in_blocks(q: Tensor, k: Tensor, w: Tensor, beta: Tensor, block: int) -> Tensor:
    n, first = k.shape[1], k.shape[1] - q.shape[1]
    begins = first // block
    q, k, w = (x.to(torch.promote_types(x.dtype, torch.float32)).transpose(1, 2) for x in (q, k, w))
    q = q * q.shape[-1] ** -0.5  # here, and not the scores, of which there are more
    b = beta.to(w.dtype).transpose(1, 2)[..., None]
    after = -n % block
    k, w, b = (F.pad(x, (0, 0, 0, after)).unflatten(2, (-1, block)) for x in (k, w, b))
    q = F.pad(q, (0, 0, first - begins * block, after)).unflatten(2, (-1, block))
    upto, before = (w.new_ones(block, block).tril(last) for last in (0, -1))  # a product takes less time than tril
    erasing = b * w
    system = erasing @ w.mT  # of which only what is below the diagonal is read

    def solved(right: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(system, right, upper=False, unitriangular=True)

    carried, change = solved(erasing), solved(erasing @ k.mT * before)  # [batch head block step d_head | pos]
    keys = k - change.mT @ w
    across = torch.eye(w.shape[-1], dtype=w.dtype, device=w.device) - w.mT @ carried
    met = q @ w[:, :, begins:].mT * upto
    scores = {0: q @ k[:, :, begins:].mT - met @ change[:, :, begins:]}
    q = q - met @ carried[:, :, begins:]
    n_blocks = k.shape[2]
    for back in range(1, n_blocks):
        start = max(begins, back)
        q = q[:, :, q.shape[2] - (n_blocks - start) :]
        scores[back] = q @ keys[:, :, start - back : n_blocks - back].mT
        q = q @ across[:, :, start - back : n_blocks - back]
    rows, hidden = [], k.new_zeros(())
    parts = {back: of.unbind(2) for back, of in scores.items()}
    for at in range(begins, n_blocks):
        row = [parts[back][at - max(begins, back)] for back in range(at, -1, -1)]
        row.append(hidden.expand(*row[0].shape[:-1], (n_blocks - 1 - at) * block))
        rows.append(torch.cat(row, dim=-1))
    above = first - begins * block
    return torch.cat(rows, dim=2)[:, :, above : above + n - first, :n]
