"""The recurrence of Mamba-3: a trapezoidal rule, whose weight on either end of a step depends on the input.

    S_t = alpha_t S_(t-1) + beta_t B_(t-1) x_(t-1)^T + gamma_t B_t x_t^T        y_t = S_t^T C_t
    alpha = exp(Delta A), beta = (1 - lambda) Delta alpha, gamma = lambda Delta

Each position writes twice, so it is not yet the recurrence of `scan.matrix`. But the state without its own position's
write, U_t = S_t - gamma_t B_t x_t^T, is written to once, by the position before:

    U_t = alpha_t U_(t-1) + alpha_t (gamma_(t-1) + (1 - lambda_t) Delta_t) B_(t-1) x_(t-1)^T
    y_t = U_t^T C_t + gamma_t (B_t . C_t) x_t
"""

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from interp.models.hooks.point import HookPoint
from interp.models.recurrent.parts import linear_scan_edited
from interp.models.scan.matrix import matrix_scan
from interp.models.scan.precision import promoted

LEAST = 1e-30
"""Least decay of which a logarithm is taken."""

PerHead = Float[Tensor, "batch pos head"]
Rows = Float[Tensor, "batch pos head state"]
Columns = Float[Tensor, "batch pos head d_head"]
States = Float[Tensor, "batch pos head state d_head"]
State = Float[Tensor, "batch head state d_head"]


@dataclass(frozen=True)
class Trapezoid:
    """The recurrence of one forward pass; the letters are those of the module's first lines."""

    alpha: PerHead
    trail: PerHead
    """(1 - lambda) Delta: beta over alpha."""
    gamma: PerHead
    B: Rows
    C: Rows
    u: Columns
    """x."""
    B_before: Rows
    """B of the position before each."""
    u_before: Columns

    def at(self, positions: slice) -> "Trapezoid":
        """Keep some positions."""
        return Trapezoid(*(getattr(self, each.name)[:, positions] for each in fields(self)))

    def wide(self) -> "Trapezoid":
        """All in one dtype, at least float32."""
        return Trapezoid(*promoted(*(getattr(self, each.name) for each in fields(self))))

    def write(self) -> States:
        """What each position adds to the state."""
        before = (self.alpha * self.trail)[..., None] * self.B_before
        return _outer(before, self.u_before) + _outer(self.gamma[..., None] * self.B, self.u)

    def read(self, states: States) -> Columns:
        """y of some states."""
        return (self.C[..., None, :] @ states).squeeze(-2)


def trapezoidal_scan(parts: Trapezoid, initial: State | None = None) -> tuple[Columns, State]:
    """Run the recurrence in one pass of `matrix_scan`; returns y, and S after the last position."""
    # the state that it starts from has the write of the position before it already
    own_before = F.pad(parts.gamma[:, :-1], (0, 0, 1, 0))
    keys = (parts.alpha * (own_before + parts.trail))[..., None] * parts.B_before
    log_alpha = parts.alpha.clamp(min=LEAST).log()[..., None]
    y, without_own = matrix_scan(parts.C, keys, parts.u_before, log_alpha, initial=initial)
    y = y + (parts.gamma * (parts.B * parts.C).sum(-1))[..., None] * parts.u
    return y, without_own + _outer(parts.gamma[:, -1, :, None] * parts.B[:, -1], parts.u[:, -1])


def trapezoidal_states(
    parts: Trapezoid, write: States, initial: State | None = None, edited: dict[int, HookPoint] | None = None
) -> States:
    """Compute every state from what is written: the recurrence in which writes and states can be read and edited."""
    return linear_scan_edited(parts.alpha[..., None, None], write, initial, edited or {})


def trapezoidal_scan_reference(parts: Trapezoid, initial: State | None = None) -> tuple[Columns, State]:
    """`trapezoidal_scan` as the paper writes it: position by position."""
    state = torch.zeros_like(_outer(parts.B, parts.u)[:, 0]) if initial is None else initial
    outputs = []
    for t in range(parts.u.shape[1]):
        here = parts.at(slice(t, t + 1))
        state = here.alpha[:, 0, :, None, None] * state + here.write()[:, 0]
        outputs.append(here.read(state[:, None]))
    return torch.cat(outputs, dim=1), state


def _outer(left: Tensor, right: Tensor) -> Tensor:
    return left[..., :, None] * right[..., None, :]
