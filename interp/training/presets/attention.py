"""Presets of attention alone: one for each way to tell places apart, and the long copiers."""

from dataclasses import replace
from typing import Any

from interp.tasks.copy import CopyTask
from interp.tasks.reverse import ReverseCopy
from interp.tasks.vocabulary import Vocabulary
from interp.training.phase import Phase
from interp.training.presets.form import Preset
from interp.training.recipe import TrainConfig


def hard_alibi() -> Preset:
    """Windows of 2 to 6 positions and three unlimited heads in every layer: room for keys of up to five letters."""
    model = {"kind": "transformer", "position": "hard-alibi", "windows": (2, 3, 4, 5, 6, None, None, None)}
    training = TrainConfig(steps=400, length=(20, 30), learning_rate=8e-3, hard_letters=4, hard_from=100)
    return model, CopyTask(), training


def rope() -> Preset:
    """Rotary positions."""
    return _with_position("rope", steps=500, hard_from=200)


def alibi() -> Preset:
    """A bias that falls with distance, slopes 1/2 to 1/256."""
    return _with_position("alibi", steps=500, hard_from=200)


def nope() -> Preset:
    """No positions but what the causal mask betrays; two layers had hardly begun to copy when the others were done."""
    return _with_position("nope", steps=1500, hard_from=900, learning_rate=6e-3, n_layers=3)


def _with_position(position: str, steps: int, hard_from: int, learning_rate: float = 8e-3, n_layers: int = 2) -> Preset:
    """Lengths are mixed from short ones on: strings of one length could be copied by looking a fixed distance back."""
    training = TrainConfig(
        steps=steps, length=(5, 30), learning_rate=learning_rate, hard_letters=4, hard_from=hard_from
    )
    return {"kind": "transformer", "position": position, "n_layers": n_layers}, CopyTask(), training


def long32() -> Preset:
    """Keys of eight letters of 32, looked up by one wide head; windows that look evenly, then a long second phase.

    Short strings first, or the separator is never matched with the beginning; then half of the strings over 2, 3 or 4
    letters, so that the eighth letter back counts, too. Letters gain margin until the end. A head of 224 keeps eight
    letters of 32 (248 numbers, less their means) better apart than several narrow ones do.
    """
    training = _then_hard(steps=4850, then=350, longest=64, learning_rate=5e-3, evaluate_every=1000)
    return _even_windows(9, d_model=240, widths=(28, 224), lookups=1, alphabet=32), CopyTask(alphabet=32), training


def long() -> Preset:
    """Keys of eight letters of the alphabet, looked up by two heads; smaller, else as `long32`."""
    training = _then_hard(steps=3600, then=350, longest=50, learning_rate=4e-3, evaluate_every=1000)
    return _even_windows(9, d_model=160, widths=(20, 96), lookups=2, alphabet=26), CopyTask(), training


def short() -> Preset:
    """Keys of five letters, looked up by two heads: the demo, trained in seconds, in which no head is idle.

    Windows that look evenly have no queries and keys to learn, and short strings first teach the first letter.
    """
    training = _then_hard(steps=300, then=60, longest=30, learning_rate=8e-3, evaluate_every=100)
    model = _even_windows(6, d_model=128, widths=(16, 64), lookups=2, alphabet=26)
    return model, CopyTask(), replace(training, precision="fp32")  # bfloat16 is slow where a processor has none


def backwards32() -> Preset:
    """Strings of 32 letters written backwards, by one layer behind a convolution.

    Four trainings of five give one of its four heads a match of seven letters and the others shorter ones, which write
    the first letters.
    """
    task = ReverseCopy(alphabet=32)
    model = {"kind": "transformer", "d_vocab": task.vocabulary.size, "position": "nope", "d_model": 160}
    model |= {"n_layers": 1, "n_heads": 4, "d_head": 96, "qkv_conv": 9}
    return model, task, _then_hard(steps=1600, then=300, longest=64, learning_rate=4e-3, evaluate_every=1000)


def _even_windows(longest: int, d_model: int, widths: tuple[int, int], lookups: int, alphabet: int) -> dict[str, Any]:
    """Heads that look evenly over the last 2, 3, ... positions, then a layer that looks up: the theory's two layers."""
    windows = tuple(range(2, longest + 1))
    return {
        "kind": "transformer",
        "d_model": d_model,
        "d_vocab": Vocabulary.of_letters(alphabet).size,
        "position": "nope",
        "n_heads": (len(windows), lookups),
        "d_head": widths,
        "windows": (windows, (None,) * lookups),
        "even": (True, False),
    }


def _then_hard(steps: int, then: int, longest: int, learning_rate: float, evaluate_every: int) -> TrainConfig:
    """Short strings, a batch all of one length; then long ones, half of them over few letters."""
    return TrainConfig(
        steps=steps,
        length=(1, 16),
        one_length=True,
        phases=(Phase(then, length=(8, longest), hard_letters=(2, 3, 4)),),
        learning_rate=learning_rate,
        weight_decay=0.0,
        precision="bf16",
        evaluate_every=evaluate_every,
        evaluate_lengths=(longest,),
    )
