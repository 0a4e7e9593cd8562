"""`HookPoint`: a place in the forward pass where a tensor can be read and replaced; and whether anything listens there.

TransformerLens's own, which also holds a hook to the shape and dtype of what it replaces: a tensor of another shape
would continue until some later product fails, or broadcasts in silence; one of another dtype, until a product fails.
"""

from typing import Any

import torch
from torch import Tensor
from transformer_lens import hook_points

from interp.base.errors import UserError


class HookPoint(hook_points.HookPoint):
    """An identity at which hooks can be attached.

    >>> model.add_hook("blocks.0.hook_resid_pre", lambda x, hook: x[:, 0])
    >>> model(tokens)
    UserError: a hook at blocks.0.hook_resid_pre must return a tensor of the shape that it was given, [4 12 64], ...
    """

    def __call__(self, x: Tensor) -> Any:
        """Pass a tensor on as the hooks leave it.

        Raises: UserError that names the point, for a hook that returns no tensor, or one of another shape or dtype.
        """
        out = super().__call__(x)
        self.check(out, x)
        return out

    def check(self, out: Any, x: Tensor) -> None:
        """Hold what the hooks returned to what they were given. Raises: UserError, see above."""
        if out is not x and (not isinstance(out, Tensor) or out.shape != x.shape):
            raise UserError(
                f"a hook at {self.name} must return a tensor of the shape that it got, {shape_of(x)}, or None to "
                f"leave it as it is; got {shape_of(out)}."
            )
        if out is not x and out.dtype != x.dtype and not _cast_anyway(x.device):
            raise UserError(
                f"a hook at {self.name} must return a tensor of the dtype that it got, {_name(x)}; got {_name(out)}. "
                "Add .to(x.dtype)."
            )


def shape_of(value: Any) -> str:
    """A tensor's shape as messages show it, [3 12 64]; of anything else, its type."""
    return f"[{' '.join(map(str, value.shape))}]" if isinstance(value, Tensor) else f"a {type(value).__name__}"


def _cast_anyway(device: torch.device) -> bool:
    return torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)


def _name(x: Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")


def in_use(*points: hook_points.HookPoint) -> bool:
    """Whether anything listens at one of these hook points: a hook of either direction, or an nnsight trace."""
    return any(
        p._forward_hooks or p._forward_pre_hooks or p._backward_hooks or p._backward_pre_hooks or traced(p)
        for p in points
    )


def traced(point: hook_points.HookPoint) -> bool:
    """Whether a running nnsight trace waits for this point next, or caches it.

    nnsight leaves a `forward` of its own on each module that it has wrapped, traced or not. A trace reads in the order
    of execution, so what it wants of a point is known when the model comes there.
    """
    state = vars(point).get("__nnsight__")
    if state is None:
        return "forward" in vars(point)  # replaced by something else: who knows
    interleaver, path = state.active()[:2]
    wanted = () if interleaver is None else (*interleaver.parked, *interleaver.observers)
    return any(place.startswith(f"{path}.") for place in wanted)
