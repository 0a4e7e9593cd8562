"""Plain n-gram lookups that differ in how their letters are gathered and in the positions that they are given."""

from interp.models.planted.description import Circuit, HeadSpec, Write
from interp.models.planted.gathering import by_sloped_windows, by_windows, one_by_one, two_steps
from interp.models.planted.kinds.dice import Dice, Windowed, gathered, seeing, surrounded, windowed
from interp.models.planted.looks import Match
from interp.models.stack.layer_heads import alibi_slopes


def lookup(dice: Dice, n: int, layer: int = 1, gain: float | None = None) -> list[Windowed]:
    """A head that looks the last n letters up and copies."""
    return seeing([HeadSpec(layer, 0, Match(tuple(range(n)), gain or dice.real(12.0, 40.0)), (Write(),))])


def letters_for(dice: Dice, n: int) -> int:
    """An alphabet in which n letters are seldom found twice in a string, unless n is small."""
    return dice.pick(*{1: (20, 26), 2: (10, 16, 26), 3: (6, 8, 13)}.get(n, (5, 8, 10)))


def by_window(dice: Dice) -> Circuit:
    """Theorem 2.3: the letters are differences of window heads; n = 1 to 6."""
    n = dice.whole(1, 6)
    heads = windowed(by_windows(n)) + lookup(dice, n)
    return surrounded(dice, heads, alphabet=letters_for(dice, n))


def by_offset(dice: Dice) -> Circuit:
    """One gather head for each letter back, which attends to it by learned positions; n = 1 to 4."""
    n = dice.whole(1, 4)
    heads = seeing(one_by_one(range(1, n + 1), dice.real(15.0, 40.0))) + lookup(dice, n)
    return surrounded(dice, heads, position="learned", alphabet=letters_for(dice, n))


def deep(dice: Dice) -> Circuit:
    """Keys of 5 to 7 letters, one gather head for each, or windows: each letter counts little."""
    n = dice.whole(5, 7)
    heads = gathered(dice, n, position := dice.pick("learned", "learned", "hard-alibi")) + lookup(dice, n)
    return surrounded(dice, heads, position=position, alphabet=dice.pick(4, 5, 8), decoys=dice.whole(0, 1))


def shared_gather(dice: Dice) -> Circuit:
    """Each letter back is brought by two or three heads, a part of it by each; n = 1 to 4."""
    n, copies = dice.whole(1, 4), dice.whole(2, 3)
    heads = seeing(one_by_one(range(1, n + 1), dice.real(15.0, 40.0), copies=copies)) + lookup(dice, n)
    return surrounded(dice, heads, position="learned", alphabet=letters_for(dice, n), decoys=dice.whole(0, 1))


def gathered_in_two_steps(dice: Dice) -> Circuit:
    """The letters furthest back are carried on from where an earlier layer brought them: three layers; n = 2 to 5."""
    n = dice.whole(2, 5)
    heads = seeing(two_steps(n, dice.real(15.0, 40.0))) + lookup(dice, n, layer=2)
    return surrounded(dice, heads, position="learned", alphabet=letters_for(dice, n))


def rotary(dice: Dice) -> Circuit:
    """RoPE: gather heads attend a fixed distance back by rotation, the lookup uses axes that stay; n = 1 to 4."""
    n = dice.whole(1, 4)
    heads = gathered(dice, n, "rope") + lookup(dice, n)
    return surrounded(dice, heads, position="rope", alphabet=letters_for(dice, n))


def alibi(dice: Dice) -> Circuit:
    """ALiBi: gather heads are sloped windows, whose mixtures are solved for the letters; n = 1 to 4."""
    n = dice.whole(1, 4)
    n_heads = n + 2 + dice.whole(0, 3)
    gather = by_sloped_windows(n, alibi_slopes(n_heads))
    head = HeadSpec(1, n_heads - 1, Match(tuple(range(n)), dice.real(12.0, 40.0)), (Write(),))
    return Circuit(
        (*gather, head),
        2,
        n_heads,
        alphabet=letters_for(dice, n),
        windows=(*range(1, n + 2), *[None] * (n_heads - n - 1)),
        position="alibi",
        normalization=dice.pick(None, "RMS", "LN"),
        seed=dice.whole(0, 10**6),
    )


def busy(dice: Dice) -> Circuit:
    """A lookup among random heads in all free places, decoys, random MLPs and a little noise on every weight."""
    n = dice.whole(2, 4)
    heads = gathered(dice, n, position := dice.pick("learned", "hard-alibi", "rope")) + lookup(dice, n, 2)
    return surrounded(
        dice,
        heads,
        position=position,
        alphabet=letters_for(dice, n),
        normalization=None,
        mlps=("random",) * 3,
        randoms=1.0,
        decoys=2,
        noise=dice.real(0.0005, 0.002),
    )


DRAWN = {
    "windows": by_window,
    "offsets": by_offset,
    "deep": deep,
    "shared-gather": shared_gather,
    "two-steps": gathered_in_two_steps,
    "rotary": rotary,
    "alibi": alibi,
    "busy": busy,
}
