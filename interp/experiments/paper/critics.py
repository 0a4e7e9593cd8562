"""The critics' models, which two claims share: each changes one thing of a Mamba, at about as many weights.

rates       Okpekpe & Orvieto 2025: state-space models learn to recall in a narrow window of learning rates
width       the same: narrow and deep fails where wide and shallow copies
mimetic     Trockman et al. 2024: first weights that make a layer like linear attention
conv        Arora et al. 2025: the short convolution, not the state, finds what came after a letter
passing     Buitrago Ruiz & Gu 2025: a model that starts from other strings' states learns states of longer strings
decay       the paper's own trainings had weight decay on A_log and D, too, which the authors of Mamba leave out
attention   Li et al. 2025 (CAT): the convolution again, on queries, keys and values of a single layer of attention
"""

from interp.experiments.grid import Arm
from interp.experiments.paper import models

RATES = {**models.RATES, "paper": (1e-5, 1e-4, 3e-4, 1e-3)}
"""Learning rates that the critics' models are tried at, and what they are held against alike."""
DECAY = 0.1
"""Weight decay of the arms that ask for its reach, as in the released code; everywhere else it is 0.01."""
PASSED = 0.5
"""Share of the strings that start from another's state; the others start as evaluations do, from an empty one."""
CONVOLVED = "attention, convolved, one layer"
BASE = ("rope", "hard-alibi")
"""Transformers that the critics' models are held against."""


def variants(size: str, rates: tuple[float, ...]) -> tuple[Arm, ...]:
    """The critics' models, with about as many weights as the others of the size."""
    wide = {"tiny": 16, "laptop": 96, "paper": 1024}[size]
    layers = 24 if size == "paper" else 2
    mamba = {"kind": "mamba", "d_vocab": 30, "d_model": wide, "n_layers": layers}
    mimetic = {**mamba, "initialization": "mimetic"}
    made = {
        "authors' weights": ({**mamba, "initialization": "authors"}, {}),
        "mimetic weights": (mimetic, {}),
        "wide, one layer": ({**mimetic, "d_model": wide * 3 // 2, "n_layers": layers // 2}, {}),
        "narrow, deep": ({**mimetic, "d_model": wide * 2 // 3, "n_layers": layers * 2}, {}),
        "convolution of 1": ({**mimetic, "d_conv": 1}, {}),
        "state passing": (mimetic, {"pass_state": PASSED}),
        "decay without A_log and D": (mimetic, {"weight_decay": DECAY}),
        "decay with A_log and D": (mimetic, {"weight_decay": DECAY, "decay_exempted": True}),
    }
    return tuple(Arm(f"mamba, {name}", model, rates, True, training) for name, (model, training) in made.items())


def convolved(size: str, rates: tuple[float, ...]) -> Arm:
    """One layer of attention without positions, whose queries, keys and values are convolved over four positions."""
    shape = {
        "tiny": {"n_layers": 1, "d_model": 16, "n_heads": 4},
        "laptop": {"n_layers": 1, "d_model": 176, "n_heads": 8},
        "paper": {"n_layers": 1, "d_model": 4096, "n_heads": 16, "d_mlp": 8192, "normalization": "LN"},
    }[size]
    model = {"kind": "transformer", "position": "nope", "d_vocab": 30, "qkv_conv": 4, **shape}
    return Arm(CONVOLVED, model, rates)
