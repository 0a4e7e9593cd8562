"""The layer of DeltaNet: what stands along a key is replaced by its new value."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from interp.base.axes import Residual
from interp.models.hooks.point import HookPoint
from interp.models.recurrent.initial import fill_uniform
from interp.models.recurrent.matrix_state import Keys, MatrixMixer, PerHead, Terms, Values, unit
from interp.models.recurrent.mixer import RecurrentState
from interp.models.recurrent.parts import linear, weight


class DeltaNetMixer(MatrixMixer):
    """One layer of DeltaNet. Its hook points are in the table of `interp.models.recurrent.deltanet.model`.

    Args:
        config: a `DeltaNetConfig`.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.W_beta = weight(config.d_model, config.n_heads)
        self.hook_beta, self.hook_erase = HookPoint(), HookPoint()

    def own_hooks(self) -> tuple[str, ...]:
        return ("hook_beta", "hook_erase")

    def init_weights(self, generator: torch.Generator) -> None:
        super().init_weights(generator)
        fill_uniform(self.W_beta, len(self.W_beta) ** -0.5, generator)

    def terms(
        self,
        x: Residual,
        q: Keys,
        k: Keys,
        v: Values,
        past: RecurrentState | None,  # noqa: ARG002
    ) -> tuple[Terms, dict[str, Tensor]]:
        q, k, v = self.hook_q(unit(q) * q.shape[3] ** -0.5), self.hook_k(unit(k)), self.hook_v(v)
        most = 2.0 if self.config.negative_eigenvalues else 1.0
        beta = self.hook_beta(most * linear(x, self.W_beta).sigmoid())[..., None]
        return self._joined(q, k, beta * v, self.hook_erase(beta * k), k, self.kept(x, q)), {}

    def kept(self, x: Residual, q: Keys) -> PerHead | Keys | None:  # noqa: ARG002
        """The share of a head's state, or of each row, that is kept before anything is erased; None for all of it."""
        return None

    def _joined(self, q: Keys, k: Keys, v: Values, erase: Keys, probe: Keys, kept: PerHead | Keys | None) -> Terms:
        """The recurrence: what decays is erased after it decayed."""
        if kept is None:
            return Terms(q, k, v, q.new_ones(*q.shape[:3], 1), erase, probe)
        if kept.ndim == 4:
            return Terms(q, k, v, kept, erase, kept * probe)
        return Terms(q, k, v, kept[..., None], kept[..., None] * erase, probe)

    def read_terms(self, values: Mapping[str, Tensor]) -> Terms:
        q, k, v = (values[f"hook_{name}"] for name in "qkv")
        write = values["hook_beta"][..., None] * k
        return self._joined(q, write, v, values["hook_erase"], k, values.get("hook_alpha"))
