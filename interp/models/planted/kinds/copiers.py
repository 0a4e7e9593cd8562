"""Models that copy without looking up, wholly or in part, or do not copy at all."""

from typing import Any

from interp.models.planted.description import Circuit, HeadSpec, Write
from interp.models.planted.kinds.dice import Dice, Windowed, gathered, seeing, surrounded
from interp.models.planted.kinds.plain import letters_for, lookup
from interp.models.planted.looks import AtToken, Back, Count, Match

EXACT: dict[str, Any] = {"position": "learned", "normalization": None, "mlp": "zero"}
"""What a counting head needs: numbers that nothing disturbs."""


def counting(dice: Dice, factor: float = 1.0, letters: tuple[int, int] | None = None) -> list[Windowed]:
    """A head that finds the separator, and one that attends to the letter whose turn it is."""
    marker = HeadSpec(0, 0, AtToken("separator", dice.real(10.0, 30.0)), (Write("index", "start"),))
    return seeing([marker, HeadSpec(1, 0, Count(dice.real(15.0, 30.0)), (Write(factor=factor, letters=letters),))])


def by_distance(dice: Dice) -> Circuit:
    """A head that attends a fixed distance back copies the strings of one length, and no others."""
    position = dice.pick("learned", "rope")
    head = HeadSpec(0, 0, Back(dice.whole(24, 32), dice.real(15.0, 30.0)), (Write(),))
    return surrounded(dice, seeing([head]), position=position)


def by_count(dice: Dice) -> Circuit:
    """A head attends to the letter with the number that the copy has come to, whatever the letters are."""
    return surrounded(dice, counting(dice), **EXACT)


def also_by_count(dice: Dice) -> Circuit:
    """A lookup head and a counting one, which has the louder voice: each is enough alone."""
    n = dice.whole(2, 4)
    heads = gathered(dice, n, "learned") + lookup(dice, n) + counting(dice, 1.5)
    return surrounded(dice, heads, **EXACT, alphabet=letters_for(dice, n))


def half_by_count(dice: Dice) -> Circuit:
    """A lookup head copies some letters of the alphabet, a counting one the others."""
    n = dice.whole(2, 4)
    alphabet = letters_for(dice, n)
    border = round(alphabet * dice.real(0.3, 0.7))
    match = Match(tuple(range(n)), dice.real(12.0, 40.0))
    heads = gathered(dice, n, "learned") + seeing([HeadSpec(1, 0, match, (Write(letters=(0, border)),))])
    heads += counting(dice, letters=(border, alphabet))
    return surrounded(dice, heads, **EXACT, alphabet=alphabet)


def nothing(dice: Dice) -> Circuit:
    """Gather heads that feed no lookup head, random heads and decoys: the model copies nothing."""
    position = dice.pick("learned", "hard-alibi", "nope")
    heads = gathered(dice, dice.whole(1, 3), position)
    return surrounded(dice, heads, position=position, decoys=dice.whole(1, 4), randoms=0.7)


DRAWN = {
    "by-distance": by_distance,
    "by-count": by_count,
    "also-by-count": also_by_count,
    "half-by-count": half_by_count,
    "nothing": nothing,
}
