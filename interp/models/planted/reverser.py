"""The planted model that writes a string backwards, with the two layers of the copier: `planted:reverse?n=3`.

The letter before x_j is found by what follows it: the last n written letters are x_j, ..., x_(j+n-1) read backwards. A
causal key cannot hold what follows. So the head looks at the place where those letters *end*, whose last n letters,
mirrored, are those of the query, and carries the letter n back from there: induction backwards.
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
    gathers: tuple[str, ...]
    """Heads that bring the letters back."""
    beginnings: tuple[str, ...]
    """Heads that write the last n letters of the string, which come first: from the separator, 1 to n back."""


@checked_call
def planted_reverser(
    n: int = 3, alphabet: int = 26, *, tau: float = 30.0, dtype: torch.dtype = torch.float32
) -> tuple[HookedTransformer, ReversePlanting]:
    """Build a model by hand that writes `$ x1..xL | xL..x1 .`, of any length, and say what is in it.

    From the n-th written letter on it fails exactly where n letters in a row occur twice in the string, before two
    different letters. The first n come by their distance to the separator: no place behind their match is there yet.

    >>> model, planting = interp.models.planted.planted_reverser(n=2, alphabet=8)
    >>> planting.lookup
    'L1H4'

    Args:
        n: letters that must match, at least 1.
        alphabet: number of letters, 2 to 26.
        tau: score of a matching letter; the head rests at half of one below a full match.
        dtype: float32 or float64.

    Raises: UserError for values that cannot be.
    """
    if not (1 <= n <= 16 and 2 <= alphabet <= 26 and 0 < tau < 1e4):
        raise UserError(
            f"n must be from 1 to 16, alphabet from 2 to 26 and tau above 0 and below 10000; got n={n}, "
            f"alphabet={alphabet} and tau={tau}."
        )
    gathers = by_windows(n)
    marker = HeadSpec(0, n + 1, AtToken("separator", tau), (Write("separator", "second"),))
    look = Match(tuple(range(n)), tau, after=False, rest=n - 0.5, first_copy=True, mirrored=True)
    no_bos = (alphabet, alphabet + 1)  # where a head rests, BOS stands everywhere: what it carries is taken off again
    lookup = HeadSpec(1, n + 2, look, (Write(f"back:{n}"), Write(factor=-1.0, letters=no_bos)))
    beginnings = tuple(
        HeadSpec(
            1,
            n + 3 + behind,
            AtToken("separator", tau, behind),
            (Write(f"back:{behind + 1}"), Write(factor=-1.0, letters=no_bos)),
        )
        for behind in range(n)
    )
    n_heads = 2 * n + 3
    circuit = Circuit(
        heads=(*gathers, marker, lookup, *beginnings),
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
    names = [tuple(f"L{head.layer}H{head.column}" for head in some) for some in (gathers, beginnings)]
    return model, ReversePlanting(n, alphabet, f"L1H{lookup.column}", *names)
