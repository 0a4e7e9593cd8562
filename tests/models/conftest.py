"""Tiny models in double precision, no parameter where it starts: transformers, and each recurrent kind."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from interp.models import build
from interp.models.recurrent.model import RecurrentModel
from interp.models.transformer import HookedTransformer, TransformerConfig

SHAPE = {"n_layers": 2, "n_heads": 4, "d_model": 16, "d_vocab": 11, "n_ctx": 40, "windows": (1, 2, 3, None)}

MAMBA = {"d_state": 3, "dt_min": 0.2, "dt_max": 1.0}  # steps long enough that states are written and forgotten
RECURRENT = {
    "mamba": {"n_layers": 2, **MAMBA},
    "mamba2": {"n_layers": 1, "d_head": 8, **MAMBA},
    "lstm": {"n_layers": 1},
    **{
        kind: {"n_layers": 1, "n_heads": 2, "d_key": 4, "d_value": 6}
        for kind in ("linear_attention", "retnet", "gla", "deltanet", "gated_deltanet", "mlstm")
    },
    "rwkv7": {"n_layers": 1, "n_heads": 2, "d_key": 4, "d_value": 6, "rank": 4},
    "mamba3": {"n_layers": 1, "d_state": 6, "d_head": 8, "n_groups": 2, "dt_min": 0.2, "dt_max": 1.0},
    "s4d": {"n_layers": 1, "d_state": 6, "dt_min": 0.2, "dt_max": 1.0},
    "hybrid": {
        "layers": ("mamba", "attention", "mamba2"),
        "mamba": MAMBA,
        "mamba2": {"d_head": 8, **MAMBA},
        "attention": {"n_heads": 4},
    },
    "rich hybrid": {
        "kind": "hybrid",
        "layers": ("gated_deltanet", "attention", "mamba"),
        "gated_deltanet": {"n_heads": 2, "d_key": 4, "d_value": 6},
        "mamba": MAMBA,
        "attention": {
            **{"n_heads": 4, "n_key_value_heads": 2, "qk_norm": "head", "attention_gate": True},
            **{"position": "rope", "rotary_dim": 2, "norm_after": True, "score_cap": 2.0},
        },
        "d_mlp": (8, 6, 0),
        "activation": "silu",
        "gated_mlp": True,
        **{"n_experts": (3, 0, 0), "n_chosen": 2, "d_shared": 4, "renormalized": True},
    },
    "side by side": {
        "kind": "hybrid",
        "layers": ("mlstm", "attention", "mamba2"),
        "beside": (2,),
        "attention": {"n_heads": 4, "d_latent": 5, "d_shared_key": 2, "d_value": 3},
        "mamba2": {"d_head": 8, "gate_norm": "before", **MAMBA},
        "mlstm": {
            **{"n_heads": 2, "d_key": 4, "d_value": 6, "head_norm_centred": True},
            **{"gate_cap": 2.0, "normalizer_eps": 0.1},
        },
        "d_mlp": (0, 0, 8),
        **{"n_experts": (0, 0, 3), "n_chosen": 2, "d_shared": 4, "router": "sigmoid", "shared_gate": False},
        **{"d_latent": 5, "logit_cap": 4.0},
    },
}
"""Kind -> fields of its config, besides the widths."""


def _shaken(model: Any, seed: int) -> Any:
    """In double precision, every parameter away from where it starts: leaving out a bias or a norm shows."""
    generator = torch.Generator().manual_seed(seed + 1)
    model = model.double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return model


@pytest.fixture(scope="session")
def tiny() -> Callable[..., HookedTransformer]:
    """Makes a transformer from changes to `SHAPE`."""

    def make(seed: int = 0, **changes: Any) -> HookedTransformer:
        return _shaken(HookedTransformer(TransformerConfig(**(SHAPE | changes)), seed=seed), seed)

    return make


@pytest.fixture(scope="session")
def recurrent() -> Callable[..., RecurrentModel]:
    """Makes a model of a kind in `RECURRENT`, from changes to its fields."""

    def make(kind: str, seed: int = 0, **changes: Any) -> RecurrentModel:
        config = {"kind": kind, "d_model": 16, "d_vocab": 11, **RECURRENT[kind], **changes}
        model = build(config, seed=seed)
        assert isinstance(model, RecurrentModel)
        return _shaken(model, seed)

    return make


@pytest.fixture(params=RECURRENT)
def kind(request: pytest.FixtureRequest) -> str:
    """Each recurrent kind in turn."""
    return request.param


@pytest.fixture(scope="session")
def tokens() -> torch.Tensor:
    """Three strings of twelve tokens."""
    return torch.randint(0, 11, (3, 12), generator=torch.Generator().manual_seed(5))
