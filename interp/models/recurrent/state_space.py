"""What Mamba and Mamba-2 share: the recurrence h_t = A_bar_t h_(t-1) + write_t, y_t = C_t h_t + D u_t, and its paths.

The scan runs fused unless something listens where it shows nothing: at `hook_A_bar`, `hook_write` or `hook_state`, and
then every state is made; or at the state of single positions (`h.5`), and then it runs in stretches between them. All
three keep decays, writes and states in at least float32, whatever the precision of the model.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from interp.models.hooks.model import in_use, traced
from interp.models.recurrent.mixer import Mixer, RecurrentState
from interp.models.scan.linear import linear_scan
from interp.models.scan.precision import promoted, without_autocast

Scanned = tuple[Float[Tensor, "batch pos *inner"], Float[Tensor, "batch *inner state"]]
"""The output, and the state after the last position. `inner` is channel, of Mamba-2 head and d_head."""


class StateSpaceMixer(Mixer):
    """A layer with such a recurrence; subclasses say what it is made of."""

    large = ("hook_A_bar", "hook_write", "hook_state")
    A_log: nn.Parameter
    D: nn.Parameter

    def __init__(self) -> None:
        super().__init__()
        self.hook_A_bar, self.hook_write, self.hook_state = (HookPoint() for _ in range(3))

    @property
    def A(self) -> Float[Tensor, "*rates"]:
        """Decay rates per unit of Delta, like `A_log`: negative."""
        return -self.A_log.float().exp() if self.A_log.dtype.itemsize < 4 else -self.A_log.exp()

    def fused(self, u: Tensor, delta: Tensor, B: Tensor, C: Tensor, h: Tensor | None) -> Scanned:
        """The whole recurrence from `h` on, without the states between."""
        raise NotImplementedError

    def decay(self, delta: Tensor) -> Float[Tensor, "batch pos *rates"]:
        """A_bar."""
        raise NotImplementedError

    def write(self, u: Tensor, delta: Tensor, B: Tensor) -> Float[Tensor, "batch pos *inner state"]:
        """What each position adds to the state."""
        raise NotImplementedError

    def read(self, states: Tensor, C: Tensor, u: Tensor) -> Float[Tensor, "batch pos *inner"]:
        """The output at each position from the state there, with the input's direct way to it."""
        raise NotImplementedError

    def recur(self, u: Tensor, delta: Tensor, B: Tensor, C: Tensor, past: RecurrentState | None) -> Scanned:
        """The output and the last state, on the path that the hooks in use ask for.

        Args:
            u: the input, [batch pos *inner].
            delta: step sizes, [batch pos channel], of Mamba-2 [batch pos head].
            B, C: how each position writes and reads, [batch pos state], of Mamba-2 [batch pos group state].
            past: has the state before the first position.
        """
        h, start = (None, 0) if past is None else (past.get("h"), past.length)
        edited = self.edited("h", start, u.shape[1])
        explicit = in_use(self.hook_A_bar, self.hook_write, self.hook_state)
        explicit = explicit or any(map(traced, edited.values()))  # a trace may wait for one of them next
        if not explicit and not edited:
            return self.fused(u, delta, B, C, h)
        run = self._every_state if explicit else self._in_stretches
        with without_autocast(u.device):
            wide, delta, B, C = promoted(u, delta, B, C)
            y, h = run(wide, delta, B, C, h, start)
        return y.to(u.dtype), h

    def _every_state(self, u: Tensor, delta: Tensor, B: Tensor, C: Tensor, h: Any, start: int) -> Scanned:
        """Decays, writes and states of all positions, each of them at its hook point."""
        A_bar, write = self.hook_A_bar(self.decay(delta)), self.hook_write(self.write(u, delta, B))
        states = linear_scan_edited(A_bar, write, h, self.edited("h", start, u.shape[1]))
        last = states[:, -1].clone() if in_use(self.hook_state) else states[:, -1]  # the recurrence's own, unedited
        return self.read(self.hook_state(states), C, u), last

    def _in_stretches(self, u: Tensor, delta: Tensor, B: Tensor, C: Tensor, h: Any, start: int) -> Scanned:
        """Fused up to each edited position; there the state passes its hook point before it is read and carried on."""
        outputs, begin, end = [], 0, u.shape[1]
        for at, point in self.edited("h", start, end).items():
            here = slice(begin, at + 1)
            y, h = self.fused(u[:, here], delta[:, here], B[:, here], C[:, here], h)
            h = point(h)
            outputs += [y[:, :-1], self.read(h[:, None], C[:, at : at + 1], u[:, at : at + 1])]
            begin = at + 1
        if begin < end:
            rest = slice(begin, end)
            y, h = self.fused(u[:, rest], delta[:, rest], B[:, rest], C[:, rest], h)
            outputs.append(y)
        return torch.cat(outputs, dim=1), h


def linear_scan_edited(
    A_bar: Tensor, write: Tensor, h: Any, edited: dict[int, HookPoint]
) -> Float[Tensor, "batch pos *state"]:
    """All states of a recurrence, each edited one carried on as its hook point leaves it.

    Args:
        A_bar: [batch pos ...], decays for the first axes of `write`, or axes that broadcast against them.
        write: [batch pos ...].
        h: the state before the first position; None for zeros.
        edited: position -> the hook point of the state there.
    """
    A_bar = A_bar.reshape(*A_bar.shape, *[1] * (write.ndim - A_bar.ndim))
    stretches, begin, end = [], 0, write.shape[1]
    for at, point in edited.items():
        states = linear_scan(A_bar[:, begin : at + 1], write[:, begin : at + 1], h)
        h = point(states[:, -1].clone())
        stretches += [states[:, :-1], h[:, None]]
        begin = at + 1
    if begin < end:
        stretches.append(linear_scan(A_bar[:, begin:], write[:, begin:], h))
    return stretches[0] if len(stretches) == 1 else torch.cat(stretches, dim=1)


def weight(*shape: int) -> nn.Parameter:
    """A parameter, not drawn yet."""
    return nn.Parameter(torch.empty(shape))


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W + b; weights stand as [in out]."""
    return F.linear(x, weight.T, bias)
