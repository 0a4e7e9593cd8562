"""The selective scan in torch alone, on any device: in place over buffers that stay in the cache.

A block of batch rows runs through chunks of positions; states of a chunk are [chunk row state channel], so that
channels, of which there are many, are innermost. The forward keeps the state before each chunk, and the backward
starts there.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

CHUNK = 16
BLOCK = 2**17
"""Numbers in one buffer on a CPU: a few of these fit its L2 cache. Elsewhere all rows run at once."""


def forward(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, initial: Tensor, *, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """y, the final state, and the states before each chunk [chunk batch state channel], none unless `keep`."""
    batch, length, channels = u.shape
    y = u.new_empty(batch, length, channels)
    final = torch.empty_like(initial)
    starts = range(0, length, CHUNK)
    kept = u.new_empty(len(starts) if keep else 0, batch, A.shape[1], channels)
    for rows in _blocks(u, A):
        state = initial[rows].mT
        for i, start in enumerate(starts):
            if keep:
                kept[i, rows] = state
            chunk = slice(start, start + CHUNK)
            _, states = _states(u[rows, chunk], delta[rows, chunk], A, B[rows, chunk], state)
            y[rows, chunk] = (C[rows, chunk].transpose(0, 1)[..., None, :] @ states[1:]).squeeze(2).transpose(0, 1)
            state = states[-1]
        final[rows] = state.mT
    return y.addcmul_(u, D), final, kept


def backward(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, initial: Tensor,
    kept: Tensor, dy: Tensor, dfinal: Tensor,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Gradients of u, delta, A, B, C, D and initial, from those of y and the final state."""
    du, ddelta, dB, dC, dinitial = (torch.empty_like(x) for x in (u, delta, B, C, initial))
    dA = torch.zeros_like(A)
    for rows in _blocks(u, A):
        grad = dfinal[rows].mT
        for i in reversed(range(kept.shape[0])):
            chunk = slice(i * CHUNK, (i + 1) * CHUNK)
            decay, states = _states(u[rows, chunk], delta[rows, chunk], A, B[rows, chunk], kept[i, rows])
            u_, delta_, B_, C_, dy_ = (x[rows, chunk].transpose(0, 1) for x in (u, delta, B, C, dy))
            grads = C_[..., None] * dy_[:, :, None]  # of each state, [chunk row state channel]
            grads[-1] += grad
            for t in range(len(grads) - 1, 0, -1):
                grads[t - 1].addcmul_(decay[t], grads[t])
            dC[rows, chunk] = (states[1:] @ dy_[..., None]).squeeze(-1).transpose(0, 1)
            dB[rows, chunk] = (grads @ (delta_ * u_)[..., None]).squeeze(-1).transpose(0, 1)
            dwrite = (B_[..., None, :] @ grads).squeeze(2)  # of delta_t u_t
            grads.mul_(decay)
            grad = grads[0].clone()
            grads.mul_(states[:-1])  # of delta_t A
            du[rows, chunk] = (dwrite * delta_).transpose(0, 1)
            ddelta[rows, chunk] = (dwrite * u_ + (grads * A.T).sum(2)).transpose(0, 1)
            dA += grads.mul_(delta_[:, :, None]).sum((0, 1)).T
        dinitial[rows] = grad.mT
    return du.addcmul_(dy, D), ddelta, dA, dB, dC, (dy * u).sum((0, 1)), dinitial


def _states(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """The decays of a chunk [chunk row state channel], and its states, the one before it first."""
    u, delta, B = (x.transpose(0, 1) for x in (u, delta, B))
    decay = (delta[:, :, None] * A.T).exp_()
    states = torch.empty((len(decay) + 1, *decay.shape[1:]), dtype=decay.dtype, device=decay.device)
    states[0] = state
    torch.mul((delta * u)[:, :, None], B[..., None], out=states[1:])
    for t in range(len(decay)):
        states[t + 1].addcmul_(decay[t], states[t])
    return decay, states


def _blocks(u: Tensor, A: Tensor) -> Iterator[slice]:
    """The batch in slices."""
    batch = u.shape[0]
    rows = max(1, BLOCK // (CHUNK * A.numel())) if u.device.type == "cpu" else max(1, batch)
    return (slice(row, row + rows) for row in range(0, batch, rows))
