"""Any diagonal linear recurrence, h_t = A_bar_t h_{t-1} + write_t, from its decays and writes to every state.

The form in which a recurrence is opened: A_bar, the writes and the states are tensors that can be read and edited. It
holds every state; `selective_scan` and `ssd_scan` do not.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.errors import UserError
from interp.models.scan import huge_pages
from interp.models.scan.axes import agree
from interp.models.scan.precision import promoted


def linear_scan(
    A_bar: Float[Tensor, "batch pos #*rest"],
    write: Float[Tensor, "batch pos *rest"],
    initial: Float[Tensor, " batch *rest"] | None = None,
) -> Float[Tensor, "batch pos *rest"]:
    """All states, in the dtype of `write` (computed in at least float32); linear in length in time and memory.

    Args:
        A_bar: what is left of each state after one step; broadcast against `write`. Mamba has [batch pos channel
            state], Mamba-2 [batch pos head 1 1].
        write: what each position adds.
        initial: the state before the first position; None for zeros.

    Raises: UserError if the shapes do not fit together.
    """
    shape, rest = list(write.shape), [f"axis{i}" for i in range(2, write.ndim)]
    if write.ndim < 2 or write.shape[1] == 0:
        raise UserError(
            f"write of linear_scan must have shape [batch pos ...] with at least one position; got {shape}."
        )
    agree(
        "linear_scan", write=(write, " ".join(["batch", "pos", *rest])), initial=(initial, " ".join(["batch", *rest]))
    )
    broadcast = A_bar.ndim == write.ndim and all(a in (1, w) for a, w in zip(A_bar.shape[2:], shape[2:], strict=True))
    if A_bar.shape[:2] != write.shape[:2] or not broadcast:
        raise UserError(
            f"A_bar of linear_scan must have the shape of write, {shape}, or axes of length 1 after the first "
            f"two; got {list(A_bar.shape)}."
        )
    dtype = write.dtype
    start = torch.zeros_like(write[:, 0]) if initial is None else initial
    return _LinearScan.apply(*promoted(A_bar, write, start)).to(dtype)


def linear_scan_reference(
    A_bar: Float[Tensor, "batch pos #*rest"],
    write: Float[Tensor, "batch pos *rest"],
    initial: Float[Tensor, " batch *rest"] | None = None,
) -> Float[Tensor, "batch pos *rest"]:
    """`linear_scan` position by position, differentiable any number of times."""
    state = torch.zeros_like(write[:, 0]) if initial is None else initial
    states = []
    for A_bar_t, write_t in zip(A_bar.unbind(1), write.unbind(1), strict=True):
        state = A_bar_t * state + write_t
        states.append(state)
    return torch.stack(states, dim=1)


class _LinearScan(torch.autograd.Function):
    """The loop over one buffer, and the same loop, backwards, as its gradient."""

    @staticmethod
    def forward(ctx: Any, A_bar: Tensor, write: Tensor, initial: Tensor) -> Tensor:
        states = huge_pages.empty(tuple(write.shape), write)
        before = initial
        for t in range(write.shape[1]):
            before = torch.addcmul(write[:, t], A_bar[:, t], before, out=states[:, t])
        ctx.save_for_backward(A_bar, initial, states)
        return states

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, Tensor, Tensor]:
        A_bar, initial, states = ctx.saved_tensors
        (grad,) = grad_outputs
        if torch.is_grad_enabled():  # the gradient is to be differentiated again: the same in parts that can be
            grads = _LinearScan.apply(A_bar.flip(1).roll(1, 1), grad.flip(1), torch.zeros_like(initial)).flip(1)
            before = torch.cat([initial[:, None], states[:, :-1]], dim=1)
            return (grads * before).sum_to_size(A_bar.shape), grads, A_bar[:, 0] * grads[:, 0]
        grads = huge_pages.empty(tuple(grad.shape), grad)  # of each state, also through the later ones
        grads[:, -1] = grad[:, -1]
        for t in range(grad.shape[1] - 1, 0, -1):
            torch.addcmul(grad[:, t - 1], A_bar[:, t], grads[:, t], out=grads[:, t - 1])
        dA_bar = None
        if ctx.needs_input_grad[0]:
            dA_bar = huge_pages.empty(tuple(grad.shape), grad)
            torch.mul(grads[:, 0], initial, out=dA_bar[:, 0])
            torch.mul(grads[:, 1:], states[:, :-1], out=dA_bar[:, 1:])
            dA_bar = dA_bar.sum_to_size(A_bar.shape)
        return dA_bar, grads, A_bar[:, 0] * grads[:, 0]
