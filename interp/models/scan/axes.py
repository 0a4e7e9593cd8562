"""The check that every scan makes of its inputs: the axes that should agree do."""

from torch import Tensor

from interp.errors import UserError


def agree(scan: str, **tensors: tuple[Tensor | None, str]) -> dict[str, int]:
    """The size of each named axis: `agree("causal_conv", x=(x, "batch pos channel"), weight=(weight, "channel width"))`.

    Raises: UserError for a tensor with another number of axes, or one whose axis differs from an earlier tensor's.
    """
    sizes: dict[str, int] = {}
    for name, (tensor, axes) in tensors.items():
        if tensor is None:
            continue
        expected = [sizes.get(axis) for axis in axes.split()]
        shape = tuple(tensor.shape)
        if len(expected) != len(shape) or any(e not in (None, s) for e, s in zip(expected, shape, strict=True)):
            wanted = " ".join(axis if size is None else f"{axis}={size}" for axis, size in zip(axes.split(), expected))
            raise UserError(f"{scan} needs {name} with axes [{wanted}]; got the shape {shape}.")
        sizes |= zip(axes.split(), shape, strict=True)
    return sizes
