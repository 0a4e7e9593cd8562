"""Tiny transformers in double precision, every parameter away from its starting value."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from interp.models.transformer import HookedTransformer, TransformerConfig

SHAPE = {"n_layers": 2, "n_heads": 4, "d_model": 16, "d_vocab": 11, "n_ctx": 40, "windows": (1, 2, 3, None)}


@pytest.fixture(scope="session")
def tiny() -> Callable[..., HookedTransformer]:
    """Makes a model from changes to `SHAPE`; biases and norms are drawn too, so that leaving one out shows."""

    def make(seed: int = 0, **changes: Any) -> HookedTransformer:
        model = HookedTransformer(TransformerConfig(**(SHAPE | changes)), seed=seed).double().eval()
        generator = torch.Generator().manual_seed(seed + 1)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
        return model

    return make


@pytest.fixture(scope="session")
def tokens() -> torch.Tensor:
    """Three strings of twelve tokens."""
    return torch.randint(0, 11, (3, 12), generator=torch.Generator().manual_seed(5))
