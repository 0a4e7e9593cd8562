"""The layer of RWKV-7: rows that fade by themselves, and an erasure along another direction than that of the write."""

from collections.abc import Mapping
from dataclasses import replace
from math import exp
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.axes import Residual
from interp.models.hidden_attention.matrix_layer import MatrixLayer
from interp.models.hooks.point import HookPoint
from interp.models.recurrent.initial import fill_uniform
from interp.models.recurrent.matrix_state import MatrixMixer, Terms, unit
from interp.models.recurrent.mixer import RecurrentState
from interp.models.recurrent.parts import linear, weight
from interp.models.scan.precision import promoted

MIXED = ("q", "k", "v", "w", "a", "gate")
"""What reads a mixture of its own of the stream here and one position before."""


class RWKV7Mixer(MatrixMixer):
    """One layer of RWKV-7's time mixing. Its hook points are in the table of `interp.models.recurrent.rwkv7.model`.

    Args:
        config: an `RWKV7Config`.
    """

    decay_hook = "hook_w"
    no_weight_decay = ("b_w", "b_a", "mu", "xi", "alpha", "rho")

    def activation(self, gate: Tensor) -> Tensor:
        return gate

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        d, rank, keys = config.d_model, config.rank, self.widths[0]
        self.mu = weight(len(MIXED), d)
        self.W_w_down, self.W_w, self.b_w = weight(d, rank), weight(rank, keys), weight(keys)
        self.W_a_down, self.W_a, self.b_a = weight(d, rank), weight(rank, keys), weight(keys)
        self.xi, self.alpha, self.rho = weight(keys), weight(keys), weight(keys)
        if config.gate:
            self.W_gate_down, self.W_gate = weight(d, rank), weight(rank, self.widths[2])
        self.hook_w, self.hook_kappa, self.hook_a = HookPoint(), HookPoint(), HookPoint()
        self.hook_erase, self.hook_bonus = HookPoint(), HookPoint()

    def own_hooks(self) -> tuple[str, ...]:
        return ("hook_w", "hook_kappa", "hook_erase", "hook_bonus")

    def init_weights(self, generator: torch.Generator) -> None:
        super().init_weights(generator)
        for name in ("W_w_down", "W_w", "W_a_down", "W_a", "W_gate_down"):
            if (matrix := getattr(self, name, None)) is not None:
                fill_uniform(matrix, len(matrix) ** -0.5, generator)
        with torch.no_grad():
            self.mu.fill_(0.5)
            keys = len(self.b_w)
            self.b_w.copy_(torch.linspace(-6.0, 1.0, keys, dtype=torch.float32, device="cpu"))  # slow rows and fast
            self.b_a.zero_()
            self.xi.fill_(1.0)
            self.alpha.fill_(1.0)
            self.rho.zero_()

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return super().state_shapes() | {"last": (self.config.d_model,)}

    def forward(
        self, x: Residual, past: RecurrentState | None = None, first: int = 0
    ) -> Float[Tensor, "batch query d_model"]:
        c, last = self.config, None if past is None else past.get("last")
        before = torch.cat(
            [torch.zeros_like(x[:, :1]) if last is None else last[:, None].to(x.dtype), x[:, :-1]], dim=1
        )
        mixed = {name: x + (before - x) * mu for name, mu in zip(MIXED, self.mu, strict=True)}

        def heads(part: Tensor) -> Tensor:
            return part.unflatten(-1, (c.n_heads, -1))

        q = self.hook_q(heads(linear(mixed["q"], self.W_q)))
        k, v = linear(mixed["k"], self.W_k), self.hook_v(heads(linear(mixed["v"], self.W_v)))
        a = self.hook_a(heads(linear(linear(mixed["a"], self.W_a_down), self.W_a, self.b_a).sigmoid()))
        (logit,) = promoted(linear(linear(mixed["w"], self.W_w_down).tanh(), self.W_w, self.b_w))
        w = self.hook_w(heads((-exp(-0.5) * logit.sigmoid()).exp()))
        kappa = self.hook_kappa(unit(heads(k * self.xi)))
        k = self.hook_k(heads(k) * (1 + heads(self.alpha) * (a - 1)))
        bonus = self.hook_bonus((q * heads(self.rho) * k).sum(dim=-1))
        y, h = self.recur(Terms(q, k, v, w, self.hook_erase(a * kappa), kappa), past)
        if past is not None:
            past.advance(x.shape[1], h=h, last=x[:, -1].clone())
        y = self.hook_y(y)[:, first:].flatten(2)
        y = y if self.norm is None else self.norm(y)
        y = y + (bonus[..., None] * v)[:, first:].flatten(2)
        if c.gate:
            gate = linear(linear(mixed["gate"][:, first:], self.W_gate_down).sigmoid(), self.W_gate)
            y = y * self.hook_gate(gate)
        return linear(self.hook_gated(y), self.W_out)

    def read_terms(self, values: Mapping[str, Tensor]) -> Terms:
        q, k, v, w, kappa, erase = (values[f"hook_{name}"] for name in ("q", "k", "v", "w", "kappa", "erase"))
        return Terms(q, k, v, w, erase, kappa)

    def hidden_layer(self, values: Mapping[str, Tensor]) -> MatrixLayer:
        read = super().hidden_layer(values)
        past_state = values["hook_bonus"].repeat_interleave(self.config.value_width, dim=2)
        if self.config.gate:
            past_state = past_state * values["hook_gate"]
        return replace(read, past_state=past_state.to(read.u.dtype))
