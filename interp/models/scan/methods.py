"""Which implementation of a scan runs: one function decides, one context manager overrides it, and it can be asked.

| scan | methods, the first that can run is taken |
|---|---|
| `selective_scan` | `mamba-ssm` (its CUDA kernel), `numba` (fused, CPU), `torch` (any device), `reference` |
| `ssd_scan` | `mamba-ssm` (its Triton kernels), `chunked` (matmuls, any device), `reference` |
| `matrix_scan` | `chunked` (matmuls, any device), `fla` (Triton; only if asked for), `reference` |
| `diagonal_scan` | `chunked` (matmuls, any device), `reference` |
| `causal_conv` | `causal-conv1d` (its CUDA kernel), `shifted` (any device), `reference` |
| `lstm_scan` | `fused` (torch's own: oneDNN, cuDNN; any device), `reference` |

All methods of a scan give equal outputs and gradients. `reference` is the recurrence as the paper writes it: obvious,
slow, differentiable any number of times, and the only one that runs on `meta` tensors beside those for any device.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

from interp.base.errors import UserError, shown, unknown

METHODS = {
    "selective_scan": ("mamba-ssm", "numba", "torch", "reference"),
    "ssd_scan": ("mamba-ssm", "chunked", "reference"),
    "matrix_scan": ("chunked", "fla", "reference"),
    "diagonal_scan": ("chunked", "reference"),
    "causal_conv": ("causal-conv1d", "shifted", "reference"),
    "lstm_scan": ("fused", "reference"),
}
_NAMES = sorted({method for methods in METHODS.values() for method in methods})
_forced: ContextVar[tuple[str, ...]] = ContextVar("forced", default=())


@contextmanager
def using(*methods: str) -> Iterator[None]:
    """Within it, each scan that has one of these methods uses it: `with using("reference"): ...`.

    Raises: UserError for an unknown method; and, when a scan is about to run it, for one that cannot run there.
    """
    for method in methods:
        if method not in _NAMES:
            raise unknown("method of a scan", method, _NAMES)
    token = _forced.set(methods)
    try:
        yield
    finally:
        _forced.reset(token)


def choose(
    scan: str, device: torch.device, *, has_initial: bool = False, dtype: torch.dtype = torch.float32, width: int = 4
) -> str:
    """The method that `scan` uses for tensors on this device.

    Args:
        scan: one of `METHODS`.
        device: where its inputs are.
        has_initial: whether it starts from a state that is not zero.
        dtype: of its inputs.
        width: of a convolution's filters.

    Raises: UserError if the method that `using` asks for cannot run there.
    """

    def against(method: str) -> str | None:
        return why_not(scan, method, device, has_initial=has_initial, dtype=dtype, width=width)

    for method in _forced.get():
        if method in METHODS[scan]:
            if reason := against(method):
                raise UserError(
                    f"{scan} must be run by a method that works here; got {shown(method)}: {reason}. Leave it out, and "
                    "the first that works is used."
                )
            return method
    return next(method for method in METHODS[scan] if not against(method))


def why_not(
    scan: str,
    method: str,
    device: torch.device,
    *,
    has_initial: bool = False,
    dtype: torch.dtype = torch.float32,
    width: int = 4,
) -> str | None:
    """Why a method cannot run on a device; None if it can."""
    if method == "numba":
        return None if device.type == "cpu" else f"numba's kernels run on a CPU; the tensors are on {device}"
    if method not in ("mamba-ssm", "causal-conv1d", "fla"):
        return None
    if device.type != "cuda":
        return f"its kernels need CUDA; the tensors are on {device}"
    from interp.models.scan import fla, kernels

    if reason := fla.missing() if method == "fla" else kernels.missing(scan):
        return reason
    if has_initial and scan == "selective_scan":
        return "selective_scan_fn starts from a state of zeros only"
    if dtype == torch.float64:
        return "its kernels know no float64"
    if scan == "causal_conv" and not 2 <= width <= 4:
        return f"its kernels take filters of 2 to 4 positions; these have {width}"
    return None


def chosen(device: torch.device) -> dict[str, str]:
    """scan -> method that runs on this device, for a run's provenance."""
    return {scan: choose(scan, device) for scan in METHODS}
