"""Large tensors that are written once: a number for every position, channel and state takes tens of megabytes.

The system hands out memory of that size anew each time, a page of 4 kB at every first touch, and that takes longer than
to fill it. On a CPU under Linux these functions ask for pages of 2 MB instead, which is several times as fast.
"""

import contextlib
import math
import mmap

import torch
from jaxtyping import Float
from torch import Tensor
from torch._subclasses import FakeTensor

LARGE = 2**23
"""Minimum size in bytes for which huge pages pay off."""


def empty(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Contiguous, not filled, of the dtype and on the device of another tensor."""
    size = math.prod(shape) * like.dtype.itemsize
    real = like.device.type == "cpu" and not isinstance(like, FakeTensor)
    if size < LARGE or not real or not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.empty(shape, dtype=like.dtype, device=like.device)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # lives as long as the tensor
    with contextlib.suppress(OSError):  # a system that has no such pages
        pages.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(pages, dtype=like.dtype).view(shape)


def copy(x: Tensor) -> Tensor:
    """Its values, contiguous, without its gradient."""
    return empty(tuple(x.shape), x).copy_(x.detach())


def product(x: Float[Tensor, "..."], y: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """x * y, broadcast."""
    differentiable = torch.is_grad_enabled() and (x.requires_grad or y.requires_grad)
    if differentiable or x.dtype != y.dtype:
        return x * y
    return torch.mul(x, y, out=empty(tuple(torch.broadcast_shapes(x.shape, y.shape)), x))
