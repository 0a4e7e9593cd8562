"""The selective scan on a CPU, compiled by numba at first use and kept on disk after.

One item of work is one batch row and one block of channels, through all positions. Channels are innermost, so that they
fill the vector units: the inner loops run over one-dimensional slices from 0, which is what LLVM vectorises. The
forward keeps the state before each chunk of positions; the backward goes through the chunks from the last to the first
and computes the states and decays of one anew, into buffers that stay in the cache. No two items write to the same
place, and what they share is summed in their order, so that the number of threads changes no bit of the result.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from inspect import unwrap
from typing import Any

import numpy as np
import torch
from numba import njit, types
from numba.extending import overload
from torch import Tensor

CHUNK = 16
"""Positions from one kept state to the next."""
BLOCK = 8192
"""Numbers in the state of one item: with its chunk's states and decays it takes 1 MB in float32."""
ALONE = 2**21
"""Updates of one number of a state below which a second thread costs more than it saves: about a millisecond."""

SUMS = {"reassoc", "contract", "nsz", "arcp"}  # fastmath that vectorises sums, and lets infinities and NaN pass


def _compiled(function: Callable) -> Callable:
    """njit, kept on disk where there is a folder that can be written to."""
    function = unwrap(function)  # the tests wrap every function in a check of its types
    options = {"nogil": True, "fastmath": SUMS}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # numba found none
        return njit(**options)(function)


def _exp(x):
    return math.exp(x)


# To reassociate would undo the reduction of the argument, so this may contract to fused multiply-adds alone.
@overload(_exp, jit_options={"fastmath": {"contract"}})
def _exp_of(x):
    return unwrap(_exp32 if x == types.float32 else _exp)


def _exp32(x):
    """e^x = 2^k e^r with |r| <= ln(2)/2, e^r by the polynomial of Cephes' expf; within 1.0e-7 of itself.

    0 below the normal numbers (-87.3), infinite above 88.3.
    """
    shifted = x * np.float32(1.44269504) + np.float32(12582912)  # 1.5 * 2^23: its last bits are k
    k = shifted - np.float32(12582912)
    r = (x - k * np.float32(0.693359375)) - k * np.float32(-2.12194440e-4)  # ln(2) in two parts
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * (r * r) + r + np.float32(1)
    exponent = np.int32(np.float32(shifted).view(np.int32) << np.int32(23)) + np.int32(127 << 23)
    result = p * np.int32(exponent).view(np.float32)
    result = np.float32(0) if x < np.float32(-87.33654) else result
    return np.float32(np.inf) if x > np.float32(88.376) else result


@_compiled
def _enter(y, write, u, delta, D):
    """What a position's input adds to y directly, and what it writes to the states, B apart."""
    for c in range(len(u)):
        y[c] = D[c] * u[c]
        write[c] = delta[c] * u[c]


@_compiled
def _step(h, y, delta, write, A, B, C):
    """One position, one of the states of each channel: h and y in place."""
    for c in range(len(h)):
        h[c] = _exp(delta[c] * A[c]) * h[c] + write[c] * B
        y[c] += h[c] * C


@_compiled
def _step_again(before, h, decay, delta, write, dy, A, B):
    """`_step` in the backward pass: h and its decay from the h before; returns the gradient of C."""
    dC = h.dtype.type(0)
    for c in range(len(h)):
        decay[c] = _exp(delta[c] * A[c])
        h[c] = decay[c] * before[c] + write[c] * B
        dC += h[c] * dy[c]
    return dC


@_compiled
def _step_back(before, decay, grad, delta, write, dy, A, B, C, ddelta, dwrite, dA):
    """Turn the gradient of h after this position into that of h before it, in place; returns the gradient of B."""
    dB = grad.dtype.type(0)
    for c in range(len(grad)):
        dh = grad[c] + dy[c] * C
        dB += dh * write[c]
        dwrite[c] += dh * B
        grad[c] = dh * decay[c]
        dexponent = grad[c] * before[c]
        ddelta[c] += dexponent * A[c]
        dA[c] += dexponent * delta[c]
    return dB


@_compiled
def _enter_back(dwrite, dy, u, delta, D, du, ddelta, dD):
    for c in range(len(u)):
        du[c] = dwrite[c] * delta[c] + dy[c] * D[c]
        ddelta[c] += dwrite[c] * u[c]
        dD[c] += dy[c] * u[c]


