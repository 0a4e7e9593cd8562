"""The layer of a retentive network: queries and keys turned by position, and one decay for each head."""

from collections.abc import Mapping

import torch
from torch import Tensor

from interp.base.axes import Residual
from interp.models.hooks.point import HookPoint, in_use
from interp.models.recurrent.matrix_state import Keys, MatrixMixer, Terms, Values
from interp.models.recurrent.mixer import RecurrentState
from interp.models.scan.precision import promoted
from interp.models.stack.positions import rotate


class RetNetMixer(MatrixMixer):
    """One layer of retention. Its hook points are in the table of `interp.models.recurrent.retnet.model`.

    Args:
        config: a `RetNetConfig`.
    """

    decay_hook = "hook_gamma"

    def __init__(self, config: object) -> None:
        super().__init__(config)
        self.hook_gamma = HookPoint()

    def own_hooks(self) -> tuple[str, ...]:
        return ("hook_gamma",)

    def terms(
        self,
        x: Residual,  # noqa: ARG002
        q: Keys,
        k: Keys,
        v: Values,
        past: RecurrentState | None,
    ) -> tuple[Terms, dict[str, Tensor]]:
        c, start = self.config, 0 if past is None else past.length
        if c.rotary:
            positions = torch.arange(start, start + q.shape[1], device=q.device)[None]
            q, k = (rotate(part, positions, c.key_width, c.rotary_base) for part in (q, k))
        q, k, v = self.hook_q(q * c.key_width**-0.5), self.hook_k(k), self.hook_v(v)
        (like,) = promoted(q)
        heads = torch.arange(c.n_heads, device=q.device, dtype=like.dtype)
        gamma = (1 - torch.exp2(-5 - heads)).expand(q.shape[:3]).clone()
        if in_use(self.hook_gamma) and torch.is_grad_enabled():
            gamma = gamma.requires_grad_().clone()  # a constant, but a hook may edit it or ask for its gradient
        gamma = self.hook_gamma(gamma)
        return Terms(q, k, v, gamma[..., None]), {}

    def read_terms(self, values: Mapping[str, Tensor]) -> Terms:
        return Terms(values["hook_q"], values["hook_k"], values["hook_v"], values["hook_gamma"][..., None])
