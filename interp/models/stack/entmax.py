"""alpha-entmax by Newton's method on a norm: a few passes over the scores, where bisection makes fifty.

With a = alpha - 1 and z' = z - max z, p = y^(1/a) for y = [1 + a (z' - t)]_+, with t such that p sums to 1: that the
norm |y| of order 1/a is 1. It is convex in t, and falls nearly as a straight line (as one, where all scores are equal,
or as alpha -> 1). So the steps of Newton's method, from t = 0, never pass the root. By convexity alone each divides the
product of |y| - 1 and of the slope by 4 at least (Radzik 1992); most divide it by much more.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch._subclasses.fake_tensor import is_fake
from torch.autograd.function import once_differentiable

CELLS = 2**16
"""Scores of a block on a CPU, for each thread: they stay in its cache from one pass to the next."""
Rows = Float[Tensor, "row key"]
OfRows = Float[Tensor, "row 1"]


def entmax(scores: Float[Tensor, "*rows key"], alpha: Float[Tensor, "..."]) -> Float[Tensor, "*rows key"]:
    """Make scores attention by alpha-entmax, in single precision at least; differentiable once, in both.

    Args:
        scores: -inf where hidden.
        alpha: above 1 and up to 2, of the shape of scores but for broadcast axes, and 1 in place of the keys. At 1
            itself the result is softmax to the precision, and the gradient of alpha is noise.
    """
    alpha = alpha.to(torch.promote_types(scores.dtype, torch.float32))
    alpha = alpha.expand(*scores.shape[:-1], 1).reshape(-1, 1)
    return _Entmax.apply(scores.reshape(-1, scores.shape[-1]), alpha).view(scores.shape)  # pyright: ignore[reportOptionalMemberAccess]


class _Entmax(torch.autograd.Function):
    """In blocks of rows, whose temporaries are small; t, one number a row, is kept, and backward makes p from it."""

    @staticmethod
    def forward(ctx: Any, scores: Rows, alpha: OfRows) -> Rows:
        out, t = torch.empty_like(scores), torch.empty_like(alpha)
        for some in _blocks(scores):
            gaps, a = _gaps(scores[some], alpha[some])
            t[some] = _root(gaps, a)
            p, _, _ = _shares(gaps, a, t[some])
            torch.threshold_(p, 2 * _zero(torch.finfo(p.dtype)), 0.0)
            torch.div(p, p.sum(dim=-1, keepdim=True), out=out[some])
        ctx.save_for_backward(scores, alpha, t)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Rows) -> tuple[Rows, OfRows]:  # pyright: ignore[reportIncompatibleMethodOverride]
        scores, alpha, t = ctx.saved_tensors
        d_scores, d_alpha = torch.empty_like(scores), torch.empty_like(alpha)
        for some in _blocks(scores):
            gaps, a = _gaps(scores[some], alpha[some])
            p, slope, log_p = _shares(gaps, a, t[some])
            exact = torch.finfo(p.dtype)
            torch.threshold_(p, 2 * _zero(exact), 0.0)  # as small, its product with a gradient is subnormal
            torch.threshold_(slope, 8 * _zero(exact) / exact.eps, 0.0)  # of a p that stands for 0 it is half of that
            change = grad[some].to(p.dtype)
            change = change - (slope * change).sum(dim=-1, keepdim=True) / slope.sum(dim=-1, keepdim=True)
            torch.mul(slope, change, out=d_scores[some])
            d_p = p - slope - a * p * log_p  # a^2 times the derivative of p in alpha, with t held
            d_alpha[some] = (d_p * change).sum(dim=-1, keepdim=True) / a**2
        return d_scores, d_alpha


def _blocks(scores: Rows) -> Iterator[slice]:
    n = len(scores)
    at_once = max(1, torch.get_num_threads() * CELLS // scores.shape[1]) if scores.device.type == "cpu" else n
    return (slice(start, start + at_once) for start in range(0, n, max(1, at_once)))


def _gaps(scores: Rows, alpha: OfRows) -> tuple[Rows, OfRows]:
    """a z', and a, at least as far above 0 as numbers at 1 are apart."""
    z = scores.to(alpha.dtype)
    a = (alpha - 1).clamp(min=torch.finfo(alpha.dtype).eps)
    return (z - z.amax(dim=-1, keepdim=True)).mul_(a), a


def _shares(gaps: Rows, a: OfRows, t: OfRows) -> tuple[Rows, Rows, Rows]:
    """p, p / y (less its slope in t) and log p, with the p of `_zero` where it is none."""
    exact = torch.finfo(gaps.dtype)
    y = (gaps - a * t).clamp_(min=-1)
    log_p = y.log1p().div_(a).clamp_(min=math.log(_zero(exact)))
    p = log_p.exp()
    return p, p / y.add_(1).clamp_(min=exact.eps / 4), log_p


def _zero(exact: torch.finfo) -> float:
    """A p that stands for 0: near the least normal number, below which CPUs take a hundred times as long for exp."""
    return 16 * exact.tiny


def _root(gaps: Rows, a: OfRows) -> OfRows:
    """t of each row.

    For n keys |y| - 1 and the slope over a begin below n, and the slope over a stays above 1: so after log2 n + k steps
    |y| is within 4^-k of 1. No value is asked for that would be waited for; on a CPU it ends when all rows are found.
    """
    exact = torch.finfo(gaps.dtype)
    t = torch.zeros_like(a)
    asks = gaps.device.type == "cpu" and not is_fake(gaps) and not torch.compiler.is_dynamo_compiling()
    for _ in range(math.ceil(math.log2(gaps.shape[1]) - math.log2(exact.eps) / 2)):
        p, slope, _ = _shares(gaps, a, t)
        total = p.sum(dim=-1, keepdim=True)
        t -= total * torch.expm1(-a * total.log()) / (a * slope.sum(dim=-1, keepdim=True))
        if asks and not (total - 1 > 64 * exact.eps).any():
            break
    return t
