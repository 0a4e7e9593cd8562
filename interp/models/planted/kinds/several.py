"""Several lookup heads in one model: that share the work, differ, or stand in for each other."""

from dataclasses import replace

from interp.models.planted.description import Circuit, HeadSpec, Write
from interp.models.planted.kinds.dice import Dice, gathered, seeing, surrounded
from interp.models.planted.kinds.plain import letters_for
from interp.models.planted.looks import Match


def shared(dice: Dice) -> Circuit:
    """Two to four heads attend alike, and each writes a part of the answer: at least a tenth."""
    n, count = dice.whole(1, 4), dice.whole(2, 4)
    parts = [dice.real(0.45, 1.0) for _ in range(count)]
    position = dice.pick("learned", "hard-alibi")
    lookups = [
        HeadSpec(1, 0, Match(tuple(range(n)), dice.real(12.0, 40.0)), (Write(factor=part / sum(parts)),))
        for part in parts
    ]
    heads = gathered(dice, n, position) + seeing(lookups)
    return surrounded(dice, heads, position=position, alphabet=letters_for(dice, n))


def redundant(dice: Dice) -> Circuit:
    """Two lookup heads in different layers, each enough alone."""
    n, position = dice.whole(1, 4), dice.pick("learned", "hard-alibi")
    match = Match(tuple(range(n)), dice.real(12.0, 40.0))
    heads = gathered(dice, n, position) + seeing([HeadSpec(layer, 0, match, (Write(),)) for layer in (1, 2)])
    return surrounded(dice, heads, position=position, alphabet=letters_for(dice, n))


def backup(dice: Dice) -> Circuit:
    """A second lookup head that rests while the first one has answered, and acts when that one is gone."""
    n, position = dice.whole(3, 5), dice.pick("learned", "hard-alibi")
    match = Match(tuple(range(n)), dice.real(15.0, 40.0), rest=n - 0.5)
    first = HeadSpec(1, 0, match, (Write(bos=False),))
    second = HeadSpec(2, 0, replace(match, unless=True), (Write(bos=False),))
    heads = gathered(dice, n, position) + seeing([first, second])
    options = {"mlps": ("zero", "flag", "zero"), "alphabet": letters_for(dice, n)}
    return surrounded(dice, heads, position=position, **options)


def mixed(dice: Dice) -> Circuit:
    """Two lookup heads of different n, whose answers add up."""
    short, more = dice.whole(1, 2), dice.whole(1, 3)
    n, position = short + more, dice.pick("learned", "hard-alibi")
    gain, part = dice.real(12.0, 40.0), dice.real(0.35, 0.5)
    heads = gathered(dice, n, position) + seeing(
        [
            HeadSpec(1, 0, Match(tuple(range(short)), gain), (Write(factor=part),)),
            HeadSpec(1, 0, Match(tuple(range(n)), gain), (Write(factor=1 - part),)),
        ]
    )
    return surrounded(dice, heads, position=position, alphabet=letters_for(dice, short))


def grouped(dice: Dice) -> Circuit:
    """Grouped keys: heads share keys and values and differ in their queries; one matches n letters and copies, one
    matches another number and writes where nothing reads."""
    n, other = dice.some(range(1, 5), 2)
    reach, gain, position = max(n, other), dice.real(12.0, 40.0), dice.pick("learned", "hard-alibi")
    heads = gathered(dice, reach, position) + seeing(
        [
            HeadSpec(1, 0, Match(tuple(range(n)), gain, reach=reach), (Write(),)),
            HeadSpec(1, 0, Match(tuple(range(other)), gain, reach=reach), (Write(to="scratch"),)),
        ]
    )
    return surrounded(dice, heads, position=position, alphabet=letters_for(dice, n))


DRAWN = {"shared": shared, "redundant": redundant, "backup": backup, "mixed": mixed, "grouped": grouped}
