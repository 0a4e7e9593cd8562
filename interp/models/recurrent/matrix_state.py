"""What layers with matrix-valued states share: S_t = Diag(a_t) S_(t-1) - e_t (p_t^T S_(t-1)) + k_t v_t^T.

A family says in `terms` what q, k, v, the decay a and, where it erases, e and p are made of; everything else is here.
The recurrence runs in chunks unless something listens at `hook_write` or `hook_state`, and then every state is made; or
at the state of single positions (`h.5`), and then it runs in stretches between them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from interp.base.axes import Residual
from interp.models.hidden_attention.matrix_layer import MatrixLayer
from interp.models.hooks.point import HookPoint, in_use, traced
from interp.models.recurrent.initial import fill_uniform, init_conv
from interp.models.recurrent.matrix_config import MatrixConfig
from interp.models.recurrent.mixer import Mixer, RecurrentState
from interp.models.recurrent.parts import linear, linear_scan_edited, weight
from interp.models.scan.conv import causal_conv
from interp.models.scan.matrix import matrix_scan, matrix_states
from interp.models.scan.precision import promoted, without_autocast
from interp.models.stack.layers import RMSNorm

Keys = Float[Tensor, "batch pos head d_key"]
Values = Float[Tensor, "batch pos head d_value"]
PerHead = Float[Tensor, "batch pos head"]
States = Float[Tensor, "batch pos head d_key d_value"]
LEAST = 1e-30
"""Least decay of which a logarithm is taken."""


@dataclass(frozen=True)
class Terms:
    """The recurrence of one forward pass; the letters are those of the module's first line."""

    q: Keys
    k: Keys
    v: Values
    decay: Float[Tensor, "batch pos head d_key_or_1"]
    erase: Keys | None = None
    probe: Keys | None = None
    least: PerHead | None = None
    """Least number that the output of a head is divided by, where it is divided."""
    added: PerHead | None = None
    """What is added to what the output of a head is divided by, where it is divided."""

    @property
    def log_decay(self) -> Tensor:
        """log a, with what is forgotten altogether left at less than any number can show."""
        return self.decay.clamp(min=LEAST).log()

    def at(self, positions: slice) -> "Terms":
        """Keep some positions."""
        return Terms(**{name: part[:, positions] for name, part in self._given().items()})

    def wide(self) -> "Terms":
        """All in one dtype, at least float32."""
        given = self._given()
        return Terms(**dict(zip(given, promoted(*given.values()), strict=True)))

    def _given(self) -> dict[str, Tensor]:
        parts = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: part for name, part in parts.items() if part is not None}


