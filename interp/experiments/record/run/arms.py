"""The arms: copiers that differ in one thing, trained on equally many strings, with about as many weights.

Except for four: `long32` is the record itself, `backwards32` and `backwards32-marked` are that of writing backwards,
and `published` has eleven times as many weights.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from interp.training.presets.attention import backwards32, long, long32
from interp.training.presets.form import Preset
from interp.training.recipe import TrainConfig

STEPS = 1200
"""Steps of each arm, 76,800 strings: fewer than the preset `long` has, whose model and strings they share."""


def _base() -> Preset:
    model, task, training = long()
    return model, task, replace(training, steps=STEPS)


def _model(**fields: Any) -> Callable[[], Preset]:
    """The same with other fields of its config: heads of layer 0 half as wide where they have queries and keys."""

    def arm() -> Preset:
        model, task, training = _base()
        of_layer_0, of_layer_1 = model["d_head"]
        return model | {"d_head": (of_layer_0 // 2, of_layer_1), "even": False, **fields}, task, training

    return arm


def _training(change: Callable[[TrainConfig], TrainConfig]) -> Callable[[], Preset]:
    def arm() -> Preset:
        model, task, training = _base()
        return model, task, change(training)

    return arm


def _published() -> Preset:
    """The published record's configuration (Vasylenko et al. 2025), with a plain MLP of as many weights for its gated
    one, s log N for its scale of three parameters, 26 letters for 32, and as many strings as the other arms have:
    76,800 for 20 million.
    """
    _, task, training = _base()
    model = {"kind": "transformer", "d_model": 256, "d_vocab": task.vocabulary.size, "n_heads": 16, "d_mlp": 1536}
    model |= {"position": "nape", "pattern": "entmax", "score_scale": "ssmax"}
    return model, task, replace(training, length=(25, 50), phases=())


def _marked() -> Preset:
    """A head of 16 numbers below is all that it takes to tell on which side of the separator a place stands."""
    model, task, training = backwards32()
    heads, width, conv = model["n_heads"], model["d_head"], model["qkv_conv"]
    return model | {"n_layers": 2, "n_heads": (1, heads), "d_head": (16, width), "qkv_conv": (0, conv)}, task, training


def _without_hard_letters(training: TrainConfig) -> TrainConfig:
    return replace(training, phases=tuple(replace(phase, hard_letters=None) for phase in training.phases))


def _of_length(length: int) -> Callable[[TrainConfig], TrainConfig]:
    """Strings of one length alone; there is no first phase of short ones."""
    return lambda training: replace(training, length=length, hard_letters=training.phases[0].hard_letters, phases=())


ARMS: dict[str, tuple[str, Callable[[], Preset]]] = {
    "long32": ("the record: windows of 2 to 9 that look evenly, 32 letters", long32),
    "even-windows": ("windows of 2 to 9 that look evenly", _base),
    "learned-windows": ("the same windows with queries and keys of their own", _model()),
    "nope": ("no positions", _model(windows=None)),
    "alibi": ("ALiBi in every head", _model(position="alibi", windows=None)),
    "rope": ("rotary positions", _model(position="rope", windows=None)),
    "softmax-nape": ("ALiBi in half of the heads", _model(position="nape", windows=None)),
    "log-n-nape": ("the same, scores times log N", _model(position="nape", windows=None, score_scale="log-n")),
    "ssmax-nape": ("the same, scalable softmax", _model(position="nape", windows=None, score_scale="ssmax")),
    "entmax-nape": ("the same, entmax with a learned alpha", _model(position="nape", windows=None, pattern="entmax")),
    "forget": ("a forget gate", _model(position="forget", windows=None)),
    "path": ("PaTH, in narrower heads", _model(position="path", windows=None, d_head=(8, 76))),
    "one-layer": (
        "one layer behind a convolution of width 9",
        _model(n_layers=1, n_heads=2, d_head=130, windows=None, qkv_conv=9),
    ),
    "plain-strings": ("no strings of few letters in training", _training(_without_hard_letters)),
    "strings-of-20": ("strings of 20 letters alone", _training(_of_length(20))),
    "strings-of-32": ("strings of 32 letters alone", _training(_of_length(32))),
    "backwards32": ("the string written backwards, in one layer behind a convolution of width 9", backwards32),
    "backwards32-marked": ("the same, above a layer of one head that can tell the answer from the string", _marked),
    "published": ("the published record's configuration, 2.1 M weights, on fewer strings", _published),
}
"""Name -> what distinguishes it, and its model, task and recipe."""
