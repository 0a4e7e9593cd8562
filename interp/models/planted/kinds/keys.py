"""Lookups that ask for other things than the last n letters in order, or weigh them otherwise."""

import math
from dataclasses import replace

from interp.models.planted.compiler import plant
from interp.models.planted.description import Circuit, HeadSpec, Write
from interp.models.planted.kinds.dice import Dice, gathered, seeing, surrounded
from interp.models.planted.kinds.plain import letters_for
from interp.models.planted.looks import Match


def _with(dice: Dice, match: Match, position: str | None = None, **options: object) -> Circuit:
    """A lookup with this match and the gather heads that it needs."""
    position = position or dice.pick("learned", "hard-alibi")
    heads = gathered(dice, match.depth, position) + seeing([HeadSpec(1, 0, match, (Write(),))])
    return surrounded(dice, heads, position=position, **options)


def skip_gram(dice: Dice) -> Circuit:
    """A skip-gram: the letters that must agree are not the last ones in a row."""
    offsets = dice.pick((0, 2), (0, 3), (0, 1, 3), (0, 2, 3), (1, 2), (0, 2, 4), (0, 4), (1, 3))
    return _with(dice, Match(offsets, dice.real(12.0, 40.0)), alphabet=dice.pick(16, 20, 26))


def bag(dice: Dice) -> Circuit:
    """The order of the letters does not count: both places are compared as bags of the last two or three letters."""
    n = dice.whole(2, 3)
    return _with(dice, Match(tuple(range(n)), dice.real(12.0, 30.0), ordered=False), alphabet=dice.pick(20, 26))


def uneven_weights(dice: Dice) -> Circuit:
    """The letters further back count less, the last one down to a fifth of the first."""
    n = dice.whole(2, 5)
    least = dice.real(0.2, 0.6)
    weights = tuple(round(1 - (1 - least) * t / (n - 1), 3) for t in range(n))
    return _with(dice, Match(tuple(range(n)), dice.real(20.0, 40.0), weights), alphabet=letters_for(dice, n))


def soft(dice: Dice) -> Circuit:
    """A matching letter adds 2 to 5 nats: the attention to the source is far from 1."""
    n = dice.whole(2, 4)
    return _with(dice, Match(tuple(range(n)), dice.real(2.0, 5.0)), alphabet=letters_for(dice, n))


def prefers_first(dice: Dice) -> Circuit:
    """Prefers the earlier of two equal matches, by 3 % to 170 % for each position between them."""
    return _tilted(dice, -1)


def prefers_last(dice: Dice) -> Circuit:
    """Prefers the later of two equal matches, by 3 % to 170 % for each position between them."""
    return _tilted(dice, 1)


def _tilted(dice: Dice, sign: int) -> Circuit:
    n, tilt = dice.whole(2, 4), round(math.exp(dice.real(math.log(0.03), 0.0)), 3)
    gain = max(dice.real(15.0, 30.0), round(100 * tilt, 3))
    match = Match(tuple(range(n)), gain, tilt=sign * tilt)
    return _with(dice, match, "learned", alphabet=letters_for(dice, n))


def uneven_norm(dice: Dice) -> Circuit:
    """A norm by which equal matches differ in their scores by about a hundredth."""
    n, wanted = dice.whole(2, 5), dice.real(0.004, 0.015)
    options = {"normalization": dice.pick("RMS", "LN", "LNPre"), "randoms": 1.0}
    circuit = _with(dice, Match(tuple(range(n)), dice.real(15.0, 30.0)), alphabet=letters_for(dice, n), **options)
    _, planting = plant(circuit)  # what random heads write makes the norm uneven, by the square of the ballast less
    return replace(circuit, ballast=round(circuit.ballast * (planting.norm_spread / wanted) ** 0.5, 3))


DRAWN = {
    "skip-gram": skip_gram,
    "bag": bag,
    "uneven-weights": uneven_weights,
    "soft": soft,
    "prefers-first": prefers_first,
    "prefers-last": prefers_last,
    "uneven-norm": uneven_norm,
}
