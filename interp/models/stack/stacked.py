"""Weights of all attention layers side by side, under TransformerLens's names, and the circuits that they make."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens import FactoredMatrix

from interp.base.errors import UserError


class StackedWeights:
    """Adds `W_Q`, `W_K`, `W_V`, `W_O`, `b_Q`, ..., `QK` and `OV` to a model all of whose layers have like heads.

    They are made anew at each call, from the weights as they are: an edit of what they return edits no weight.
    """

    blocks: Any

    @property
    def W_Q(self) -> Float[Tensor, "layer head d_model d_head"]:
        return self._stacked("W_Q")

    @property
    def W_K(self) -> Float[Tensor, "layer head d_model d_head"]:
        return self._stacked("W_K")

    @property
    def W_V(self) -> Float[Tensor, "layer head d_model d_head"]:
        return self._stacked("W_V")

    @property
    def W_O(self) -> Float[Tensor, "layer head d_head d_model"]:
        return self._stacked("W_O")

    @property
    def b_Q(self) -> Float[Tensor, "layer head d_head"]:
        return self._stacked("b_Q")

    @property
    def b_K(self) -> Float[Tensor, "layer head d_head"]:
        return self._stacked("b_K")

    @property
    def b_V(self) -> Float[Tensor, "layer head d_head"]:
        return self._stacked("b_V")

    @property
    def b_O(self) -> Float[Tensor, "layer d_model"]:
        return self._stacked("b_O")

    @property
    def QK(self) -> FactoredMatrix:
        """Which direction of the query's stream scores with which of the key's, without the norm and the scale:
        `W_Q W_K^T` [layer head d_model d_model], in two factors.

        >>> model = interp.HookedTransformer(interp.TransformerConfig(n_layers=2, n_heads=2, d_model=8), seed=0)
        >>> tuple(model.QK.shape), tuple((model.W_E @ model.OV[1, 0] @ model.W_U).AB.shape)
        ((2, 2, 8, 8), (30, 30))
        """
        return FactoredMatrix(self.W_Q, self.W_K.transpose(-2, -1))

    @property
    def OV(self) -> FactoredMatrix:
        """What a head writes of what it attends to, without the norm: `W_V W_O` [layer head d_model d_model], in two
        factors; see `QK`."""
        return FactoredMatrix(self.W_V, self.W_O)

    def _stacked(self, name: str) -> Tensor:
        """Raises: UserError where layers have other heads than each other."""
        weights = [getattr(block.attn, name) for block in self.blocks]
        shapes = {tuple(weight.shape) for weight in weights}
        if len(shapes) > 1:
            raise UserError(
                f"{name} of all layers must have one shape to be stacked; got {len(shapes)}. Take a layer's: "
                f"model.blocks[0].attn.{name}."
            )
        return torch.stack(weights)
