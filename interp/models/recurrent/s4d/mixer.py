"""The layer of S4D: a bank of complex recurrences that are the same at every position, a GELU, a map."""

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from interp.base.axes import Residual
from interp.models.hooks.point import HookPoint, in_use, traced
from interp.models.recurrent.initial import fill_normal, fill_uniform, uniform
from interp.models.recurrent.mixer import Mixer, RecurrentState
from interp.models.recurrent.parts import linear, weight
from interp.models.recurrent.s4d.hidden import S4DLayer
from interp.models.recurrent.s4d.recurrence import Channels, Diagonal, State, diagonal_scan, diagonal_states
from interp.models.scan.precision import promoted, without_autocast


class S4DMixer(Mixer):
    """One layer of S4D. Its hook points are in the table of `interp.models.recurrent.s4d.model`.

    Args:
        config: an `S4DConfig`.
    """

    large = ("hook_write", "hook_state")
    scans = ("diagonal_scan",)
    no_weight_decay = ("A_log", "A_im", "log_dt", "D")
    decay_hook = "hook_u"  # of which only the number of positions counts: all decay alike
    hidden_hooks = ("hook_u", "hook_y")
    gated_hook = "hook_gated"

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        d, modes = config.d_model, config.d_state // 2
        self.A_log, self.A_im, self.C = weight(d, modes), weight(d, modes), weight(d, modes, 2)
        self.log_dt, self.D, self.W_out, self.b_out = weight(d), weight(d), weight(d, d), weight(d)
        self.hook_u, self.hook_write, self.hook_state = HookPoint(), HookPoint(), HookPoint()
        self.hook_y, self.hook_gated = HookPoint(), HookPoint()

    def init_weights(self, generator: torch.Generator) -> None:
        """Draw the weights as the authors do: C from a complex normal distribution, D from a normal one."""
        c, modes = self.config, self.A_im.shape[1]
        with torch.no_grad():
            n = torch.arange(modes, dtype=torch.float32, device="cpu")
            inverse = c.d_state / math.pi * (c.d_state / (2 * n + 1) - 1)
            self.A_log.fill_(math.log(0.5))
            self.A_im.copy_((math.pi * n if c.frequencies == "lin" else inverse).expand(c.d_model, modes))
            self.log_dt.copy_(uniform(c.d_model, math.log(c.dt_min), math.log(c.dt_max), generator))
            self.b_out.zero_()
        fill_normal(self.C, 0.5**0.5, generator)
        fill_normal(self.D, 1.0, generator)
        fill_uniform(self.W_out, (c.d_model * c.n_layers) ** -0.5, generator)

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"h": tuple(self.C.shape)}

    def state_matrices(self, value: Tensor) -> None:
        """None: the states of a channel are no matrix."""

    def log_decay(self, value: Channels) -> Float[Tensor, "channel mode 2"]:
        kept = -self.log_dt.double().exp()[:, None] * self.A_log.double().exp()
        return (kept * value.shape[0] * value.shape[1])[..., None].expand(self.state_shapes()["h"])

    def diagonal(self) -> Diagonal:
        """The recurrence, discretised with zero-order hold."""
        real, imag, log_dt, C = promoted(-self.A_log.exp(), self.A_im, self.log_dt, self.C)
        A = torch.complex(real, imag)
        log_A_bar = log_dt.exp()[:, None] * A
        return Diagonal(log_A_bar, (log_A_bar.exp() - 1) / A, torch.view_as_complex(C.contiguous()))

    def hidden_layer(self, values: Mapping[str, Tensor]) -> S4DLayer:
        u, y, D, W_out = promoted(values["hook_u"], values["hook_y"], self.D, self.W_out)
        return S4DLayer(u, u, 0.5 * (1 + torch.erf(y * 0.5**0.5)), D, W_out, self.diagonal())

    # ------------------------------------------------------------------ the forward pass

    def forward(
        self, x: Residual, past: RecurrentState | None = None, first: int = 0
    ) -> Float[Tensor, "batch query d_model"]:
        """Read the stream; returns what the layer writes at the positions from `first` on.

        Args:
            x: the normalised stream.
            past: the state before these positions; replaced by that after them.
            first: the recurrence needs all positions, the map out of the layer only these.
        """
        u = self.hook_u(x.clone())  # a copy: an edit in place must leave the stream alone
        with without_autocast(x.device):
            y, h = self.recur(promoted(u)[0], past)
        if past is not None:
            past.advance(x.shape[1], h=torch.view_as_real(h))
        y = self.hook_y(y.to(x.dtype) + self.D * u)[:, first:]
        return linear(self.hook_gated(F.gelu(y)), self.W_out, self.b_out)

    def recur(self, u: Channels, past: RecurrentState | None) -> tuple[Channels, State]:
        """What is read at every position, and the last state, on the path that the hooks in use ask for."""
        carried, start = (None, 0) if past is None else (past.get("h"), past.length)
        h, parts = None if carried is None else _complex(carried.to(u.dtype)), self.diagonal()
        edited = {at: _edit(point) for at, point in self.edited("h", start, u.shape[1]).items()}
        watched = in_use(self.hook_write, self.hook_state) or any(map(traced, self._points()))
        if watched:
            write = _edit(self.hook_write)(parts.B_bar * u[..., None])
            states = diagonal_states(write, parts, h, edited)
            return parts.read(_edit(self.hook_state)(states.clone())), states[:, -1]
        outputs, begin = [], 0
        for at, edit in edited.items():  # fused up to each edited position
            y, h = diagonal_scan(u[:, begin : at + 1], parts, h)
            h = edit(h)
            outputs += [y[:, :-1], parts.read(h[:, None])]
            begin = at + 1
        if begin < u.shape[1]:
            y, h = diagonal_scan(u[:, begin:], parts, h)
            outputs.append(y)
        assert h is not None
        return torch.cat(outputs, dim=1), h

    def _points(self) -> list[HookPoint]:
        points: Any = self.h
        return list(points.values())


def _complex(parts: Float[Tensor, "*state 2"]) -> Tensor:
    return torch.view_as_complex(parts.contiguous())


def _edit(point: HookPoint) -> Any:
    """A hook point of real and imaginary parts, as a function of complex numbers."""
    return lambda value: _complex(point(torch.view_as_real(value)))
