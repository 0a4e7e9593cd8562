"""The layer of gated linear attention: each row of a head's state decays by itself, as the input says."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from interp.base.axes import Residual
from interp.models.hooks.point import HookPoint
from interp.models.recurrent.initial import fill_uniform
from interp.models.recurrent.matrix_state import Keys, MatrixMixer, Terms, Values
from interp.models.recurrent.mixer import RecurrentState
from interp.models.recurrent.parts import linear, weight
from interp.models.scan.precision import promoted


class GLAMixer(MatrixMixer):
    """One layer of gated linear attention. Its hook points are in the table of `interp.models.recurrent.gla.model`.

    Args:
        config: a `GLAConfig`.
    """

    decay_hook = "hook_alpha"
    no_weight_decay = ("b_alpha",)

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        keys = config.n_heads * config.key_width
        self.W_alpha_down, self.W_alpha, self.b_alpha = (
            weight(config.d_model, config.rank),
            weight(config.rank, keys),
            weight(keys),
        )
        self.hook_alpha = HookPoint()

    def own_hooks(self) -> tuple[str, ...]:
        return ("hook_alpha",)

    def init_weights(self, generator: torch.Generator) -> None:
        super().init_weights(generator)
        for matrix in (self.W_alpha_down, self.W_alpha):
            fill_uniform(matrix, len(matrix) ** -0.5, generator)
        with torch.no_grad():
            self.b_alpha.zero_()

    def terms(
        self,
        x: Residual,
        q: Keys,
        k: Keys,
        v: Values,
        past: RecurrentState | None,  # noqa: ARG002
    ) -> tuple[Terms, dict[str, Tensor]]:
        q, k, v = self.hook_q(q * q.shape[3] ** -0.5), self.hook_k(k), self.hook_v(v)
        (logits,) = promoted(linear(linear(x, self.W_alpha_down), self.W_alpha, self.b_alpha))
        alpha = (torch.nn.functional.logsigmoid(logits) / self.config.temperature).exp()
        return Terms(q, k, v, self.hook_alpha(alpha.unflatten(-1, q.shape[2:]))), {}

    def read_terms(self, values: Mapping[str, Tensor]) -> Terms:
        return Terms(values["hook_q"], values["hook_k"], values["hook_v"], values["hook_alpha"])
