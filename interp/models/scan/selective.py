"""The selective scan of Mamba (S6; Gu & Dao 2023, equations 2a, 2b and 4): one decay per channel and state.

    h_t = exp(delta_t A) h_{t-1} + delta_t u_t B_t        y_t = C_t . h_t + D u_t

A is discretised by zero-order hold and B by Euler's rule, as in the authors' code (the paper's equation 4 has
zero-order hold for both). The fused methods never hold h for all positions: their backward computes it anew, piece by
piece, from the states that the forward keeps now and then.
"""

from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch._subclasses import FakeTensor

from interp.base.errors import UserError
from interp.models.scan.axes import agree
from interp.models.scan.methods import choose
from interp.models.scan.precision import promoted, without_autocast

Channels = Float[Tensor, "batch pos channel"]
State = Float[Tensor, "batch channel state"]
PerState = Float[Tensor, "batch pos state"]


def selective_scan(
    u: Channels,
    delta: Channels,
    A: Float[Tensor, "channel state"],
    B: PerState,
    C: PerState,
    D: Float[Tensor, " channel"] | None = None,
    initial: State | None = None,
) -> tuple[Channels, State]:
    """Run the recurrence by the method that `scan.methods` takes; linear in length in time and memory.

    Args:
        u: the input.
        delta: step sizes, after the softplus.
        A: decay rates, negative.
        B: how each position writes to the state.
        C: how each position reads it.
        D: weight of the input's direct way to the output; None for none.
        initial: h before the first position; None for zeros.

    Returns: y in the dtype of u, and h after the last position, float64 if an input is and float32 otherwise.

    Raises: UserError if shapes do not fit together, or for the method that `using` asks for, if it cannot run here.
    """
    sizes = agree(
        "selective_scan",
        u=(u, "batch pos channel"),
        delta=(delta, "batch pos channel"),
        A=(A, "channel state"),
        B=(B, "batch pos state"),
        C=(C, "batch pos state"),
        D=(D, "channel"),
        initial=(initial, "batch channel state"),
    )
    for axis in ("pos", "channel", "state"):
        if sizes[axis] == 0:
            raise UserError(f"inputs of selective_scan must have at least one {axis}; got none.")
    method = choose("selective_scan", u.device, has_initial=initial is not None, dtype=u.dtype)
    if method == "mamba-ssm":
        from interp.models.scan import kernels

        return kernels.selective_scan(u, delta, A, B, C, D)
    if method == "numba" and isinstance(u, FakeTensor):
        method = "torch"  # of shapes without numbers (torch.compile, nnsight's scan) numba can make nothing
    dtype = u.dtype
    D = A.new_zeros(A.shape[0]) if D is None else D
    initial = A.new_zeros(u.shape[0], *A.shape) if initial is None else initial
    inputs = promoted(u, delta, A, B, C, D, initial)
    if method == "reference":
        y, final = selective_scan_reference(*inputs)
    else:
        y, final = _Fused.apply(_implementation(method), *inputs)
    return y.to(dtype), final


def selective_scan_reference(
    u: Channels,
    delta: Channels,
    A: Float[Tensor, "channel state"],
    B: PerState,
    C: PerState,
    D: Float[Tensor, " channel"] | None = None,
    initial: State | None = None,
) -> tuple[Channels, State]:
    """`selective_scan` as the paper writes it: position by position, differentiable any number of times."""
    state = A.new_zeros(u.shape[0], *A.shape) if initial is None else initial
    outputs = []
    # unbind, for the gradient of u[:, t] is as large as u, which would make the backward quadratic in length
    for u_t, delta_t, B_t, C_t in zip(u.unbind(1), delta.unbind(1), B.unbind(1), C.unbind(1), strict=True):
        write = (delta_t * u_t)[..., None] * B_t[:, None]
        state = torch.exp(delta_t[..., None] * A) * state + write
        outputs.append((state * C_t[:, None]).sum(-1))
    y = torch.stack(outputs, dim=1)
    return (y if D is None else y + D * u), state


class _Fused(torch.autograd.Function):
    """The scan with a backward of its own, by a module's `forward` and `backward`; a second one by the reference's."""

    @staticmethod
    def forward(ctx: Any, implementation: ModuleType, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        with without_autocast(inputs[0].device):
            y, final, kept = implementation.forward(*inputs, keep=any(ctx.needs_input_grad))
        ctx.implementation = implementation
        ctx.save_for_backward(*inputs, kept)
        return y, final

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        *inputs, kept = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient is to be differentiated again
            outputs = selective_scan_reference(*inputs)
            wanted = [x for x in inputs if x.requires_grad]
            grads = iter(torch.autograd.grad(outputs, wanted, grad_outputs, create_graph=True))
            return None, *(next(grads) if x.requires_grad else None for x in inputs)
        with without_autocast(inputs[0].device):
            return None, *ctx.implementation.backward(*inputs, kept, *grad_outputs)


def _implementation(method: str) -> ModuleType:
    if method == "numba":
        from interp.models.scan import selective_numba

        return selective_numba
    from interp.models.scan import selective_torch

    return selective_torch