@_compiled
def _forward(first, last, width, u, delta, A, B, C, D, initial, y, final, kept):
    channels, states = initial.shape[1:]
    blocks = -(-channels // width)
    h, write = np.empty((states, width), u.dtype), np.empty(width, u.dtype)
    for item in range(first, last):
        row, start = item // blocks, item % blocks * width
        block = slice(start, min(start + width, channels))
        w = block.stop - start
        h[:, :w] = initial[row, block].T
        for t in range(u.shape[1]):
            if len(kept) and t % CHUNK == 0:
                kept[t // CHUNK, row, :, block] = h[:, :w]
            y_t, delta_t, write_t = y[row, t, block], delta[row, t, block], write[:w]
            _enter(y_t, write_t, u[row, t, block], delta_t, D[block])
            for n in range(states):
                _step(h[n, :w], y_t, delta_t, write_t, A[n, block], B[row, t, n], C[row, t, n])
        final[row, block] = h[:, :w].T


@_compiled
def _backward(first, last, width, u, delta, A, B, C, D, kept, dy, dfinal, du, ddelta, dA, dB, dC, dD, dinitial):
    channels, states = dfinal.shape[1:]
    blocks = -(-channels // width)
    h, decay = np.empty((CHUNK, states, width), u.dtype), np.empty((CHUNK, states, width), u.dtype)
    write, grad = np.empty((CHUNK, width), u.dtype), np.empty((states, width), u.dtype)
    dwrite = np.empty(width, u.dtype)
    for item in range(first, last):
        row, i = item // blocks, item % blocks
        block = slice(i * width, min(i * width + width, channels))
        w = block.stop - block.start
        grad[:, :w] = dfinal[row, block].T
        for chunk in range(len(kept) - 1, -1, -1):
            start = chunk * CHUNK
            steps = min(CHUNK, u.shape[1] - start)
            for k in range(steps):
                t = start + k
                delta_t, dy_t, write_t = delta[row, t, block], dy[row, t, block], write[k, :w]
                _enter(dwrite[:w], write_t, u[row, t, block], delta_t, D[block])
                for n in range(states):
                    before = h[k - 1, n, :w] if k else kept[chunk, row, n, block]
                    dC[i, row, t, n] = _step_again(
                        before, h[k, n, :w], decay[k, n, :w], delta_t, write_t, dy_t, A[n, block], B[row, t, n]
                    )
            for k in range(steps - 1, -1, -1):
                t = start + k
                delta_t, dy_t = delta[row, t, block], dy[row, t, block]
                ddelta_t, dwrite_t = ddelta[row, t, block], dwrite[:w]
                ddelta_t[:] = 0
                dwrite_t[:] = 0
                for n in range(states):
                    before = h[k - 1, n, :w] if k else kept[chunk, row, n, block]
                    dB[i, row, t, n] = _step_back(
                        before, decay[k, n, :w], grad[n, :w], delta_t, write[k, :w], dy_t,
                        A[n, block], B[row, t, n], C[row, t, n], ddelta_t, dwrite_t, dA[row, n, block],
                    )  # fmt: skip
                _enter_back(
                    dwrite_t, dy_t, u[row, t, block], delta_t, D[block], du[row, t, block], ddelta_t, dD[row, block]
                )
        dinitial[row, block] = grad[:, :w].T


def forward(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, initial: Tensor, *, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """y, the final state, and the states before each chunk [chunk batch state channel], none unless `keep`."""
    batch, length, channels = u.shape
    y, final = u.new_empty(u.shape), u.new_empty(initial.shape)
    kept = u.new_empty(-(-length // CHUNK) if keep else 0, batch, A.shape[1], channels)
    _run(_forward, u, A, u, delta, A.T, B, C, D, initial, y, final, kept)
    return y, final, kept


def backward(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, initial: Tensor,
    kept: Tensor, dy: Tensor, dfinal: Tensor,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Gradients of u, delta, A, B, C, D and initial, from those of y and the final state."""
    batch, channels = initial.shape[:2]
    blocks = -(-channels // _width(A))
    du, ddelta, dinitial = u.new_empty(u.shape), u.new_empty(u.shape), u.new_empty(initial.shape)
    dA, dD = u.new_zeros(batch, *A.T.shape), u.new_zeros(batch, channels)
    dB, dC = u.new_empty(blocks, *B.shape), u.new_empty(blocks, *C.shape)
    _run(_backward, u, A, u, delta, A.T, B, C, D, kept, dy, dfinal, du, ddelta, dA, dB, dC, dD, dinitial)
    return du, ddelta, _sum(dA).T, _sum(dB), _sum(dC), _sum(dD), dinitial


def _run(kernel: Callable, u: Tensor, A: Tensor, *tensors: Tensor) -> None:
    """The kernel over all items, in as many threads as torch uses."""
    batch, length, channels = u.shape
    width = _width(A)
    items = batch * -(-channels // width)
    arrays = [tensor.detach().contiguous().numpy() for tensor in tensors]
    threads = min(torch.get_num_threads(), items) if length * batch * A.numel() >= ALONE else 1
    if threads <= 1:
        kernel(0, items, width, *arrays)
        return
    ends = [items * i // threads for i in range(threads + 1)]

    def share(i: int) -> Any:
        return kernel(ends[i], ends[i + 1], width, *arrays)

    with ThreadPoolExecutor(threads) as pool:  # of this call alone: threads that wait do not survive a fork
        list(pool.map(share, range(threads)))


def _width(A: Tensor) -> int:
    """Channels in a block: as many as `BLOCK` allows, shared evenly, in whole vector registers."""
    channels, states = A.shape
    blocks = -(-channels // max(64, BLOCK // states))
    return -(-channels // (16 * blocks)) * 16


def _sum(parts: Tensor) -> Tensor:
    """Over the first axis, in its order whatever the number of threads."""
    total = parts.new_zeros(parts.shape[1:])
    for part in parts:
        total += part
    return total
