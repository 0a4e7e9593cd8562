"""Lookups whose attention rests elsewhere, or takes two heads to find its place."""

import math

from interp.models.planted.description import Circuit, HeadSpec, Write
from interp.models.planted.kinds.dice import Dice, gathered, seeing, surrounded
from interp.models.planted.kinds.plain import letters_for
from interp.models.planted.looks import AtToken, Found, Match


def sink(dice: Dice) -> Circuit:
    """Nearly all attention rests on BOS, whose value is zero; 4 to 20 % go to the source, and carry the whole copy."""
    n, gain, share = dice.whole(1, 4), dice.real(12.0, 30.0), dice.real(0.04, 0.2)
    match = Match(tuple(range(n)), gain, rest=n + math.log((1 - share) / share) / gain)
    position = dice.pick("learned", "hard-alibi")
    heads = gathered(dice, n, position) + seeing([HeadSpec(1, 0, match, (Write(bos=False),))])
    return surrounded(dice, heads, position=position, alphabet=letters_for(dice, n))


def threshold(dice: Dice) -> Circuit:
    """The head rests on BOS, whose value is zero, unless all n letters agree."""
    n = dice.whole(1, 4)
    match = Match(tuple(range(n)), dice.real(15.0, 40.0), rest=n - 0.5)
    position = dice.pick("learned", "hard-alibi")
    heads = gathered(dice, n, position) + seeing([HeadSpec(1, 0, match, (Write(bos=False),))])
    return surrounded(dice, heads, position=position, alphabet=letters_for(dice, n))


def two_heads(dice: Dice) -> Circuit:
    """One head finds the match and writes where it is; a second one, a layer later, goes to the place after it."""
    n = dice.whole(1, 3)
    marker = HeadSpec(0, 0, AtToken("separator", dice.real(10.0, 30.0)), (Write("separator", "second"),))
    match = Match(tuple(range(n)), dice.real(12.0, 40.0), after=False, first_copy=True)
    finder = HeadSpec(1, 0, match, (Write("position", "found"),))
    goer = HeadSpec(2, 0, Found(1, dice.real(10.0, 30.0)), (Write(),))
    heads = (gathered(dice, n - 1, "learned") if n > 1 else []) + seeing([marker, finder, goer])
    return surrounded(dice, heads, position="learned", alphabet=letters_for(dice, n))


DRAWN = {"sink": sink, "threshold": threshold, "two-heads": two_heads}
