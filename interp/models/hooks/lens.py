"""What TransformerLens's own tools ask of a model, so that they run on ours: `cfg`, weight names, switches, biases."""

from abc import abstractmethod
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformer_lens import TransformerBridgeConfig

from interp.models.hooks.model import HookedModel

ON_DEMAND = {
    "hook_result": "use_attn_result",
    "hook_q_input": "use_split_qkv_input",
    "hook_k_input": "use_split_qkv_input",
    "hook_v_input": "use_split_qkv_input",
    "hook_mlp_in": "use_hook_mlp_in",
    "hook_mixer_input": "use_hook_mlp_in",
}
"""Hook points that are left out when everything is cached, unless the switch of that name is on."""


class LensModel(HookedModel):
    """A hooked model that has `embed.W_E`, blocks that tell their `written_bias`, `ln_final`, `unembed.W_U | b_U`."""

    embed: Any
    unembed: Any
    blocks: Any
    """An `nn.ModuleList`."""
    ln_final: nn.Module

    @property
    @abstractmethod
    def lens_names(self) -> dict[str, Any]:
        """The model's shape under the names of `TransformerBridgeConfig`."""

    @property
    def cfg(self) -> TransformerBridgeConfig:
        """The config in TransformerLens's names; ours is `config`."""
        cfg = self._lens_config
        cfg.device, cfg.dtype = str(self.device), self.dtype
        return cfg

    @cached_property
    def _lens_config(self) -> TransformerBridgeConfig:
        return TransformerBridgeConfig(**self.lens_names)

    @property
    def W_E(self) -> Float[Tensor, "vocab d_model"]:
        return self.embed.W_E

    @property
    def W_U(self) -> Float[Tensor, "d_model vocab"]:
        return self.unembed.W_U

    @property
    def b_U(self) -> Float[Tensor, " vocab"]:
        return self.unembed.b_U

    def on_demand(self, name: str) -> bool:
        last = name.rsplit(".", 1)[-1]
        if last == "hook_mlp_out":
            return self.cfg.attn_only
        return last in ON_DEMAND and not getattr(self.cfg, ON_DEMAND[last])

    def set_use_attn_result(self, use: bool) -> None:
        """Whether `hook_result` is cached when everything is; named, it always fires."""
        self.cfg.use_attn_result = use

    def set_use_split_qkv_input(self, use: bool) -> None:
        """Whether `hook_q_input` and its two siblings are cached when everything is; named, they always fire."""
        self.cfg.use_split_qkv_input = use

    def set_use_hook_mlp_in(self, use: bool) -> None:
        """Whether `hook_mlp_in` and `hook_mixer_input` are cached when everything is; named, they always fire."""
        self.cfg.use_hook_mlp_in = use

    def to_single_token(self, token: int) -> int:
        return token

    def tokens_to_residual_directions(self, tokens: Int[Tensor, "*axes"] | int) -> Float[Tensor, "*axes d_model"]:
        """The direction of the normalised residual stream that raises each token's logit.

        It holds the final norm's learned scale, so that attributions add up to the logits (of a model that caps them,
        to those before the cap), less what its shift and b_U add.
        """
        directions = self.W_U.T[tokens]
        scale = getattr(self.ln_final, "w", None)
        return directions if scale is None else directions * scale

    def accumulated_bias(
        self, layer: int, mlp_input: bool = False, include_mlp_biases: bool = True
    ) -> Float[Tensor, " d_model"]:
        """Sum of the biases that the blocks before `layer` write (and `layer`'s attention, for the MLP's input)."""
        total = torch.zeros_like(self.W_E[0])
        for index, block in enumerate(self.blocks[: layer + mlp_input]):
            total = total + block.written_bias(mlp=include_mlp_biases and index < layer)
        return total
