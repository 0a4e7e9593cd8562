"""`ReadPoint`: a hook point after a loop, where a quantity of all its steps is shown at once. It is for reading.

An edit there would come too late and is refused. A gradient there is one that the loop had: that of the loss by the
quantity at each step, on every way between them, later steps included.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.errors import UserError
from interp.models.hooks.point import HookPoint, in_use


class Reading:
    """Takes down a quantity at each step of a loop.

    Zeros are added to it, so that their gradient is its own.

    Args:
        like: has the shape of the quantity at all steps, its dtype and its device.
    """

    def __init__(self, like: Float[Tensor, "batch pos *rest"]) -> None:
        self.probe = torch.zeros_like(like, requires_grad=True) if torch.is_grad_enabled() else None
        self.zeros = None if self.probe is None else self.probe.unbind(1)
        self.values: list[Tensor] = []

    def take(self, value: Tensor) -> Tensor:
        """Note the value of the next step, [batch ...]; returns what the loop must continue with."""
        if self.zeros is not None:
            value = value + self.zeros[len(self.values)]
        self.values.append(value)
        return value


class ReadPoint(HookPoint):
    """Shows what was taken down to whoever listens."""

    def check(self, out: object, x: Tensor) -> None:
        """`show` refuses every edit, whatever its shape."""

    def show(self, reading: Reading) -> None:
        """Run the hooks on all values at once, [batch pos ...].

        Raises: UserError if a hook changes them; in the backward pass, if one changes their gradient.
        """
        if not in_use(self):
            return
        values, probe = [value.detach() for value in reading.values], reading.probe
        values[0].requires_grad_(probe is not None)
        with torch.inference_mode(False):  # else edits in place are not counted
            shown = torch.stack(values, dim=1)
        version, out = shown._version, self(shown)
        wrapped = out._base is shown and out.stride() == shown.stride()  # by torch, for hooks of the backward pass
        if shown._version != version or not (out is shown or wrapped):
            raise self._refusal("an edit")
        if probe is not None:
            probe.register_hook(lambda grad: self._hand_over(grad, out, shown))

    def _hand_over(self, grad: Tensor, out: Tensor, shown: Tensor) -> None:
        version = grad._version
        (passed,) = torch.autograd.grad(out, shown, grad)
        if passed is not grad or grad._version != version:
            raise self._refusal("an edit of its gradient")

    def _refusal(self, edit: str) -> UserError:
        step = str(self.name).replace("hook_", "") + ".5"
        return UserError(
            f"hooks at {self.name} must only read, as it comes after the recurrence; got {edit}, which "
            f"comes too late. Edit single positions, as in {step} [batch channel], and the recurrence "
            "continues from what you set."
        )
