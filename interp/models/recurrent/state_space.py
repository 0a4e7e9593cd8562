"""What Mamba and Mamba-2 share: the recurrence h_t = A_bar_t h_(t-1) + write_t, y_t = C_t h_t + D u_t, and its paths.

The scan runs fused unless something listens where it shows nothing: at `hook_A_bar`, `hook_write` or `hook_state`, and
then every state is made; or at the state of single positions (`h.5`), and then it runs in stretches between them. All
three keep decays, writes and states in at least float32, whatever the precision of the model.
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interp.models.hidden_attention.layer import SelectiveLayer
from interp.models.hooks.point import HookPoint, in_use, traced
from interp.models.recurrent.mixer import Mixer, RecurrentState
from interp.models.recurrent.parts import linear_scan_edited
from interp.models.scan.precision import promoted, without_autocast

Scanned = tuple[Float[Tensor, "batch pos *inner"], Float[Tensor, "batch *inner state"]]
"""The output, and the state after the last position. `inner` is channel, of Mamba-2 head and d_head."""


HIDDEN_HOOKS = ("hook_conv", "hook_u", "hook_delta", "hook_B", "hook_C", "hook_gate")
"""Hook points that the hidden attention of either is made from, beside those of its own."""


class StateSpaceMixer(Mixer):
    """A layer with such a recurrence; subclasses say what it is made of."""

    large = ("hook_A_bar", "hook_write", "hook_state")
    no_weight_decay = ("A_log", "D", "b_dt")  # as the authors train it
    decay_hook = "hook_delta"
    gated_hook = "hook_gated"
    W_conv: nn.Parameter
    b_conv: nn.Parameter | None
    W_out: nn.Parameter
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

    def selective_layer(
        self, values: Mapping[str, Tensor], x: Tensor, B: Tensor, C: Tensor, A: Tensor, gate: Tensor
    ) -> SelectiveLayer:
        """Make what the hidden attention is computed from.

        Args:
            values: what stands at the layer's `hidden_hooks`.
            x: what the convolution reads, [batch pos channel].
            B, C: [batch pos group state].
            A: [rate state], or [rate 1] where all states of a rate decay alike.
            gate: what the output is multiplied by before the map out of the layer, [batch pos channel].
        """
        channels, u, delta = len(self.W_out), values["hook_u"], values["hook_delta"]

        def recurred(other: Tensor) -> Tensor:
            return self.fused(other.reshape(u.shape), delta, values["hook_B"], values["hook_C"], None)[0].flatten(2)

        held = values["hook_conv"][..., :channels].sigmoid()
        b_conv = self.D.new_zeros(channels) if self.b_conv is None else self.b_conv[:channels]
        weights = (self.D, self.W_conv[:channels], b_conv, self.W_out)
        numbers = promoted(x, u.flatten(2), held, gate, delta, B, C, A, *weights)
        return SelectiveLayer(*numbers, n_heads=self.hidden_heads, recurred=recurred)

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
