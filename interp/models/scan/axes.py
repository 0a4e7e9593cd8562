"""The check that a scan makes of its inputs: the axes that should agree do."""

from torch import Tensor

from interp.base.errors import UserError


def agree(scan: str, **tensors: tuple[Tensor | None, str]) -> dict[str, int]:
    """The size of each named axis: `agree("causal_conv", x=(x, "batch pos channel"), bias=(bias, "channel"))`.

    Raises: UserError for a tensor with another number of axes, or one whose axis differs from an earlier tensor's.
    """
    size: dict[str, int] = {}
    for name, (tensor, axes) in tensors.items():
        if tensor is None:
            continue
        names, shape = axes.split(), list(tensor.shape)
        if len(names) != len(shape) or any(size.get(axis, n) != n for axis, n in zip(names, shape, strict=True)):
            wanted = " ".join(f"{axis}={size[axis]}" if axis in size else axis for axis in names)
            raise UserError(f"{name} of {scan} must have shape [{wanted}]; got {shape}.")
        size |= zip(names, shape, strict=True)
    return size
