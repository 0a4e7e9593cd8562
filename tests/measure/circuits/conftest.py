"""Small models of every kind that a circuit is taken apart in, their biases and norms moved off their first values."""

import numpy as np
import pytest
import torch

from interp.models import build

BASE = {"kind": "transformer", "n_layers": 3, "n_heads": 2, "d_model": 12, "d_vocab": 9}
SHAPES = {
    "hard-alibi": BASE,
    "alibi, LN, MLP": BASE | {"position": "alibi", "normalization": "LN", "d_mlp": 8},
    "rope, RMS": BASE | {"position": "rope", "normalization": "RMS", "d_mlp": 8, "rotary_dim": 4},
    "learned, no norm, parallel": BASE | {"position": "learned", "normalization": None, "d_mlp": 8, "parallel": True},
    "ssmax, entmax": BASE | {"position": "nope", "score_scale": "ssmax", "pattern": "entmax"},
    "convolved": BASE | {"qkv_conv": 3, "position": "rope", "normalization": "LN"},
    "even": BASE | {"even": True, "windows": [2, None]},
    "forget": BASE | {"position": "forget", "windows": [3, None], "d_mlp": 8},
    "path": BASE | {"position": "path", "normalization": "RMS"},
    "path, even": BASE | {"position": "path", "even": True, "windows": [2, None]},
    "hybrid": {
        "kind": "hybrid",
        "layers": ["mamba", "attention", "attention"],
        "d_model": 12,
        "d_vocab": 9,
        "attention": {"n_heads": 2, "position": "rope", "d_mlp": 8},
    },
    "hybrid of grouped queries with MLPs": {
        **{"d_model": 12, "d_vocab": 9},
        "kind": "hybrid",
        "layers": ["gated_deltanet", "attention", "attention"],
        "gated_deltanet": {"n_heads": 2},
        "attention": {"n_heads": 2, "n_key_value_heads": 1, "position": "rope"},
        **{"d_mlp": [8, 6, 0], "gated_mlp": True, "activation": "silu"},
    },
}


@pytest.fixture
def made():
    """Makes the model of a name in `SHAPES`."""
    return _made


@pytest.fixture
def letters_without_repeats():
    """Draws strings in which each letter of a key of n counts."""
    return _letters_without_repeats


@pytest.fixture(params=SHAPES)
def model(request):
    return _made(request.param)


def _made(name):
    model = build(SHAPES[name], seed=1)
    with torch.no_grad():  # untrained biases, and a norm's scale and shift, are too plain to tell
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    return model


def _letters_without_repeats(n, alphabet, length, count):
    """Strings in which no n letters come twice, and fewer often do: each letter of the key counts."""
    random, rows = np.random.default_rng(0), []
    while len(rows) < count:
        string, seen = [], set()
        while len(string) < length:
            tail = tuple(string[len(string) - n + 1 :])
            able = [c for c in range(alphabet) if len(string) < n - 1 or (*tail, c) not in seen]
            if not able:
                break
            string.append(int(random.choice(able)))
            seen.add(tuple(string[-n:]) if len(string) >= n else None)
        rows += [string] if len(string) == length else []
    return torch.tensor(rows)
