"""`CodedMemory`: a language model that is one memory built by hand."""

import torch

from interp.models.planted.memories.description import Memory
from interp.models.planted.memories.mixer import CodedMixer
from interp.models.recurrent.mixer import RecurrentBlock
from interp.models.recurrent.model import RecurrentModel


class CodedMemory(RecurrentModel):
    """A language model of one layer, which is a `Memory`.

    Args:
        config: which one.
        seed: has no effect; what is drawn at random has the config's.
    """

    kind = "coded"
    config: Memory

    def __init__(self, config: Memory, seed: int = 0) -> None:
        super().__init__(config, [RecurrentBlock(CodedMixer(config), torch.nn.Identity(), residual=False)], seed=seed)

    @torch.no_grad()
    def init_weights(self, seed: int) -> None:  # noqa: ARG002
        """The stream holds tokens one-hot before the layer, and logits after it."""
        torch.nn.init.eye_(self.W_E)
        torch.nn.init.eye_(self.unembed.W_U)
        torch.nn.init.zeros_(self.unembed.b_U)
