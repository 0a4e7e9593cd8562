"""The layer of Mamba: projections, a short convolution, the selective scan, a gate; every quantity at a hook point."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from interp.base.axes import Residual
from interp.models.hidden_attention.layer import SelectiveLayer
from interp.models.hooks.point import HookPoint
from interp.models.recurrent.initial import init_mamba
from interp.models.recurrent.mamba.names import OTHER_NAMES, OTHER_STEPS, REFUSED
from interp.models.recurrent.mixer import RecurrentState
from interp.models.recurrent.parts import linear, weight
from interp.models.recurrent.state_space import HIDDEN_HOOKS, StateSpaceMixer
from interp.models.scan import huge_pages
from interp.models.scan.conv import causal_conv
from interp.models.scan.selective import selective_scan

Channels = Float[Tensor, "batch pos channel"]
PerState = Float[Tensor, "batch pos state"]
State = Float[Tensor, "batch channel state"]
States = Float[Tensor, "batch pos channel state"]


class MambaMixer(StateSpaceMixer):
    """One layer of Mamba. Its hook points are in the table of `interp.models.recurrent.mamba.model`.

    Args:
        config: a `MambaConfig`.
    """

    scans = ("selective_scan", "causal_conv")
    other_names, other_steps, refused = OTHER_NAMES, OTHER_STEPS, REFUSED
    hidden_hooks = ("hook_x", *HIDDEN_HOOKS)

    def __init__(self, config: Any) -> None:
        super().__init__()
        d, e, n, r = config.d_model, config.channels, config.d_state, config.rank
        self.config = config
        self.W_in, self.W_gate = weight(d, e), weight(d, e)
        self.b_in, self.b_gate = (weight(e), weight(e)) if config.bias else (None, None)
        self.W_conv, self.b_conv = weight(e, config.d_conv), weight(e) if config.conv_bias else None
        self.W_dt_down, self.W_B, self.W_C = weight(e, r), weight(e, n), weight(e, n)
        self.W_dt, self.b_dt = weight(r, e), weight(e)
        scaled = config.inner_scale
        self.w_dt, self.w_B, self.w_C = (weight(size) if scaled else None for size in (r, n, n))
        self.A_log, self.D = weight(e, n), weight(e)
        self.W_out, self.b_out = weight(e, d), weight(d) if config.bias else None
        self.hook_x, self.hook_gate, self.hook_conv, self.hook_u = (HookPoint() for _ in range(4))
        self.hook_dt, self.hook_delta, self.hook_B, self.hook_C = (HookPoint() for _ in range(4))
        self.hook_y, self.hook_gated = HookPoint(), HookPoint()

    def init_weights(self, generator: torch.Generator) -> None:
        init_mamba(self, self.config, generator)

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        channels, state = self.A_log.shape
        return {"h": (channels, state), "window": (self.config.d_conv - 1, channels)}

    def log_decay(self, value: Channels) -> Float[Tensor, "channel state"]:
        return value.double().sum(dim=(0, 1))[:, None] * self.A.double()

    def hidden_layer(self, values: Mapping[str, Tensor]) -> SelectiveLayer:
        B, C = values["hook_B"][:, :, None], values["hook_C"][:, :, None]
        return self.selective_layer(values, values["hook_x"], B, C, self.A, F.silu(values["hook_gate"]))

    def forward(
        self, x: Residual, past: RecurrentState | None = None, first: int = 0
    ) -> Float[Tensor, "batch query d_model"]:
        """Read the stream; returns what the layer writes at the positions from `first` on.

        Args:
            x: the normalised stream.
            past: the state and the convolution's window before these positions; replaced by those after them.
            first: the recurrence needs all positions, the gate and the map out of the layer only these.
        """
        z = self.hook_gate(linear(x[:, first:], self.W_gate, self.b_gate))
        inner = self.hook_x(linear(x, self.W_in, self.b_in))
        conv, window = causal_conv(inner, self.W_conv, self.b_conv, None if past is None else past.get("window"))
        u = self.hook_u(F.silu(self.hook_conv(conv)))
        rank, state = self.W_dt.shape[0], self.A_log.shape[1]
        low, B, C = linear(u, torch.cat([self.W_dt_down, self.W_B, self.W_C], dim=1)).split([rank, state, state], -1)
        if (eps := self.config.inner_eps) is not None:
            parts = zip((low, B, C), (self.w_dt, self.w_B, self.w_C), strict=True)
            low, B, C = (_normed(part, scale, eps) for part, scale in parts)
        B, C = self.hook_B(B.contiguous()), self.hook_C(C.contiguous())
        delta = self.hook_delta(F.softplus(self.hook_dt(linear(low, self.W_dt, self.b_dt))))
        y, h = self.recur(u, delta, B, C, past)
        if past is not None:
            past.advance(x.shape[1], h=h, window=window)
        gated = self.hook_gated(self.hook_y(y)[:, first:] * F.silu(z))
        return linear(gated, self.W_out, self.b_out)

    # ------------------------------------------------------------------ the recurrence

    def fused(self, u: Channels, delta: Channels, B: PerState, C: PerState, h: State | None) -> tuple[Channels, State]:
        return selective_scan(u, delta, self.A, B, C, self.D, h)

    def decay(self, delta: Channels) -> States:
        return huge_pages.product(delta[..., None], self.A).exp_()

    def write(self, u: Channels, delta: Channels, B: PerState) -> States:
        return huge_pages.product((delta * u)[..., None], B[:, :, None])

    def read(self, states: States, C: PerState, u: Channels) -> Channels:
        return (C[:, :, None] @ states.mT).squeeze(2) + self.D * u  # far faster with the row first


def _normed(x: PerState, scale: Tensor | None, eps: float) -> PerState:
    """Divide by the rms, times the scale in the dtype of x, which autocast makes narrower."""
    return F.rms_norm(x, x.shape[-1:], None if scale is None else scale.to(x.dtype), eps)
