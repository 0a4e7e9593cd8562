"""The layer of Mamba-3: maps of the stream, B and C turned by the angles so far, a trapezoidal recurrence, a gate."""

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from interp.base.axes import Residual
from interp.models.hooks.point import HookPoint, in_use, traced
from interp.models.recurrent.initial import fill_uniform, step_size_bias
from interp.models.recurrent.mamba3.hidden import Mamba3Layer
from interp.models.recurrent.mamba3.recurrence import (
    LEAST,
    Columns,
    Rows,
    Trapezoid,
    trapezoidal_scan,
    trapezoidal_states,
)
from interp.models.recurrent.matrix_state import Terms
from interp.models.recurrent.mixer import Mixer, RecurrentState
from interp.models.recurrent.parts import linear, weight
from interp.models.scan.precision import promoted, without_autocast
from interp.models.stack.layers import RMSNorm

MAPS = ("W_gate", "W_u", "W_B", "W_C", "W_dt", "W_A", "W_lambda", "W_theta", "W_out")
EPS = 1e-5
"""Added to the mean squares of B and C by their norms."""


class Mamba3Mixer(Mixer):
    """One layer of Mamba-3. Its hook points are in the table of `interp.models.recurrent.mamba3.model`.

    Args:
        config: a `Mamba3Config`.
    """

    large = ("hook_write", "hook_state")
    no_weight_decay = ("b_dt", "D")
    scans = ("matrix_scan",)
    decay_hook = "hook_alpha"
    gated_hook = "hook_gated"
    hidden_hooks = tuple(f"hook_{name}" for name in ("u", "delta", "lambda", "alpha", "B", "C", "gate"))

    def __init__(self, config: Any) -> None:
        super().__init__()
        c = self.config = config
        d, e, heads, bc = c.d_model, c.channels, c.n_heads, c.n_groups * c.d_state
        self.W_gate, self.W_u, self.W_B, self.W_C = weight(d, e), weight(d, e), weight(d, bc), weight(d, bc)
        self.W_dt, self.W_A, self.W_lambda = weight(d, heads), weight(d, heads), weight(d, heads)
        self.W_theta, self.W_out = weight(d, c.n_angles), weight(e, d)
        self.b_dt, self.D = weight(heads), weight(heads)
        self.b_B, self.b_C = weight(heads, c.d_state), weight(heads, c.d_state)
        self.norm_B, self.norm_C = RMSNorm(c.d_state, EPS), RMSNorm(c.d_state, EPS)
        self.hook_gate, self.hook_u, self.hook_dt, self.hook_delta = (HookPoint() for _ in range(4))
        self.hook_A, self.hook_alpha, self.hook_lambda, self.hook_theta = (HookPoint() for _ in range(4))
        self.hook_B, self.hook_C, self.hook_write, self.hook_state = (HookPoint() for _ in range(4))
        self.hook_y, self.hook_gated = HookPoint(), HookPoint()

    def init_weights(self, generator: torch.Generator) -> None:
        for name in MAPS:
            matrix = getattr(self, name)
            fill_uniform(matrix, len(matrix) ** -0.5, generator)
        with torch.no_grad():
            self.W_out.div_(self.config.n_layers**0.5)
            self.b_dt.copy_(step_size_bias(self.config.n_heads, self.config, generator))
            for ones in (self.D, self.b_B, self.b_C, self.norm_B.w, self.norm_C.w):
                ones.fill_(1.0)

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        c = self.config
        heads, state, width = c.n_heads, c.d_state, c.d_head
        return {"h": (heads, state, width), "B": (heads, state), "u": (heads, width), "angle": (heads, c.n_angles)}

    def log_decay(self, value: Float[Tensor, "batch pos head"]) -> Float[Tensor, "head state d_head"]:
        logs = value.double().clamp(min=LEAST).log().sum(dim=(0, 1))
        return logs[:, None, None].expand(self.state_shapes()["h"])

    @property
    def hidden_heads(self) -> int:
        return self.config.n_heads

    def hidden_layer(self, values: Mapping[str, Tensor]) -> Mamba3Layer:
        delta, share, alpha = values["hook_delta"], values["hook_lambda"], values["hook_alpha"]
        trail_after = F.pad(((1 - share) * delta)[:, 1:], (0, 0, 0, 1))  # what the next position writes of this one
        u, B, C = values["hook_u"].flatten(2), values["hook_B"], values["hook_C"]
        keys = (share * delta + trail_after)[..., None] * B
        terms = Terms(C, keys, values["hook_u"], alpha[..., None]).wide()
        twice = trail_after * (B * C).sum(-1)
        gate, ones = F.silu(values["hook_gate"]), torch.ones_like(u)
        u, gate, ones, twice, D, W_out = promoted(u, gate, ones, twice, self.D, self.W_out)
        return Mamba3Layer(u, u, ones, gate, terms, W_out, self.config.n_heads, twice=twice, D=D)

    # ------------------------------------------------------------------ the forward pass

    def forward(
        self, x: Residual, past: RecurrentState | None = None, first: int = 0
    ) -> Float[Tensor, "batch query d_model"]:
        """Read the stream; returns what the layer writes at the positions from `first` on.

        Args:
            x: the normalised stream.
            past: what is carried from before these positions; replaced by what is after them.
            first: the recurrence needs all positions, the gate and the map out of the layer only these.
        """
        z = self.hook_gate(linear(x[:, first:], self.W_gate))
        u = self.hook_u(linear(x, self.W_u).unflatten(-1, (self.config.n_heads, -1)))
        step, rate = promoted(linear(x, self.W_dt, self.b_dt), linear(x, self.W_A))
        delta = self.hook_delta(F.softplus(self.hook_dt(step)))
        A = self.hook_A(-F.softplus(rate).clamp(min=self.config.A_floor))
        share, alpha = self.hook_lambda(linear(x, self.W_lambda).sigmoid()), self.hook_alpha((delta * A).exp())
        angle = self._angles(self.hook_theta(math.pi * linear(x, self.W_theta).tanh()), delta, past)
        B = self.hook_B(turned(self._per_head(x, self.W_B, self.norm_B, self.b_B), angle))
        C = self.hook_C(turned(self._per_head(x, self.W_C, self.norm_C, self.b_C), angle))
        trail, gamma = (1 - share) * delta, share * delta
        parts = Trapezoid(alpha, trail, gamma, B, C, u, _before(B, past, "B"), _before(u, past, "u"))
        y, h = self.recur(parts, past)
        if past is not None:
            past.advance(x.shape[1], h=h, B=B[:, -1].clone(), u=u[:, -1].clone(), angle=angle[:, -1].clone())
        y = self.hook_y(y + self.D[:, None] * u)[:, first:].flatten(2)
        return linear(self.hook_gated(y * F.silu(z)), self.W_out)

    def recur(self, parts: Trapezoid, past: RecurrentState | None) -> tuple[Columns, Float[Tensor, "batch head _ _"]]:
        """What is read at every position, and the last state, on the path that the hooks in use ask for."""
        h, start = (None, 0) if past is None else (past.get("h"), past.length)
        n, dtype, parts = parts.u.shape[1], parts.u.dtype, parts.wide()
        edited = self.edited("h", start, n)
        with without_autocast(parts.u.device):
            if in_use(self.hook_write, self.hook_state) or any(map(traced, edited.values())):
                states = trapezoidal_states(parts, self.hook_write(parts.write()), h, edited)
                h = states[:, -1].clone() if in_use(self.hook_state) else states[:, -1]  # unedited by that hook
                return parts.read(self.hook_state(states)).to(dtype), h
            outputs, begin = [], 0
            for at, point in edited.items():  # fused up to each edited position
                y, h = trapezoidal_scan(parts.at(slice(begin, at + 1)), h)
                h = point(h)
                outputs += [y[:, :-1], parts.at(slice(at, at + 1)).read(h[:, None])]
                begin = at + 1
            if begin < n:
                y, h = trapezoidal_scan(parts.at(slice(begin, n)), h)
                outputs.append(y)
        assert h is not None
        return torch.cat(outputs, dim=1).to(dtype), h

    def _per_head(self, x: Residual, W: Tensor, norm: RMSNorm, bias: Tensor) -> Rows:
        """B or C before it is turned: normalised by group, and of each head with its own bias."""
        c = self.config
        of_group = norm(linear(x, W).unflatten(-1, (c.n_groups, c.d_state)))
        return of_group.repeat_interleave(c.n_heads // c.n_groups, dim=2) + bias

    def _angles(
        self, theta: Tensor, delta: Tensor, past: RecurrentState | None
    ) -> Float[Tensor, "batch pos head angle"]:
        """The sum of the angles up to each position, within a full turn."""
        theta, delta = promoted(theta, delta)
        angle = (theta[:, :, None] * delta[..., None]).cumsum(dim=1)
        before = None if past is None else past.get("angle")
        return torch.remainder(angle if before is None else angle + before[:, None], 2 * math.pi)


def turned(x: Rows, angle: Float[Tensor, "batch pos head angle"]) -> Rows:
    """Turn the first pairs of numbers, (0, 1), (2, 3) and so on, by their angles."""
    pairs, rest = x[..., : 2 * angle.shape[-1]].unflatten(-1, (-1, 2)), x[..., 2 * angle.shape[-1] :]
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    left, right = pairs.unbind(-1)
    both = torch.stack([left * cos - right * sin, left * sin + right * cos], dim=-1)
    return torch.cat([both.flatten(-2), rest], dim=-1)


def _before(x: Tensor, past: RecurrentState | None, name: str) -> Tensor:
    """What stood one position earlier; zeros before the first."""
    last = None if past is None else past.get(name)
    return torch.cat([torch.zeros_like(x[:, :1]) if last is None else last[:, None].to(x.dtype), x[:, :-1]], dim=1)
