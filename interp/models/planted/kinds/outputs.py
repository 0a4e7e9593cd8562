"""Heads that find the match and write something else, or where something else reads."""

from interp.models.planted.description import Circuit, HeadSpec, Write
from interp.models.planted.kinds.copiers import EXACT, counting
from interp.models.planted.kinds.dice import Dice, gathered, seeing, surrounded
from interp.models.planted.kinds.plain import letters_for, lookup
from interp.models.planted.looks import Match


def _matching(dice: Dice, n: int, *writes: Write, layer: int = 1) -> HeadSpec:
    return HeadSpec(layer, 0, Match(tuple(range(n)), dice.real(12.0, 40.0)), writes)


def next_letter(dice: Dice) -> Circuit:
    """A perfect pattern, and what is written is the next letter of the alphabet: the model copies nothing."""
    n = dice.whole(1, 4)
    position = dice.pick("learned", "hard-alibi")
    heads = gathered(dice, n, position) + seeing([_matching(dice, n, Write("next"))])
    return surrounded(dice, heads, position=position, alphabet=letters_for(dice, n))


def unread(dice: Dice) -> Circuit:
    """A perfect lookup head that nothing reads, in a model that copies by counting."""
    n = dice.whole(1, 4)
    heads = gathered(dice, n, "learned") + seeing([_matching(dice, n, Write(to="scratch"))]) + counting(dice)
    return surrounded(dice, heads, alphabet=letters_for(dice, n), **EXACT)


def suppressor(dice: Dice) -> Circuit:
    """A lookup head, and beside or behind it one that attends alike and takes a part of the letter away."""
    n, layer = dice.whole(1, 4), dice.whole(1, 2)
    position = dice.pick("learned", "hard-alibi")
    against = _matching(dice, n, Write(factor=-dice.real(0.2, 0.6)), layer=layer)
    heads = gathered(dice, n, position) + lookup(dice, n) + seeing([against])
    return surrounded(dice, heads, position=position, alphabet=letters_for(dice, n))


def suppressor_alone(dice: Dice) -> Circuit:
    """A head that attends to the match and takes its letter away, and nothing that copies."""
    n = dice.whole(1, 4)
    position = dice.pick("learned", "hard-alibi")
    heads = gathered(dice, n, position) + seeing([_matching(dice, n, Write(factor=-dice.real(0.3, 1.0)))])
    return surrounded(dice, heads, position=position, alphabet=letters_for(dice, n))


def relayed(dice: Dice) -> Circuit:
    """An MLP reads what the lookup head writes and carries it to the answer: the head has no direct effect."""
    n = dice.whole(1, 4)
    position = dice.pick("learned", "hard-alibi")
    heads = gathered(dice, n, position) + seeing([_matching(dice, n, Write(to="relay"))])
    return surrounded(dice, heads, position=position, alphabet=letters_for(dice, n), mlps=("zero", "relay"))


DRAWN = {
    "next-letter": next_letter,
    "unread": unread,
    "suppressor": suppressor,
    "suppressor-alone": suppressor_alone,
    "relay": relayed,
}
