"""The layer of Mamba-2: projections, a short convolution, the scan of SSD, a gated norm; each quantity a hook point."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from interp.base.axes import Residual
from interp.models.hidden_attention.layer import SelectiveLayer
from interp.models.hooks.point import HookPoint
from interp.models.recurrent.initial import init_mamba2
from interp.models.recurrent.mamba2.names import OTHER_NAMES, REFUSED
from interp.models.recurrent.mixer import RecurrentState
from interp.models.recurrent.parts import linear, weight
from interp.models.recurrent.state_space import HIDDEN_HOOKS, StateSpaceMixer
from interp.models.scan.conv import causal_conv
from interp.models.scan.ssd import ssd_scan
from interp.models.stack.layers import RMSNorm

Heads = Float[Tensor, "batch pos head d_head"]
PerHead = Float[Tensor, "batch pos head"]
PerGroup = Float[Tensor, "batch pos group state"]
State = Float[Tensor, "batch head d_head state"]
States = Float[Tensor, "batch pos head d_head state"]


class Mamba2Mixer(StateSpaceMixer):
    """One layer of Mamba-2. Its hook points are in the table of `interp.models.recurrent.mamba2.model`.

    Args:
        config: a `Mamba2Config`.
    """

    scans = ("ssd_scan", "causal_conv")
    other_names, refused = OTHER_NAMES, REFUSED

    def __init__(self, config: Any) -> None:
        super().__init__()
        d, e, h, bc = config.d_model, config.channels, config.n_heads, config.n_groups * config.d_state
        self.config = config
        self.W_gate, self.W_x, self.W_B, self.W_C = weight(d, e), weight(d, e), weight(d, bc), weight(d, bc)
        biases = (weight(width) if config.bias else None for width in (e, e, bc, bc))
        self.b_gate, self.b_x, self.b_B, self.b_C = biases
        self.W_conv = weight(e + 2 * bc, config.d_conv)
        self.b_conv = weight(e + 2 * bc) if config.conv_bias else None
        self.W_dt, self.b_dt = weight(d, h), weight(h)
        self.A_log, self.D = weight(h), weight(h)
        groups = config.norm_groups or config.n_groups
        self.norm = None if config.gate_norm is None else RMSNorm(e, config.norm_eps, groups)
        scale = () if self.norm is None else ("norm.hook_scale",)
        self.hidden_hooks = ("hook_conv_in", *HIDDEN_HOOKS, *scale)  # type: ignore[misc]
        self.W_out, self.b_out = weight(e, d), weight(d) if config.bias else None
        self.hook_gate, self.hook_conv_in, self.hook_conv, self.hook_u = (HookPoint() for _ in range(4))
        self.hook_dt, self.hook_delta, self.hook_B, self.hook_C = (HookPoint() for _ in range(4))
        self.hook_y, self.hook_gated = HookPoint(), HookPoint()

    def init_weights(self, generator: torch.Generator) -> None:
        init_mamba2(self, self.config, generator)

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        c = self.config
        return {"h": (c.n_heads, c.d_head, c.d_state), "window": (c.d_conv - 1, len(self.W_conv))}

    def log_decay(self, value: PerHead) -> Float[Tensor, "head d_head state"]:
        of_head = value.double().sum(dim=(0, 1)) * self.A.double()
        return of_head[:, None, None].expand(self.state_shapes()["h"])

    @property
    def hidden_heads(self) -> int:
        return self.config.n_heads

    def hidden_layer(self, values: Mapping[str, Tensor]) -> SelectiveLayer:
        channels = len(self.W_out)
        gate, x = F.silu(values["hook_gate"]), values["hook_conv_in"][..., :channels]
        if self.norm is not None:
            scale = values["norm.hook_scale"]
            gate = gate * self.norm.w / scale.repeat_interleave(channels // scale.shape[2], dim=2)
        return self.selective_layer(values, x, values["hook_B"], values["hook_C"], self.A[:, None], gate)

    def forward(
        self, x: Residual, past: RecurrentState | None = None, first: int = 0
    ) -> Float[Tensor, "batch query d_model"]:
        """Read the stream; returns what the layer writes at the positions from `first` on.

        Args:
            x: the normalised stream.
            past: the state and the convolution's window before these positions; replaced by those after them.
            first: the recurrence needs all positions, the gate, the norm and the map out of the layer only these.
        """
        c = self.config
        z = self.hook_gate(linear(x[:, first:], self.W_gate, self.b_gate))
        biases: list[Tensor] = [bias for bias in (self.b_x, self.b_B, self.b_C) if bias is not None]
        joined = torch.cat([self.W_x, self.W_B, self.W_C], dim=1)
        inner = self.hook_conv_in(linear(x, joined, torch.cat(biases) if biases else None))
        conv, window = causal_conv(inner, self.W_conv, self.b_conv, None if past is None else past.get("window"))
        parts = self.hook_conv(conv).split([self.W_x.shape[1], self.W_B.shape[1], self.W_C.shape[1]], dim=-1)
        u, B, C = (F.silu(part) for part in parts)
        u = self.hook_u(u.unflatten(-1, (c.n_heads, c.d_head)))
        B = self.hook_B(B.unflatten(-1, (c.n_groups, c.d_state)))
        C = self.hook_C(C.unflatten(-1, (c.n_groups, c.d_state)))
        delta = F.softplus(self.hook_dt(linear(x, self.W_dt, self.b_dt)))
        delta = self.hook_delta(delta if c.dt_limit is None else delta.clamp(*c.dt_limit))
        y, h = self.recur(u, delta, B, C, past)
        if past is not None:
            past.advance(x.shape[1], h=h, window=window)
        return linear(self.hook_gated(self.gated(self.hook_y(y)[:, first:].flatten(2), z)), self.W_out, self.b_out)

    def gated(
        self, y: Float[Tensor, "batch query channel"], z: Float[Tensor, "batch query channel"]
    ) -> Float[Tensor, "batch query channel"]:
        """What the map out of the layer reads: the heads' output, gated and normalised in the order of the config."""
        if self.norm is None:
            return y * F.silu(z)
        return self.norm(y) * F.silu(z) if self.config.gate_norm == "before" else self.norm(y * F.silu(z))

    # ------------------------------------------------------------------ the recurrence

    def fused(self, u: Heads, delta: PerHead, B: PerGroup, C: PerGroup, h: State | None) -> tuple[Heads, State]:
        return ssd_scan(u, delta, self.A, B, C, self.D, h, self.config.chunk)

    def decay(self, delta: PerHead) -> PerHead:
        return (delta * self.A).exp()

    def write(self, u: Heads, delta: PerHead, B: PerGroup) -> States:
        scaled = rearrange(delta[..., None] * u, "b p (g h) d -> b p g (h d) 1", g=B.shape[2])
        return rearrange(scaled * B[..., None, :], "b p g (h d) n -> b p (g h) d n", d=u.shape[3])

    def read(self, states: States, C: PerGroup, u: Heads) -> Heads:
        grouped = rearrange(states, "b p (g h) d n -> b p g (h d) n", g=C.shape[2])
        return (C[..., None, :] @ grouped.mT).view(u.shape) + self.D[:, None] * u  # far faster with the row first
