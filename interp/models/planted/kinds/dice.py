"""Random choices of a seed, and the surroundings that every drawn circuit is put into."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from interp.models.planted.decoys import decoy
from interp.models.planted.description import Circuit, HeadSpec
from interp.models.planted.gathering import by_windows, one_by_one
from interp.models.planted.looks import Anywhere

T = TypeVar("T")
Windowed = tuple[HeadSpec, int | None]
"""A head, and the window of its column; columns are given out later."""
N_CTX = 96
"""Positions that a drawn model learns: strings of up to 46 letters."""


class Dice:
    """Random choices, the same for the same name and seed on every machine."""

    def __init__(self, name: str, seed: int) -> None:
        self._random = random.Random(f"{name}:{seed}")

    def pick(self, *values: T) -> T:
        return self._random.choice(values)

    def whole(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return self._random.randint(low, high)

    def real(self, low: float, high: float) -> float:
        return round(self._random.uniform(low, high), 3)

    def coin(self, chance: float = 0.5) -> bool:
        return self._random.random() < chance

    def some(self, values: Sequence[T], count: int) -> list[T]:
        """Draw that many different ones, in random order."""
        return self._random.sample(values, count)


def seeing(heads: Sequence[HeadSpec], window: int | None = None) -> list[Windowed]:
    """Heads that see everything, or all the same window."""
    return [(head, window) for head in heads]


def windowed(heads: Sequence[HeadSpec]) -> list[Windowed]:
    """The gather heads of `by_windows`: the first has window 1, and so on."""
    return [(head, head.column + 1) for head in heads]


def gathered(dice: Dice, depth: int, position: str, layer: int = 0) -> list[Windowed]:
    """Gather heads for the letters 1, ..., `depth` back, by windows or, where positions allow it, one by one."""
    if position in ("learned", "rope") and dice.coin(0.7):
        return seeing(one_by_one(range(1, depth + 1), dice.real(15.0, 40.0), layer))
    return windowed(by_windows(depth, layer))


def surrounded(dice: Dice, heads: Sequence[Windowed], **options: Any) -> Circuit:
    """A circuit of these heads among idle and random ones and decoys, in more layers, with a norm, turned, shuffled.

    Args:
        dice: of all that is not said.
        heads: what the circuit is; their columns are given out here.
        options: of the `Circuit`; those that are given are not drawn.
    """
    n_layers = 1 + max([head.layer for head, _ in heads], default=0)
    position = options.setdefault("position", dice.pick("hard-alibi", "nope", "learned"))
    options.setdefault("alphabet", dice.pick(8, 10, 13, 16))
    options.setdefault("normalization", dice.pick(None, None, "RMS", "LN", "LNPre"))
    options.setdefault("n_ctx", N_CTX)
    options.setdefault("shuffle", True)
    options.setdefault("turned", dice.coin(0.85))
    options.setdefault("seed", dice.whole(0, 10**6))
    options.setdefault("logit", dice.real(10.0, 30.0))
    decoys = options.pop("decoys", dice.whole(0, 2))
    randoms = options.pop("randoms", dice.pick(0.0, 0.3, 0.7))
    mlp = options.pop("mlp", dice.pick("none", "none", "zero", "random"))
    if "mlps" not in options:
        heads, n_layers = _spread(dice, heads, n_layers)
        options["mlps"] = () if mlp == "none" else (mlp,) * n_layers
    heads = [*heads, *seeing([_decoy(dice, position, n_layers) for _ in range(decoys)])]
    columns: list[int | None] = []
    placed: list[HeadSpec] = []
    for head, window in heads:
        taken = {(other.layer, other.column) for other in placed}
        placed.append(_place(head, window, columns, taken, dice))
    columns += [None] * dice.whole(int(randoms == 1), 2)
    free = [
        (layer, column)
        for layer in range(n_layers)
        for column in range(len(columns))
        if (layer, column) not in {(head.layer, head.column) for head in placed} and dice.coin(randoms)
    ]
    loudness = options.pop("loudness", dice.real(0.02, 0.2))
    placed += [HeadSpec(layer, column, Anywhere(loudness)) for layer, column in free]
    return Circuit(tuple(placed), n_layers, len(columns), windows=tuple(columns), **options)


def _spread(dice: Dice, heads: Sequence[Windowed], n_layers: int) -> tuple[list[Windowed], int]:
    """Move the heads apart: their layers stay in order, with idle layers among them."""
    total = n_layers + dice.pick(0, 0, 1)
    chosen = sorted(dice.some(range(total), n_layers))
    return [(replace(head, layer=chosen[head.layer]), window) for head, window in heads], total


def _decoy(dice: Dice, position: str, n_layers: int) -> HeadSpec:
    names = ["bos", "even"]
    if position == "learned":
        names += ["previous", f"position:{dice.whole(20, 32)}"]
    return decoy(dice.pick(*names), 1, dice.real(10.0, 30.0), dice.whole(0, n_layers - 1), 0)


def _place(
    head: HeadSpec, window: int | None, columns: list[int | None], taken: set[tuple[int, int]], dice: Dice
) -> HeadSpec:
    """The head in a column of its window that is free in its layer, or in a new one."""
    free = [i for i, w in enumerate(columns) if w == window and (head.layer, i) not in taken]
    if free and dice.coin(0.7):
        return replace(head, column=dice.pick(*free))
    columns.append(window)
    return replace(head, column=len(columns) - 1)
