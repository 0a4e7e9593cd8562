"""Any diagonal linear recurrence from its decays and its writes, returning every state: h_t = A_bar_t h_{t-1} + write_t.

The form in which a recurrence is opened: A_bar, the writes and the states are tensors that can be read and edited. It
holds every state; `selective_scan` and `ssd_scan` do not.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from interp.errors import UserError
from interp.models.scan.precision import promoted


def linear_scan(
    A_bar: Float[Tensor, "batch pos #*rest"],
    write: Float[Tensor, "batch pos *rest"],
    initial: Float[Tensor, "batch *rest"] | None = None,
) -> Float[Tensor, "batch pos *rest"]:
    """All states, in the dtype of `write` (computed in at least float32); linear in length in time and memory.

    Args:
        A_bar: what is left of each state after one step; broadcast against `write`. Mamba has [batch pos channel
            state], Mamba-2 [batch pos head 1 1].
        write: what each position adds.
        initial: the state before the first position; None for zeros.

    Raises: UserError if the shapes do not fit together.
    """
    _check(A_bar, write, initial)
    dtype = write.dtype
    start = torch.zeros_like(write[:, 0]) if initial is None else initial
    return _LinearScan.apply(*promoted(A_bar, write, start)).to(dtype)


def linear_scan_reference(
    A_bar: Float[Tensor, "batch pos #*rest"],
    write: Float[Tensor, "batch pos *rest"],
    initial: Float[Tensor, "batch *rest"] | None = None,
) -> Float[Tensor, "batch pos *rest"]:
    """`linear_scan` position by position, differentiable any number of times."""
    state = torch.zeros_like(write[:, 0]) if initial is None else initial
    states = []
    for A_bar_t, write_t in zip(A_bar.unbind(1), write.unbind(1), strict=True):
        state = A_bar_t * state + write_t
        states.append(state)
    return torch.stack(states, dim=1)


class _LinearScan(torch.autograd.Function):
    """The loop in place over one buffer, with the same loop, backwards, as its gradient."""

    @staticmethod
    def forward(ctx: Any, A_bar: Tensor, write: Tensor, initial: Tensor) -> Tensor:
        states = write.clone(memory_format=torch.contiguous_format)
        before = initial
        for t in range(write.shape[1]):
            before = states[:, t].addcmul_(A_bar[:, t], before)
        ctx.save_for_backward(A_bar, initial, states)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        A_bar, initial, states = ctx.saved_tensors
        grads = grad.clone(memory_format=torch.contiguous_format)
        for t in range(grads.shape[1] - 1, 0, -1):
            grads[:, t - 1].addcmul_(A_bar[:, t], grads[:, t])
        before = torch.cat([initial[:, None], states[:, :-1]], dim=1)
        return (grads * before).sum_to_size(A_bar.shape), grads, A_bar[:, 0] * grads[:, 0]


def _check(A_bar: Tensor, write: Tensor, initial: Tensor | None) -> None:
    if write.ndim < 2 or write.shape[1] == 0:
        raise UserError(
            "linear_scan wants writes of shape [batch pos ...] with at least one position; "
            f"write is {list(write.shape)}."
        )
    pairs = zip(A_bar.shape[2:], write.shape[2:], strict=False)
    if A_bar.ndim != write.ndim or A_bar.shape[:2] != write.shape[:2] or any(a not in (1, w) for a, w in pairs):
        raise UserError(
            f"linear_scan wants A_bar like write, {list(write.shape)}, or with axes of length 1 after the first two; "
            f"it is {list(A_bar.shape)}."
        )
    wanted = write.shape[:1] + write.shape[2:]
    if initial is not None and initial.shape != wanted:
        raise UserError(
            f"linear_scan wants an initial state {list(wanted)}, like one write; it is {list(initial.shape)}."
        )
