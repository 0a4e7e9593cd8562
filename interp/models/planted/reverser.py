"""The planted model that writes a string backwards, with the two layers of the copier: `planted:reverse?n=3`.

The letter before x_j is found by what follows it: the last n written letters are x_j, ..., x_(j+n-1) read backwards. A
causal key cannot hold what follows. So the head looks at the place where those letters *end*, whose last n letters,
mirrored, are those of the query, and carries the letter n back from there: induction backwards.

The first letters come by their distance to the separator; or, `across` it, by lookups, too. String and answer mirror
each other about the separator, so the place n behind the letter due may stand in the answer, its match reaching across.
It must stand before the query, though: with k letters written, n may be at most 2 k + 1. Heads of n, n / 2, n / 4, ...
letters, rounded down to 1, serve every letter between them: floor(log2 n) + 1 heads in place of n + 1.
"""

from dataclasses import dataclass

import torch

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.models.planted.compiler import compiled
from interp.models.planted.description import Circuit, HeadSpec, Write
from interp.models.planted.gathering import by_windows
from interp.models.planted.looks import AtToken, Match
from interp.models.transformer import HookedTransformer

SOFTER = 0.4
"""What a head of half as many letters writes, by what the longer one does: all of them together write less."""


@dataclass(frozen=True)
class ReversePlanting:
    """What was planted in a model that writes backwards.

    >>> _, planting = interp.models.planted.planted_reverser(n=1, alphabet=5)
    >>> planting.gathers, planting.lookup, planting.beginnings
    (('L0H0', 'L0H1'), 'L1H3', ('L1H4',))
    """

    n: int
    """Letters that are matched, mirrored."""
    alphabet: int
    lookup: str
    """The head that looks up: it matches n letters, and looks n places behind the letter that it writes."""
    shorter: tuple[str, ...]
    """Heads that match half as many letters, a quarter, ...: `across` the separator they write the first letters."""
    gathers: tuple[str, ...]
    """Heads that bring the letters back."""
    beginnings: tuple[str, ...]
    """Heads that write the last n letters of the string, which come first: from the separator, 1 to n back; not
    `across` it."""


@checked_call
def planted_reverser(
    n: int = 3, alphabet: int = 26, *, across: bool = False, tau: float = 30.0, dtype: torch.dtype = torch.float32
) -> tuple[HookedTransformer, ReversePlanting]:
    """Build a model by hand that writes `$ x1..xL | xL..x1 .`, of any length, and say what is in it.

    From the n-th written letter on it guesses exactly where n letters in a row occur twice in the string, before two
    different letters; the first n come by their distance to the separator. Across it, that is so from the letter
    (n + 1) / 2 on, by matches that reach across, and it guesses also where the n letters occur mirrored in the answer,
    as they do where they read the same backwards.

    >>> model, planting = interp.models.planted.planted_reverser(n=2, alphabet=8)
    >>> planting.lookup
    'L1H4'

    Args:
        n: letters that must match, at least 1.
        alphabet: number of letters, 2 to 26.
        across: whether the first letters are looked up, too, by heads of n / 2, n / 4, ... letters.
        tau: score of a matching letter; the head rests at half of one below a full match.
        dtype: float32 or float64.

    Raises: UserError for values that cannot be.
    """
    if not (1 <= n <= 16 and 2 <= alphabet <= 26 and 0 < tau < 1e4):
        raise UserError(
            f"n must be from 1 to 16, alphabet from 2 to 26 and tau above 0 and below 10000; got n={n}, "
            f"alphabet={alphabet} and tau={tau}."
        )
    if across and n == 1:
        raise UserError(
            "n must be at least 2 across the separator, as a letter alone reads the same backwards; got 1. Raise it, "
            "or leave across out."
        )
    gathers = by_windows(n)
    marker = HeadSpec(0, n + 1, AtToken("separator", tau), (Write("separator", "second"),))
    lookups, beginnings = _lookups(n, alphabet, tau, across), () if across else _beginnings(n, alphabet, tau)
    n_heads = n + 2 + len(lookups) + len(beginnings)
    circuit = Circuit(
        heads=(*gathers, *([] if across else [marker]), *lookups, *beginnings),
        n_layers=2,
        n_heads=n_heads,
        alphabet=alphabet,
        windows=(*range(1, n + 2), *[None] * (n_heads - n - 1)),
        turned=False,
    )
    model, _, _ = compiled(circuit, dtype)
    with torch.no_grad():  # the end is written where the letter before the first would stand: BOS
        answer = model.W_U[(n + 1) * (alphabet + 4) :]
        answer[alphabet, alphabet + 2], answer[alphabet + 1, alphabet + 2] = circuit.logit, 0.0
    found = [tuple(f"L{head.layer}H{head.column}" for head in some) for some in (gathers, lookups, beginnings)]
    gathering, (lookup, *shorter), first = found
    return model, ReversePlanting(n, alphabet, lookup, tuple(shorter), gathering, first)


def _lookups(n: int, alphabet: int, tau: float, across: bool) -> tuple[HeadSpec, ...]:
    """The head of n letters and, across the separator, those of half as many, each of which speaks less loudly than the
    one before: it may be led astray by what that one is not."""
    lengths = [n]
    while across and lengths[-1] > 1:
        lengths.append(lengths[-1] // 2)
    return tuple(
        HeadSpec(
            1,
            n + 2 + shorter,
            Match(tuple(range(m)), tau, after=False, rest=m - 0.5, first_copy=not across, mirrored=True),
            _writes(m, alphabet, SOFTER**shorter),
        )
        for shorter, m in enumerate(lengths)
    )


def _beginnings(n: int, alphabet: int, tau: float) -> tuple[HeadSpec, ...]:
    """Heads that write the first n letters, by their distance to the separator."""
    return tuple(
        HeadSpec(1, n + 3 + behind, AtToken("separator", tau, behind), _writes(behind + 1, alphabet, 1.0))
        for behind in range(n)
    )


def _writes(back: int, alphabet: int, loud: float) -> tuple[Write, ...]:
    """The letter so far back. Where a head rests, BOS stands everywhere: what it carries is taken off again."""
    return Write(f"back:{back}", factor=loud), Write(factor=-loud, letters=(alphabet, alphabet + 1))
