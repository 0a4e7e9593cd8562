"""Presets with recurrences: the first four, each searched for by itself, then six at equal state, weights and examples.

The six, and `mamba` beside them, have two layers and, but for the hybrid, 4,096 numbers of matrix-valued state besides
what short convolutions hold; the width is the one that brings the weights nearest to the 67,392 of `mamba` (Mamba-3,
whose state grows with its width, has fewer). Each has its own best learning rate: `docs/presets.md`.
"""

from typing import Any

from interp.tasks.copy import CopyTask
from interp.training.presets.form import Preset
from interp.training.recipe import TrainConfig

HEADS: dict[str, Any] = {"n_heads": 2, "d_key": 32, "d_value": 32}
"""Two heads of 32 x 32 numbers a layer: in two layers, 4,096."""


def mamba() -> Preset:
    """Two layers of 128 channels, each with 16 numbers of state; from the authors' first weights, some seeds fail."""
    model = {"kind": "mamba", "initialization": "mimetic"}
    return model, CopyTask(), _from_short(10, steps=2000, learning_rate=5e-3)


def mamba2() -> Preset:
    """Two layers of eight narrow heads, and twice the state of `mamba`."""
    model = {"kind": "mamba2", "d_state": 32, "d_head": 16, "initialization": "mimetic"}
    return model, CopyTask(), _from_short(12, steps=2000, learning_rate=5e-3)


def lstm() -> Preset:
    """Two layers that add to a normalised stream, as the blocks of the other models do."""
    model = {"kind": "lstm", "d_model": 128, "residual": True, "normalization": "RMS"}
    return model, CopyTask(), _from_short(6, steps=2400, learning_rate=6e-3)


def hybrid() -> Preset:
    """A layer of Mamba, whose convolution of width 6 makes keys of up to five letters, and one of attention to look
    them up.

    On plain strings: trained on hard ones, it copies further, but tells the places apart by more than the match.
    """
    model = {
        "kind": "hybrid",
        "layers": ("mamba", "attention"),
        "mamba": {"d_conv": 6},
        "attention": {"n_heads": 4},
    }
    return model, CopyTask(), TrainConfig(steps=700, length=(5, 30), learning_rate=8e-3)


def gated_deltanet() -> Preset:
    """A state that forgets, and that writes only what it does not hold already."""
    return _equal({"kind": "gated_deltanet", "d_model": 96, **HEADS, "d_conv": 4}, learning_rate=1.2e-2)


def gla() -> Preset:
    """A state each of whose rows forgets at a pace of its own."""
    return _equal({"kind": "gla", "d_model": 90, **HEADS, "d_conv": 4}, learning_rate=1.2e-2)


def rwkv7() -> Preset:
    """A state whose rows forget at their own pace and that erases along a key of its own."""
    return _equal({"kind": "rwkv7", "d_model": 92, **HEADS}, learning_rate=1.2e-2)


def mlstm() -> Preset:
    """A state with an exponential input gate, and a normaliser beside it."""
    return _equal({"kind": "mlstm", "d_model": 96, **HEADS, "d_conv": 4}, learning_rate=6e-3)


def mamba3() -> Preset:
    """Sixteen numbers of state for each of 128 channels of a layer, turned by angles that the letters choose."""
    return _equal({"kind": "mamba3", "d_state": 16}, learning_rate=2.4e-2)


def _equal(model: dict[str, Any], learning_rate: float) -> Preset:
    """As many strings of the same lengths as `mamba` is trained on."""
    return model, CopyTask(), _from_short(10, steps=2000, learning_rate=learning_rate)


def gated_deltanet_hybrid() -> Preset:
    """A layer of Gated DeltaNet, whose convolution is as wide as that of `hybrid`, and one of attention.

    On as many strings as the five above, but of the lengths that attention can learn from.
    """
    model = {
        "kind": "hybrid",
        "d_model": 92,
        "layers": ("gated_deltanet", "attention"),
        "gated_deltanet": {**HEADS, "d_conv": 6},
        "attention": {"n_heads": 4},
    }
    return model, CopyTask(), TrainConfig(steps=2000, length=(5, 30), learning_rate=1.2e-2)


def _from_short(longest: int, steps: int, learning_rate: float) -> TrainConfig:
    """Lengths are mixed from one letter on: a recurrence learns short strings first, long ones alone not at all."""
    return TrainConfig(
        steps=steps,
        length=(1, longest),
        learning_rate=learning_rate,
        evaluate_lengths=(longest,),
        evaluate_every=200,
        checkpoint_every=200,
    )
