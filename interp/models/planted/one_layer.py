"""What all memories built by hand share: one layer, tokens one-hot before it and logits after it."""

import torch

from interp.models.recurrent.model import RecurrentModel


class OneLayerConfig:
    """Fields that `RecurrentModel` reads, the same for every memory; a memory's config has its alphabet, and more."""

    n_layers = 1
    normalization = None
    norm_eps = 1e-5
    tied = False
    embedding_std = 1.0
    alphabet: int

    @property
    def d_vocab(self) -> int:
        """The letters, then BOS, separator, EOS, pad."""
        return self.alphabet + 4

    @property
    def d_model(self) -> int:
        return self.d_vocab


class OneLayerMemory(RecurrentModel):
    """A language model of one layer, without a residual stream around it."""

    @torch.no_grad()
    def init_weights(self, seed: int) -> None:  # noqa: ARG002
        """The stream holds tokens one-hot before the layer, and logits after it."""
        torch.nn.init.eye_(self.W_E)
        torch.nn.init.eye_(self.unembed.W_U)
        torch.nn.init.zeros_(self.unembed.b_U)