class MatrixMixer(Mixer):
    """A layer whose state is a matrix for each head.

    Args:
        config: of the family; a `MatrixConfig`.
        normalizes: whether values have a 1 beside them, whose sum the output is divided by: the last column of the
            state.
    """

    large = ("hook_write", "hook_state")
    gated_hook = "hook_gated"

    def activation(self, gate: Tensor) -> Tensor:
        """Apply what the gate goes through."""
        return F.silu(gate)

    def __init__(self, config: Any, normalizes: bool = False) -> None:
        super().__init__()
        c: MatrixConfig = config
        self.normalizer = Normalizer() if normalizes else None
        d, keys, values = c.d_model, c.n_heads * c.key_width, c.n_heads * c.value_width
        self.config = config
        self.widths = [keys, keys, values]
        self.W_q, self.W_k, self.W_v = (weight(d, width) for width in self.widths)
        self.W_out = weight(values, d)
        self.W_gate = weight(d, values) if c.gate else None
        eps = c.norm_eps if c.head_norm_eps is None else c.head_norm_eps
        self.norm = RMSNorm(values, eps, c.n_heads, c.head_norm_centred) if c.head_norm else None
        self.hook_q, self.hook_k, self.hook_v = (HookPoint() for _ in range(3))
        self.hook_write, self.hook_state = HookPoint(), HookPoint()
        self.hook_y, self.hook_gated = HookPoint(), HookPoint()
        conv, gate, norm = c.d_conv > 1, c.gate, c.head_norm
        if conv:
            self.W_conv, self.b_conv = weight(2 * keys + values, c.d_conv), None
            self.hook_conv_in, self.hook_conv = HookPoint(), HookPoint()
        if gate:
            self.hook_gate = HookPoint()
        self.scans = ("matrix_scan", "causal_conv") if conv else ("matrix_scan",)  # type: ignore[misc]
        asked = {"hook_conv_in": conv, "hook_conv": conv, "hook_gate": gate, "norm.hook_scale": norm}
        asked |= {"normalizer.hook_scale": normalizes, "hook_y": c.head_norm_centred}
        asked = tuple(name for name, there in asked.items() if there)
        self.hidden_hooks = (*asked, "hook_q", "hook_k", "hook_v", *self.own_hooks())  # type: ignore[misc]

    def own_hooks(self) -> tuple[str, ...]:
        """Hook points of the family's own quantities, which `read_terms` needs."""
        return ()

    def terms(
        self, x: Residual, q: Keys, k: Keys, v: Values, past: RecurrentState | None
    ) -> tuple[Terms, dict[str, Tensor]]:
        """The recurrence of these positions, each quantity at its hook point, and what else is carried, by name.

        Args:
            x: the normalised stream.
            q, k, v: maps of it, after the convolution if there is one.
            past: what was carried to here.
        """
        raise NotImplementedError

    def read_terms(self, values: Mapping[str, Tensor]) -> Terms:
        """The same recurrence from what stood at the hook points; its v is `hook_v`, so that k holds all factors."""
        raise NotImplementedError

    # ------------------------------------------------------------------ what the rest of the package asks

    def init_weights(self, generator: torch.Generator) -> None:
        for name in ("W_q", "W_k", "W_v", "W_gate", "W_out"):
            matrix = getattr(self, name)
            if matrix is not None:
                fill_uniform(matrix, len(matrix) ** -0.5, generator)
        with torch.no_grad():
            self.W_out.div_(self.config.n_layers**0.5)
            if self.norm is not None:
                self.norm.w.fill_(1.0)
        if self.config.d_conv > 1:
            init_conv(self, generator)

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        c: MatrixConfig = self.config
        window = {"window": (c.d_conv - 1, sum(self.widths))} if c.d_conv > 1 else {}
        return {"h": (c.n_heads, c.key_width, c.value_width + (self.normalizer is not None)), **window}

    def state_matrices(self, value: Tensor) -> Tensor:
        return value if self.normalizer is None else value[..., :-1]

    def log_decay(self, value: Tensor) -> Float[Tensor, "head d_key d_value"]:
        logs = value.double().clamp(min=LEAST).log().sum(dim=(0, 1))
        logs = logs[:, None] if logs.ndim == 1 else logs
        return logs[..., None].expand(self.state_shapes()["h"])

    @property
    def hidden_heads(self) -> int:
        return self.config.n_heads

    def hidden_layer(self, values: Mapping[str, Tensor]) -> MatrixLayer:
        terms, c = self.read_terms(values).wide(), self.config
        u = values["hook_v"].flatten(2)
        gate, held, x, W_conv = torch.ones_like(u), torch.ones_like(u), u, None
        if self.norm is not None:
            gate = self.norm.w / values["norm.hook_scale"].repeat_interleave(c.value_width, dim=2)
        if c.gate:
            gate = gate * self.activation(values["hook_gate"])
        if c.d_conv > 1:
            own = slice(-u.shape[2], None)
            held, x, W_conv = (
                values["hook_conv"][..., own].sigmoid(),
                values["hook_conv_in"][..., own],
                self.W_conv[own],
            )
        taken = lacks = None
        if c.head_norm_centred:  # what a position brings past the norm is its value without the head's mean
            taken = values["hook_y"].mean(dim=3, keepdim=True).expand_as(values["hook_y"]).flatten(2)
            (v,) = promoted(values["hook_v"])
            mean = v.mean(dim=3, keepdim=True).expand_as(v)
            lacks, x = mean.flatten(2), (v - mean).flatten(2)
            u = x
        weights = (self.W_out,) if W_conv is None else (self.W_out, W_conv)
        x, u, held, gate, *weights = promoted(x, u, held, gate, *weights)
        own = None if W_conv is None else weights[1]
        return MatrixLayer(x, u, held, gate, terms, weights[0], c.n_heads, own, taken=taken, lacks=lacks)

    # ------------------------------------------------------------------ the forward pass

    def forward(
        self, x: Residual, past: RecurrentState | None = None, first: int = 0
    ) -> Float[Tensor, "batch query d_model"]:
        """Read the stream; returns what the layer writes at the positions from `first` on.

        Args:
            x: the normalised stream.
            past: what is carried from before these positions; replaced by what is after them.
            first: the recurrence needs all positions, what follows it only these.
        """
        c: MatrixConfig = self.config
        carried: dict[str, Tensor] = {}
        inner = linear(x, torch.cat([self.W_q, self.W_k, self.W_v], dim=1))
        if c.d_conv > 1:
            window = None if past is None else past.get("window")
            conv, carried["window"] = causal_conv(self.hook_conv_in(inner), self.W_conv, None, window)
            inner = F.silu(self.hook_conv(conv))
        # Copies, not views of one tensor: whoever edits one of them in place leaves the others alone.
        q, k, v = (part.clone().unflatten(-1, (c.n_heads, -1)) for part in inner.split(self.widths, dim=-1))
        terms, more = self.terms(x, q, k, v, past)
        y, h = self.recur(terms, past)
        if past is not None:
            past.advance(x.shape[1], h=h, **carried, **more)
        y = self.hook_y(self.normalized(y, terms))[:, first:].flatten(2)
        y = y if self.norm is None else self.norm(y)
        if self.W_gate is not None:
            y = y * self.activation(self.hook_gate(linear(x[:, first:], self.W_gate)))
        return linear(self.hook_gated(y), self.W_out)

    def normalized(self, y: Float[Tensor, "batch pos head d_read"], terms: Terms) -> Values:
        """The heads' output from what is read of the states: the same, unless the family divides it."""
        if self.normalizer is None:
            return y
        return y[..., :-1] / self.normalizer.hook_scale(self.divisor(y[..., -1], terms))[..., None]

    def divisor(self, total: PerHead, terms: Terms) -> PerHead:
        """What a family that normalises divides its output by.

        Args:
            total: what is read of the state's last column.
            terms: the recurrence.
        """
        raise NotImplementedError

    def recur(self, terms: Terms, past: RecurrentState | None) -> tuple[Values, Float[Tensor, "batch head d_key _"]]:
        """What is read at every position, and the last state, on the path that the hooks in use ask for."""
        h, start = (None, 0) if past is None else (past.get("h"), past.length)
        n, dtype = terms.v.shape[1], terms.v.dtype
        edited = self.edited("h", start, n)
        explicit = in_use(self.hook_write, self.hook_state) or any(map(traced, edited.values()))
        if not explicit and not edited:
            return _fused(terms, h)
        with without_autocast(terms.v.device):
            run = self._every_state if explicit else _in_stretches
            y, h = run(terms.wide(), h, edited)
        return y.to(dtype), h

    def _every_state(self, terms: Terms, h: Any, edited: dict[int, HookPoint]) -> tuple[Tensor, Tensor]:
        write = self.hook_write(terms.k[..., :, None] * terms.v[..., None, :])
        if terms.erase is None:
            states = linear_scan_edited(terms.decay[..., None], write, h, edited)
        else:
            states = matrix_states(terms.decay, write, terms.erase, terms.probe, h, edited)
        last = states[:, -1].clone() if in_use(self.hook_state) else states[:, -1]  # the recurrence's own, unedited
        return _read(terms.q, self.hook_state(states)), last


