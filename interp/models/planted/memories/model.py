"""`CodedMemory`: a language model that is one memory built by hand."""

import torch

from interp.models.planted.memories.description import Memory
from interp.models.planted.memories.mixer import CodedMixer
from interp.models.planted.one_layer import OneLayerMemory
from interp.models.recurrent.mixer import RecurrentBlock


class CodedMemory(OneLayerMemory):
    """A language model of one layer, which is a `Memory`.

    Args:
        config: which one.
        seed: has no effect; what is drawn at random has the config's.
    """

    kind = "coded"
    config: Memory

    def __init__(self, config: Memory, seed: int = 0) -> None:
        super().__init__(config, [RecurrentBlock(CodedMixer(config), torch.nn.Identity(), residual=False)], seed=seed)
