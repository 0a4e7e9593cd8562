"""A device that is none: it computes on the CPU, but is as strict as CUDA about what lies where.

A tensor "on" it hides its numbers in a CPU tensor. An operation of tensors of both devices is refused as CUDA refuses
it; so is reading one as a numpy array without `.cpu()`. What runs here therefore moves its tensors as CUDA wants it,
and gives the CPU's numbers. It says nothing about the arithmetic of a GPU.

It is registered once and for all, for the whole process: import this where nothing else is tested.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "pretend"
aten = torch.ops.aten
COPIES = (aten.copy_.default, aten._to_copy.default)
"""Operations that may join two devices."""
INDEXED = (aten.index.Tensor, aten.index_put_.default, aten.index_put.default, aten._index_put_impl_.default)
"""Operations whose indices, their second argument, may be on the CPU."""


class Backend(_DummyBackendModule):
    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16, torch.bfloat16]


_setup_privateuseone_for_python_backend(NAME, backend_module=Backend())
AUTOCAST = torch.library.Library("_", "IMPL", "AutocastPrivateUse1")
AUTOCAST.fallback(torch.library.fallthrough_kernel)  # autocast is entered, and changes nothing


class There(torch.Tensor):
    """A tensor of the device."""

    held: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "There":
        size = {"strides": held.stride(), "storage_offset": held.storage_offset()}
        kind = {"dtype": held.dtype, "layout": held.layout, "requires_grad": held.requires_grad}
        made = torch.Tensor._make_wrapper_subclass(cls, held.shape, **size, **kind, device=torch.device(NAME, 0))
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(operation, args, kwargs or {})

    def __repr__(self) -> str:
        return f"There({self.held!r})"

    def tolist(self) -> Any:
        return self.held.tolist()

    def numpy(self, **_: Any) -> Any:
        raise TypeError(f"can't convert a tensor on {self.device} to numpy; copy it with .cpu() first.")

    __array__ = numpy


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(operation, args, kwargs or {})


@contextmanager
def pretending() -> Iterator[torch.device]:
    """Within it, the device can be used: `torch.ones(3, device=device)`, `model.to(device)`."""
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor([...], device=...) is made on the CPU, then copied
    try:
        with _Mode():
            yield torch.device(NAME, 0)
    finally:
        torch._C._set_only_lift_cpu_tensors(False)


def _run(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Compute on the CPU, if the tensors lie where they should; the result is on the device on which CUDA has it."""
    if operation is aten._fused_sdp_choice.default:
        return 0  # by the formula: the fused kernels belong to devices
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
    there = {id(x.held): x for x in tensors if isinstance(x, There)}
    if there and operation not in COPIES:
        strict = (args[0], args[2:]) if operation in INDEXED else (args, kwargs)
        if astray := [x for x in tree_leaves(strict) if _on_cpu(x) and x.dim()]:
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but {operation} found some on {NAME} and "
                f"{[tuple(x.shape) for x in astray]} on the CPU."
            )
    goes_there = isinstance(args[0], There) if operation is aten.copy_.default else bool(there)
    if (wanted := kwargs.get("device")) is not None:
        goes_there = torch.device(wanted).type == NAME
        kwargs = kwargs | {"device": torch.device("cpu") if goes_there else wanted}
    args, kwargs = tree_map_only(There, lambda x: x.held, (args, kwargs))

    def placed(x: torch.Tensor) -> torch.Tensor:
        if id(x) in there:  # changed in place
            return there[id(x)]
        return There(x) if goes_there else x

    return tree_map_only(torch.Tensor, placed, operation(*args, **kwargs))


def _on_cpu(x: Any) -> bool:
    return isinstance(x, torch.Tensor) and not isinstance(x, There)