def _fused(terms: Terms, h: Tensor | None) -> tuple[Tensor, Tensor]:
    return matrix_scan(terms.q, terms.k, terms.v, terms.log_decay, terms.erase, terms.probe, h)


def _in_stretches(terms: Terms, h: Any, edited: dict[int, HookPoint]) -> tuple[Tensor, Tensor]:
    """Fused up to each edited position; there the state passes its hook point before it is read and carried on."""
    outputs, begin, end = [], 0, terms.v.shape[1]
    for at, point in edited.items():
        y, h = _fused(terms.at(slice(begin, at + 1)), h)
        h = point(h)
        outputs += [y[:, :-1], _read(terms.q[:, at : at + 1], h[:, None])]
        begin = at + 1
    if begin < end:
        y, h = _fused(terms.at(slice(begin, end)), h)
        outputs.append(y)
    return torch.cat(outputs, dim=1), h


def with_one(v: Values) -> Float[Tensor, "batch pos head d_value+1"]:
    """The values, and a 1 beside them."""
    return F.pad(v, (0, 1), value=1.0)


def _read(q: Keys, states: States) -> Values:
    return (q[..., None, :] @ states).squeeze(-2)


def unit(x: Keys, eps: float = 1e-6) -> Keys:
    """Each head's vector at length 1."""
    return x * (x.square().sum(dim=-1, keepdim=True) + eps).rsqrt()


class Normalizer(nn.Module):
    """What the output of each head is divided by, at `hook_scale` [batch pos head]."""

    def __init__(self) -> None:
        super().__init__()
        self.hook_scale = HookPoint()
