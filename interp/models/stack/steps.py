"""Positions that the text makes: what the step to each token does to every score that reaches back across it.

A forget gate adds log f to them, at each step one number per head (Forgetting Transformer; Lin et al. 2025). PaTH has
keys turned at each step by a matrix I - beta w w^T (Yang et al. 2025). Both are read from what the keys are read from.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp.base.axes import HeadVectors
from interp.models.stack.layer_heads import LayerHeads
from interp.models.stack.transport import Queries, transported_scores

Steps = Float[Tensor, "batch pos head number"]
"""What the step to each position does, in as many numbers as the kind of step has."""
Scores = Float[Tensor, "batch head query pos"]


class ForgetGate(nn.Module):
    """f_t = sigmoid(W_f x_t + b_f), one number per head.

    A score is q_i k_j / sqrt(d_head) + sum over t from j + 1 to i of log f_t: the weight of what came before a step is
    multiplied by its f (Lin et al. 2025, section 3.1). The sum is a difference of running sums, in double precision.

    Args:
        d_model: width of the stream.
        heads: of the layer; those that look evenly have no gate (f = 1).
    """

    hooks = ("hook_f",)

    def __init__(self, d_model: int, heads: LayerHeads) -> None:
        super().__init__()
        self.heads, self.size = heads, 1
        self.W_f = nn.Parameter(torch.empty(d_model, len(heads.looking)))
        self.b_f = nn.Parameter(torch.empty(len(heads.looking)))

    def forward(self, x: Tensor) -> tuple[Float[Tensor, "batch pos head"]]:
        """Read f from the normalised stream [batch pos d_model], or from one for each head [batch pos head d_model]."""
        f = (_read(x, self.W_f, self.heads) + self.b_f).sigmoid()
        return (_of_all(f, self.heads, 1.0),)

    @staticmethod
    def scores(q: Queries, k: HeadVectors, steps: Steps) -> Scores:
        """Scores of the last positions with all, what is hidden included."""
        f = steps[..., 0]
        gone = f.clamp(min=torch.finfo(f.dtype).tiny).log().double().cumsum(dim=1).transpose(1, 2)
        between = gone[:, :, gone.shape[2] - q.shape[1] :, None] - gone[:, :, None]
        return _products(q, k) + between.to(q.dtype)

    @staticmethod
    def until(steps: Steps, query: Int[Tensor, " batch"]) -> Steps:
        """The steps up to a position of each string; those after it do nothing."""
        return steps.masked_fill(_after(steps, query), 1.0)


class Reflections(nn.Module):
    """w_t = W_w x_t / |W_w x_t| and beta_t = 2 sigmoid(W_beta x_t + b_beta), per head.

    A score is q_i^T H_i H_(i-1) ... H_(j+1) k_j / sqrt(d_head), with H_t = I - beta_t w_t w_t^T: beta = 1 erases what
    the key has along w, 2 reflects it (PaTH; Yang et al. 2025, section 2). In the paper w has a map of low rank and a
    short convolution of its own; here the map is of full rank and there is none.

    Args:
        d_model: width of the stream.
        heads: of the layer; those that look evenly have none (w = 0).
    """

    hooks = ("hook_w", "hook_beta")

    def __init__(self, d_model: int, heads: LayerHeads) -> None:
        super().__init__()
        self.heads, self.size, n = heads, heads.width + 1, len(heads.looking)
        self.W_w = nn.Parameter(torch.empty(d_model, n, heads.width))
        self.W_beta = nn.Parameter(torch.empty(d_model, n))
        self.b_beta = nn.Parameter(torch.empty(n))

    def forward(self, x: Tensor) -> tuple[HeadVectors, Float[Tensor, "batch pos head"]]:
        """Read w and beta from the normalised stream, as `ForgetGate` reads f."""
        w = F.normalize(_read(x, self.W_w, self.heads), dim=-1)
        beta = 2 * (_read(x, self.W_beta, self.heads) + self.b_beta).sigmoid()
        return _of_all(w, self.heads, 0.0), _of_all(beta, self.heads, 0.0)

    @staticmethod
    def scores(q: Queries, k: HeadVectors, steps: Steps) -> Scores:
        """Scores of the last positions with all; of hidden ones, a number without a meaning."""
        return transported_scores(q, k, steps[..., :-1], steps[..., -1])

    @staticmethod
    def until(steps: Steps, query: Int[Tensor, " batch"]) -> Steps:
        """The steps up to a position of each string; those after it do nothing."""
        return steps.masked_fill(_after(steps, query), 0.0)


STEPS: dict[str, Callable[[int, LayerHeads], Any]] = {"forget": ForgetGate, "path": Reflections}
"""Position encoding -> what makes its steps."""


def joined(parts: tuple[Tensor, ...]) -> Steps:
    """What the hooks of a kind of step hold, as one tensor."""
    return torch.cat([part if part.ndim == 4 else part[..., None] for part in parts], dim=-1)


def rows(
    step: Any, q: Float[Tensor, "batch head d_head"], k: HeadVectors, steps: Steps | None, query: Int[Tensor, " batch"]
) -> Float[Tensor, "batch head pos"]:
    """Scores of one query position of each string with all keys, without what windows and distances add.

    Args:
        step: the layer's; None where positions do nothing from step to step.
        q, k: queries at those positions, and all keys.
        steps: of all positions; None with the step.
        query: the positions.
    """
    if step is None or steps is None:
        return _products(q[:, None], k)[:, :, 0]
    return step.scores(q[:, None], k, step.until(steps.to(q.dtype), query))[:, :, 0]


def _products(q: Queries, k: HeadVectors) -> Scores:
    return einsum(q, k, "b q h d, b k h d -> b h q k") * q.shape[-1] ** -0.5


def _read(x: Tensor, weight: Tensor, heads: LayerHeads) -> Tensor:
    """The stream through the map of each head that looks."""
    if x.ndim == 4:
        x = x if not heads.looking_evenly else x[:, :, list(heads.looking)]
        return torch.einsum("bphm,mh...->bph...", x, weight)
    return F.linear(x, weight.flatten(1).T).unflatten(-1, weight.shape[1:])


def _of_all(values: Tensor, heads: LayerHeads, otherwise: float) -> Tensor:
    """With those of the heads that look evenly."""
    if not heads.looking_evenly:
        return values
    every = values.new_full((*values.shape[:2], heads.n, *values.shape[3:]), otherwise)
    return every.index_copy(2, torch.tensor(heads.looking, device=values.device), values)


def _after(steps: Steps, query: Int[Tensor, " batch"]) -> Tensor:
    return (torch.arange(steps.shape[1], device=steps.device) > query[:, None])[..., None, None]
