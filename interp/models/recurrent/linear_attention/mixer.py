"""The layer of linear attention: a sum of outer products, and the sum of the keys that its output is divided by."""

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from interp.base.axes import Residual
from interp.models.recurrent.matrix_state import Keys, MatrixMixer, PerHead, Terms, Values, with_one
from interp.models.recurrent.mixer import RecurrentState

EPS = 1e-6
"""Added to what the output is divided by."""


class LinearAttentionMixer(MatrixMixer):
    """One layer of linear attention. Its hook points are in the table beside this file, in `model`.

    Args:
        config: a `LinearAttentionConfig`.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config, normalizes=config.normalizer)

    def terms(
        self,
        x: Residual,  # noqa: ARG002
        q: Keys,
        k: Keys,
        v: Values,
        past: RecurrentState | None,  # noqa: ARG002
    ) -> tuple[Terms, dict[str, Tensor]]:
        q, k = self.hook_q(self._feature(q) * q.shape[3] ** -0.5), self.hook_k(self._feature(k))
        v = self.hook_v(v)
        return Terms(q, k, v if self.normalizer is None else with_one(v), q.new_ones(*q.shape[:3], 1)), {}

    def divisor(self, total: PerHead, terms: Terms) -> PerHead:  # noqa: ARG002
        return total + EPS

    def read_terms(self, values: Mapping[str, Tensor]) -> Terms:
        q = values["hook_q"]
        decay = q.new_ones(*q.shape[:3], 1)
        q = q if self.normalizer is None else q / values["normalizer.hook_scale"][..., None]
        return Terms(q, values["hook_k"], values["hook_v"], decay)

    def _feature(self, x: Keys) -> Keys:
        return {"elu": lambda x: F.elu(x) + 1, "relu": F.relu, "identity": lambda x: x}[self.config.feature](x)
