"""The device that was asked for."""

from typing import TYPE_CHECKING

from interp.base.errors import UserError, unknown

if TYPE_CHECKING:
    import torch


def resolve_device(name: str = "auto") -> "torch.device":
    """Find the device of that name. `auto` is CUDA, then the CPU.

    Raises: UserError for a name that means nothing, for a device that this machine does not have, and for MPS, which
        lacks float64.
    """
    kind, colon, index = name.partition(":")
    if kind == "mps":
        raise UserError(
            "--device must be auto, cpu or cuda; got mps, which lacks the float64 that sums need. Pass cpu."
        )
    if name not in ("auto", "cpu", "cuda") and not (kind == "cuda" and colon and index.isascii() and index.isdecimal()):
        raise unknown("device", name, ("auto", "cpu", "cuda", "cuda:0"))
    import torch  # only now: a slip is reported at once

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if kind == "cuda" and int(index or 0) >= (found := torch.cuda.device_count()):
        raise UserError(
            f"--device must be a device of this machine, which has {found} for CUDA; got {name}. Pass auto."
        )
    return torch.device(name)
