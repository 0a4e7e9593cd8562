"""The layer of an mLSTM: exponential input gates, kept in range by a running maximum that scales the state."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from interp.base.axes import Residual
from interp.models.hooks.point import HookPoint
from interp.models.recurrent.initial import fill_normal
from interp.models.recurrent.matrix_state import LEAST, Keys, MatrixMixer, PerHead, Terms, Values, with_one
from interp.models.recurrent.mixer import RecurrentState
from interp.models.recurrent.parts import linear, weight
from interp.models.scan.precision import promoted
from interp.models.stack.scores import capped

MOST = 80.0
"""Exponent up to which float32 holds an exponential."""


class MLSTMMixer(MatrixMixer):
    """One layer of an mLSTM. Its hook points are in the table of `interp.models.recurrent.mlstm.model`.

    Args:
        config: an `MLSTMConfig`.
    """

    decay_hook = "hook_f"
    no_weight_decay = ("b_i", "b_f")

    def activation(self, gate: Tensor) -> Tensor:
        return torch.sigmoid(gate)

    def __init__(self, config: Any) -> None:
        super().__init__(config, normalizes=True)
        d, heads = config.d_model, config.n_heads
        self.W_i, self.W_f, self.b_i, self.b_f = weight(d, heads), weight(d, heads), weight(heads), weight(heads)
        self.hook_i, self.hook_f = HookPoint(), HookPoint()

    def own_hooks(self) -> tuple[str, ...]:
        return ("hook_i", "hook_f")

    def init_weights(self, generator: torch.Generator) -> None:
        super().init_weights(generator)
        fill_normal(self.b_i, 0.1, generator)
        with torch.no_grad():
            for gate in (self.W_i, self.W_f):
                gate.zero_()  # as the authors have it: gates begin the same for all inputs
            low, high = self.config.forget_range
            self.b_f.copy_(torch.linspace(low, high, len(self.b_f), dtype=torch.float32, device="cpu"))

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return super().state_shapes() | {"m": (self.config.n_heads,)}

    def terms(
        self, x: Residual, q: Keys, k: Keys, v: Values, past: RecurrentState | None
    ) -> tuple[Terms, dict[str, Tensor]]:
        q, k, v = self.hook_q(q), self.hook_k(k * k.shape[3] ** -0.5), self.hook_v(v)
        log_i, logit_f = promoted(linear(x, self.W_i, self.b_i), linear(x, self.W_f, self.b_f))
        cap = self.config.gate_cap
        log_i, f = self.hook_i(capped(log_i, cap)), self.hook_f(capped(logit_f, cap).sigmoid())
        eps = self.config.normalizer_eps
        decay, written, m = _stabilised(log_i, f, None if past is None else past.get("m"), moves=eps > 0)
        held = m.detach()
        least, added = (-held).clamp(max=MOST).exp(), eps * (m - held).exp()
        terms = Terms(q, written[..., None] * k, with_one(v), decay[..., None], least=least, added=added)
        return terms, {"m": m[:, -1].clone()}

    def divisor(self, total: PerHead, terms: Terms) -> PerHead:
        assert terms.least is not None and terms.added is not None
        return torch.maximum(total.abs(), terms.least.to(total.dtype)) + terms.added.to(total.dtype)

    def read_terms(self, values: Mapping[str, Tensor]) -> Terms:
        log_i, f = promoted(values["hook_i"], values["hook_f"])
        decay, written, _ = _stabilised(log_i, f, None)
        q = values["hook_q"] / values["normalizer.hook_scale"][..., None]
        return Terms(q, written[..., None] * values["hook_k"], values["hook_v"], decay[..., None])


def _stabilised(
    log_i: PerHead, f: PerHead, before: Tensor | None, moves: bool = False
) -> tuple[PerHead, PerHead, PerHead]:
    """f'_t (16), i'_t (17) and m_t (15), which scales both and is a constant there: it cancels in what is read.

    It does not cancel in `normalizer_eps`, which is added to what is scaled: e there stands for e exp(m) in the
    unscaled equations. So m itself has its gradient, if asked, and the caller takes e's from it.

    Args:
        log_i, f: the gates.
        before: m before the first position; None for 0, which scales a state of zeros.
        moves: whether the m that is returned has a gradient.
    """
    log_f = f.clamp(min=LEAST).log()
    with nullcontext() if moves else torch.no_grad():
        start = torch.zeros_like(log_i[:, :1]) if before is None else before[:, None].to(log_i.dtype)
        total = log_f.cumsum(dim=1)
        m = total + torch.cat([start, log_i - total], dim=1).cummax(dim=1).values[:, 1:]
    held = m.detach()
    earlier = torch.cat([start.detach(), held[:, :-1]], dim=1)
    return (log_f + earlier - held).exp(), (log_i - held).exp(), m
