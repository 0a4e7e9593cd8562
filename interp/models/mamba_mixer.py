"""The layer of Mamba: projections, a short convolution, the selective scan, a gate; every quantity at a hook point.

The scan runs fused (`scan.selective_scan`) unless something listens where it shows nothing: at `hook_A_bar`,
`hook_write` or `hook_state`, and then every state is made; or at the state of single positions (`h.5`), and then it
runs in stretches between them.
"""

from typing import Any

import torch
import torch.nn.functional as F
from einops import einsum
from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from interp.axes import Residual
from interp.models.hooked import in_use
from interp.models.initial import init_mamba
from interp.models.recurrent import Mixer, RecurrentState
from interp.models.scan.conv import causal_conv
from interp.models.scan.linear import linear_scan
from interp.models.scan.selective import selective_scan

Channels = Float[Tensor, "batch pos channel"]
PerState = Float[Tensor, "batch pos state"]
State = Float[Tensor, "batch channel state"]
POSITION_ON_AXIS_2 = "in TransformerLens its axes are [batch channel pos state]; use {} [batch pos channel state]"


class MambaMixer(Mixer):
    """One layer of Mamba. Its hook points are in the table of `interp.models.mamba`.

    Args:
        config: a `MambaConfig`.
    """

    large = ("hook_A_bar", "hook_write", "hook_state")
    other_names = {  # noqa: RUF012
        "mixer.hook_ssm_dt": "mixer.hook_dt",  # TransformerLens
        "mixer.hook_dt_proj": "mixer.hook_dt",
        "mixer.hook_ssm_out": "hook_mixer_out",
        "hook_ssm_input": "mixer.hook_u",  # MambaLens
        "hook_delta": "mixer.hook_delta",
        "hook_A_bar": "mixer.hook_A_bar",
        "hook_B": "mixer.hook_B",
        "hook_C": "mixer.hook_C",
        "hook_skip": "mixer.hook_gate",
        "hook_ssm_output": "mixer.hook_y",
        "hook_after_skip": "mixer.hook_gated",
        "hook_out_proj": "hook_mixer_out",
        "hook_normalized_input": "hook_mixer_in",
    }
    refused = {  # noqa: RUF012
        "mixer.hook_ssm_state": POSITION_ON_AXIS_2.format("mixer.hook_state"),
        "mixer.hook_ssm_write": POSITION_ON_AXIS_2.format("mixer.hook_write"),
    }

    def __init__(self, config: Any) -> None:
        super().__init__()
        d, e, n, r = config.d_model, config.channels, config.d_state, config.rank
        self.config = config
        self.W_in, self.W_gate = _weight(d, e), _weight(d, e)
        self.b_in, self.b_gate = (_weight(e), _weight(e)) if config.bias else (None, None)
        self.W_conv, self.b_conv = _weight(e, config.d_conv), _weight(e) if config.conv_bias else None
        self.W_dt_down, self.W_B, self.W_C = _weight(e, r), _weight(e, n), _weight(e, n)
        self.W_dt, self.b_dt = _weight(r, e), _weight(e)
        self.A_log, self.D = _weight(e, n), _weight(e)
        self.W_out, self.b_out = _weight(e, d), _weight(d) if config.bias else None
        for parameter in (self.A_log, self.D, self.b_dt):
            parameter._no_weight_decay = True  # as the authors train it
        self.hook_x, self.hook_gate, self.hook_conv, self.hook_u = (HookPoint() for _ in range(4))
        self.hook_dt, self.hook_delta, self.hook_B, self.hook_C = (HookPoint() for _ in range(4))
        self.hook_A_bar, self.hook_write, self.hook_state = (HookPoint() for _ in range(3))
        self.hook_y, self.hook_gated = HookPoint(), HookPoint()

    def init_weights(self, generator: torch.Generator) -> None:
        init_mamba(self, self.config, generator)

    @property
    def A(self) -> Float[Tensor, "channel state"]:
        """Decay rates per unit of Delta: negative."""
        return -self.A_log.float().exp() if self.A_log.dtype.itemsize < 4 else -self.A_log.exp()

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        channels, state = self.A_log.shape
        return {"h": (channels, state), "window": (self.config.d_conv - 1, channels)}

    def forward(
        self, x: Residual, past: RecurrentState | None = None, first: int = 0
    ) -> Float[Tensor, "batch query d_model"]:
        """Read the stream; returns what the layer writes at the positions from `first` on.

        Args:
            x: the normalised stream.
            past: the state and the convolution's window before these positions; replaced by those after them.
            first: the recurrence needs all positions, the gate and the map out of the layer only these.
        """
        z = self.hook_gate(_linear(x[:, first:], self.W_gate, self.b_gate))
        inner = self.hook_x(_linear(x, self.W_in, self.b_in))
        conv, window = causal_conv(inner, self.W_conv, self.b_conv, None if past is None else past.get("window"))
        u = self.hook_u(F.silu(self.hook_conv(conv)))
        rank, state = self.W_dt.shape[0], self.A_log.shape[1]
        low, B, C = _linear(u, torch.cat([self.W_dt_down, self.W_B, self.W_C], dim=1)).split([rank, state, state], -1)
        B, C = self.hook_B(B.contiguous()), self.hook_C(C.contiguous())
        delta = self.hook_delta(F.softplus(self.hook_dt(_linear(low, self.W_dt, self.b_dt))))
        y, h = self._scan(u, delta, B, C, past)
        if past is not None:
            past.advance(x.shape[1], h=h, window=window)
        gated = self.hook_gated(self.hook_y(y)[:, first:] * F.silu(z))
        return _linear(gated, self.W_out, self.b_out)

    # ------------------------------------------------------------------ the recurrence

    def _scan(
        self, u: Channels, delta: Channels, B: PerState, C: PerState, past: RecurrentState | None
    ) -> tuple[Channels, State]:
        """y [batch pos channel] and the last state, on the path that the hooks in use ask for."""
        initial, start = (None, 0) if past is None else (past.get("h"), past.length)
        edited = self.edited("h", start, u.shape[1])
        explicit = in_use(self.hook_A_bar, self.hook_write, self.hook_state)
        if not explicit and not edited:
            return selective_scan(u, delta, self.A, B, C, self.D, initial)
        if not explicit:
            return self._in_stretches(u, delta, B, C, initial, edited)
        A_bar = self.hook_A_bar((delta[..., None] * self.A).exp())
        write = self.hook_write((delta * u)[..., None] * B[:, :, None])
        states = linear_scan_edited(A_bar, write, initial, edited)
        last = states[:, -1].clone() if in_use(self.hook_state) else states[:, -1]  # the recurrence's own, unedited
        return self._read(self.hook_state(states), C, u), last

    def _in_stretches(
        self, u: Channels, delta: Channels, B: PerState, C: PerState, h: State | None, edited: dict[int, HookPoint]
    ) -> tuple[Channels, State]:
        """Fused up to each edited position; there the state passes its hook point before it is read and carried on."""
        outputs, begin, end = [], 0, u.shape[1]
        for at, point in edited.items():
            here = slice(begin, at + 1)
            y, h = selective_scan(u[:, here], delta[:, here], self.A, B[:, here], C[:, here], self.D, h)
            h = point(h)
            outputs += [y[:, :-1], self._read(h[:, None], C[:, at : at + 1], u[:, at : at + 1])]
            begin = at + 1
        if begin < end:
            rest = slice(begin, end)
            y, h = selective_scan(u[:, rest], delta[:, rest], self.A, B[:, rest], C[:, rest], self.D, h)
            outputs.append(y)
        return torch.cat(outputs, dim=1), h

    def _read(self, states: Float[Tensor, "batch pos channel state"], C: PerState, u: Channels) -> Channels:
        """Equation 2b, with the input's direct way to the output."""
        return einsum(states, C, "b p c n, b p n -> b p c") + self.D * u


def linear_scan_edited(
    A_bar: Tensor, write: Tensor, h: Tensor | None, edited: dict[int, HookPoint]
) -> Float[Tensor, "batch pos *state"]:
    """All states of a recurrence, each edited one carried on as its hook point leaves it.

    Args:
        A_bar: [batch pos ...], decays that broadcast against `write`.
        write: [batch pos ...].
        h: the state before the first position.
        edited: position -> the hook point of the state there.
    """
    stretches, begin, end = [], 0, write.shape[1]
    for at, point in edited.items():
        states = linear_scan(A_bar[:, begin : at + 1], write[:, begin : at + 1], h)
        h = point(states[:, -1].clone())
        stretches += [states[:, :-1], h[:, None]]
        begin = at + 1
    if begin < end:
        stretches.append(linear_scan(A_bar[:, begin:], write[:, begin:], h))
    return stretches[0] if len(stretches) == 1 else torch.cat(stretches, dim=1)


def _weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape))


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W + b; weights stand as [in out]."""
    return F.linear(x, weight.T, bias)
