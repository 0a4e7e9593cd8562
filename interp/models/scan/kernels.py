"""mamba-ssm's and causal-conv1d's CUDA kernels behind the signatures of this package.

Called by `selective_scan`, `ssd_scan` and `causal_conv` where `choice` takes them; shapes are checked there. What the
kernels do otherwise, and what is done about it:

- They want position last: u, delta, B and C are handed over transposed.
- They take no float64 (`choice` does not take them there), and A and D only in float32.
- `selective_scan_fn` casts nothing and computes decays from delta in the dtype of u, so everything goes in as float32.
- It returns the last state without its gradient; `_LastState` adds it, at no cost where it is not asked for.
- The Triton kernels multiply float32 matrices in TF32 where Triton's default is that: about 1e-3 instead of 1e-6.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

KERNELS = {
    "selective_scan": ("mamba-ssm", "mamba_ssm.ops.selective_scan_interface", "selective_scan_fn"),
    "ssd_scan": ("mamba-ssm", "mamba_ssm.ops.triton.ssd_combined", "mamba_chunk_scan_combined"),
    "causal_conv": ("causal-conv1d", "causal_conv1d.causal_conv1d_interface", "causal_conv1d_fn"),
}
"""scan -> the package that has its kernel, the module to import, and the function in it."""
_COMPILED = {"selective_scan": "selective_scan_cuda"}
"""What that module calls its compiled part; some versions import without it and leave None there."""


@cache
def missing(scan: str) -> str | None:
    """Why the kernel of `scan` cannot be used here; None if it can. Found out once per process, by importing it."""
    package, module, function = KERNELS[scan]
    try:
        home = import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module.split(".")[0]:
            return f"{package} is not installed"
        return f"{package} is installed without {error.name}, which it needs"
    except (ImportError, OSError, RuntimeError) as error:  # built for another torch or CUDA; Triton without a driver
        return f"{package} cannot be imported: {str(error).splitlines()[0]}"
    if getattr(home, function, None) is None or getattr(home, _COMPILED.get(scan, function), None) is None:
        return f"{package} is installed without its compiled kernel"
    return None


def _kernel(scan: str) -> Callable[..., Any]:
    _, module, function = KERNELS[scan]
    return getattr(import_module(module), function)


def selective_scan(
    u: Float[Tensor, "batch pos channel"],
    delta: Float[Tensor, "batch pos channel"],
    A: Float[Tensor, "channel state"],
    B: Float[Tensor, "batch pos state"],
    C: Float[Tensor, "batch pos state"],
    D: Float[Tensor, " channel"] | None = None,
) -> tuple[Float[Tensor, "batch pos channel"], Float[Tensor, "batch channel state"]]:
    """`scan.selective.selective_scan` by `selective_scan_fn`, from a state of zeros; the final state is float32."""
    dtype = u.dtype
    u, delta, A, B, C = (each.float() for each in (u, delta, A, B, C))
    D = None if D is None else D.float()
    y, last = _kernel("selective_scan")(u.mT, delta.mT, A, B.mT, C.mT, D, return_last_state=True)
    return y.mT.to(dtype), _LastState.apply(last.detach(), u, delta, A, B)


class _LastState(torch.autograd.Function):
    """The last state as it is, with the gradient that the kernel leaves out."""

    @staticmethod
    def forward(ctx: Any, last: Tensor, *inputs: Tensor) -> Tensor:
        ctx.save_for_backward(*inputs)
        return last.clone(memory_format=torch.contiguous_format)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        with torch.enable_grad():
            inputs = [each.detach().requires_grad_() for each in ctx.saved_tensors]
            return None, *torch.autograd.grad(_read_out(*inputs), inputs, grad_outputs)


def _read_out(u: Tensor, delta: Tensor, A: Tensor, B: Tensor) -> Tensor:
    """The last state as outputs of the kernel, which have gradients.

    As many positions follow as there are states, which write nothing, do not decay, and read one state each.
    """
    states = A.shape[1]
    C = F.pad(torch.eye(states, device=u.device), (0, 0, u.shape[1], 0)).expand(len(u), -1, -1)
    u, delta, B = (F.pad(each, (0, 0, 0, states)) for each in (u, delta, B))
    return _kernel("selective_scan")(u.mT, delta.mT, A, B.mT, C.mT)[..., -states:]


def ssd_scan(
    x: Float[Tensor, "batch pos head d_head"],
    delta: Float[Tensor, "batch pos head"],
    A: Float[Tensor, " head"],
    B: Float[Tensor, "batch pos group state"],
    C: Float[Tensor, "batch pos group state"],
    D: Float[Tensor, " head"] | None = None,
    initial: Float[Tensor, "batch head d_head state"] | None = None,
    chunk: int | None = None,
) -> tuple[Float[Tensor, "batch pos head d_head"], Float[Tensor, "batch head d_head state"]]:
    """`scan.ssd.ssd_scan` by `mamba_chunk_scan_combined`, in the authors' chunks of 256; the final state is float32."""
    return _kernel("ssd_scan")(
        x,
        delta.float(),
        A.float(),
        B.to(x.dtype),
        C.to(x.dtype),
        chunk or 256,
        D=None if D is None else D.float(),
        initial_states=initial,
        return_final_states=True,
    )


def causal_conv(
    x: Float[Tensor, "batch pos channel"],
    weight: Float[Tensor, "channel width"],
    bias: Float[Tensor, " channel"] | None = None,
    initial: Float[Tensor, "batch width_less_1 channel"] | None = None,
) -> tuple[Float[Tensor, "batch pos channel"], Float[Tensor, "batch width_less_1 channel"]]:
    """`scan.conv.causal_conv` by `causal_conv1d_fn`, for filters of two to four positions.

    What comes before is handed over as further inputs, not as `initial_states`: these, and the final ones, it takes
    and gives only with channels innermost, and then only multiples of 8 of them.
    """
    before = weight.shape[1] - 1
    past = x.new_zeros(len(x), before, x.shape[2]) if initial is None else initial.to(x.dtype)
    longer = torch.cat([past, x], dim=1)
    inputs = longer.mT.contiguous() if x.shape[2] % 8 else longer.mT
    out = _kernel("causal_conv")(inputs, weight, None if bias is None else bias.to(weight.dtype))
    return out[..., before:].mT, longer[:, x.shape[1] :].clone()
