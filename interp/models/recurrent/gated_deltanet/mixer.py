"""The layer of gated DeltaNet: that of DeltaNet, whose state also fades as a whole."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from interp.base.axes import Residual
from interp.models.hooks.point import HookPoint
from interp.models.recurrent.deltanet.mixer import DeltaNetMixer
from interp.models.recurrent.initial import fill_uniform, step_size_bias, uniform
from interp.models.recurrent.matrix_state import Keys, PerHead
from interp.models.recurrent.parts import linear, weight
from interp.models.scan.precision import promoted


class GatedDeltaNetMixer(DeltaNetMixer):
    """One layer of gated DeltaNet. Its hook points are in the table of `interp.models.recurrent.gated_deltanet.model`.

    Args:
        config: a `GatedDeltaNetConfig`.
    """

    decay_hook = "hook_alpha"
    no_weight_decay = ("A_log", "b_alpha")

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        gates = config.n_heads * (config.key_width if config.decay_per_row else 1)
        self.W_alpha, self.b_alpha = weight(config.d_model, gates), weight(gates)
        self.A_log = weight(config.n_heads)
        self.hook_alpha = HookPoint()

    def own_hooks(self) -> tuple[str, ...]:
        return (*super().own_hooks(), "hook_alpha")

    def init_weights(self, generator: torch.Generator) -> None:
        super().init_weights(generator)
        c = self.config
        fill_uniform(self.W_alpha, len(self.W_alpha) ** -0.5, generator)
        with torch.no_grad():
            self.b_alpha.copy_(step_size_bias(len(self.b_alpha), c, generator))
            self.A_log.copy_(uniform(c.n_heads, c.A_range[0], c.A_range[1], generator).log())

    def activation(self, gate: Tensor) -> Tensor:
        return gate.sigmoid() if self.config.gate_activation == "sigmoid" else super().activation(gate)

    def kept(self, x: Residual, q: Keys) -> PerHead | Keys:  # noqa: ARG002
        step, A_log = promoted(linear(x, self.W_alpha, self.b_alpha), self.A_log)
        if self.config.decay_per_row:
            step, A_log = step.unflatten(-1, (self.config.n_heads, -1)), A_log[:, None]
        return self.hook_alpha((-A_log.exp() * F.softplus(step)).exp())
