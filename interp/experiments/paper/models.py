"""The models that the paper compares, at each size: position encodings and recurrences with about as many weights.

| size | what |
|---|---|
| tiny | 16 wide: a look at the machinery |
| laptop | two layers (NoPE three, as two hardly begin to copy), 131 to 142 thousand weights each |
| paper | as released: 12 layers of 1024 with 16 heads and an MLP of 4096 in parallel; 24 layers of Mamba, 4 of LSTM |
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from interp.base.errors import UserError
from interp.experiments.grid import Arm

TRANSFORMERS = ("hard-alibi", "alibi", "rope", "nope")
RECURRENCES = ("mamba", "mamba2", "lstm")
"""Families that the paper's comparison trains; further ones join it by their names (`further`)."""
PARAMETERS = {
    "rope": 151_218_176,
    "nope": 151_218_176,
    "alibi": 151_218_176,
    "hard-alibi": 151_218_176,
    "mamba": 162_430_976,
    "lstm": 33_632_286,
}
"""Parameters of the released code, with its vocabulary of 30; our transformers also have a bias of the unembedding."""
UNEMBEDDING_BIAS = 30
RATES = {"tiny": (8e-3,), "laptop": (5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2), "paper": (1e-5, 1e-4, 3e-4)}
"""Learning rates that every kind of model is tried at, alike: at the paper's size in every claim."""
CHOSEN = {
    "hard-alibi": 1e-3,
    "alibi": 1e-3,
    "rope": 2e-3,
    "nope": 2e-3,
    "mamba": 2e-3,
    "mamba2": 1e-2,
    "lstm": 1e-2,
    "attention, convolved, one layer": 1e-3,
}
"""What the trials of the laptop's size chose among them (`rates`) where the rate falls to the training's end."""
AVERAGED = {
    "hard-alibi": 2e-3,
    "alibi": 2e-3,
    "rope": 5e-3,
    "nope": 2e-3,
    "mamba": 5e-3,
    "mamba2": 1e-2,
    "lstm": 1e-2,
    "mamba, authors' weights": 2e-3,
    "mamba, mimetic weights": 5e-3,
    "mamba, wide, one layer": 2e-3,
    "mamba, narrow, deep": 1e-2,
    "mamba, convolution of 1": 1e-3,
    "mamba, state passing": 5e-3,
    "mamba, decay without A_log and D": 5e-3,
    "mamba, decay with A_log and D": 5e-3,
    "attention, convolved, one layer": 5e-3,
}
"""The same where it stays, and the running average of the weights is asked (`samples.recipe`)."""
FURTHER_RATES = {**RATES, "laptop": (1e-3, 3e-3, 1e-2)}
"""Learning rates of further families, which have had no trials: each training is made at each, the best is kept."""
WEIGHTS = 139_488
"""Parameters that a further family has about as many of at the laptop's size: Mamba's there."""
WIDTHS = range(32, 257, 8)
"""Widths that are tried for that."""


def arms(size: str, names: tuple[str, ...] | None = None, rates: tuple[float, ...] | None = None) -> tuple[Arm, ...]:
    """Every kind of model at a size, in the order of the figures; or those with these names, or at these rates."""
    made = tuple(_transformer(name, size) for name in TRANSFORMERS)
    made += tuple(_recurrent(kind, size) for kind in RECURRENCES)
    made = tuple(replace(arm, rates=rates or rates_of(arm.name, size)) for arm in made)
    return made if names is None else tuple(arm for arm in made if arm.name in names)


def further(families: Sequence[str], size: str) -> tuple[Arm, ...]:
    """Recurrent families that the paper did not have, by their kinds; those that it had are left out.

    At the laptop's size they have two layers and the width that brings them nearest to Mamba's weights.

    Raises: UserError for an unknown family.
    """
    from interp.models.recurrent.family import family

    made = []
    for kind in dict.fromkeys(families):
        if family(kind).kind in RECURRENCES:
            continue
        arm = _recurrent(kind, size)
        width = {"d_model": _width(kind)} if size == "laptop" else {}
        made.append(replace(arm, model={**arm.model, **width}, rates=FURTHER_RATES[size]))
    return tuple(made)


def _width(kind: str) -> int:
    """The width at which a model of two layers comes nearest to the weights that it should have."""
    import torch

    from interp.models import build

    weights: dict[int, int] = {}
    for width in WIDTHS:
        with suppress(UserError), torch.device("meta"):  # widths that its heads do not divide
            model = build({"kind": kind, "d_vocab": 30, "n_layers": 2, "d_model": width})
            weights[width] = sum(weight.numel() for weight in model.parameters())
    return min(weights, key=lambda width: abs(weights[width] - WEIGHTS))


def rates_of(name: str, size: str) -> tuple[float, ...]:
    """The learning rates of one of the paper's kinds of model."""
    return (CHOSEN[name],) if size == "laptop" else RATES[size]


def averaged_rates(name: str, size: str) -> tuple[float, ...]:
    """The learning rates of a kind of model, one of the critics' among them, where the weights are averaged."""
    return (AVERAGED[name],) if size == "laptop" else RATES[size]


def _transformer(name: str, size: str) -> Arm:
    model: dict[str, Any] = {"kind": "transformer", "position": name, "d_vocab": 30}
    if size == "paper":
        shape = {"n_layers": 12, "n_heads": 16, "d_model": 1024, "d_mlp": 4096, "normalization": "LN", "parallel": True}
        model |= shape | {"n_ctx": 4096}
        if name == "rope":
            model |= {"rotary_dim": 16}
        if name == "hard-alibi":
            model |= {"windows": (*range(1, 9), *[None] * 8)}
        return Arm(name, model)
    if size == "tiny":
        return Arm(name, model | {"d_model": 16, "n_heads": 4})
    return Arm(name, model | ({"n_layers": 3, "d_model": 104} if name == "nope" else {}))


def _recurrent(kind: str, size: str) -> Arm:
    """A family that this file has no shape for has its own defaults, but the depth and width of the paper."""
    model: dict[str, Any] = {"kind": kind, "d_vocab": 30}
    if size == "paper":
        shapes: dict[str, dict[str, Any]] = {
            "mamba": {"n_layers": 24, "d_model": 1024, "d_state": 32, "normalization": "LN"},
            "mamba2": {"n_layers": 24, "d_model": 1024},
            "lstm": {"n_layers": 4, "d_model": 1024},
        }
        return Arm(kind, model | shapes.get(kind, {"n_layers": 24, "d_model": 1024}), recurrent=True)
    if size == "tiny":
        return Arm(kind, model | {"d_model": 16}, recurrent=True)
    shapes = {
        "mamba": {"d_model": 96, "initialization": "mimetic"},
        "mamba2": {"d_model": 96, "d_state": 32, "d_head": 16, "initialization": "mimetic"},
        "lstm": {"d_model": 92, "residual": True, "normalization": "RMS"},
    }
    return Arm(kind, model | shapes.get(kind, {}), recurrent=True)
