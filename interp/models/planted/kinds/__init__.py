"""Kinds of planted circuits, each drawn at random in its parameters: what a detector of heads is held to.

>>> circuit = draw("skip-gram", seed=3)
>>> model, planting = plant(circuit)
"""

from collections.abc import Callable

from interp.base.errors import unknown
from interp.models.planted.description import Circuit
from interp.models.planted.kinds import copiers, keys, outputs, places, plain, several
from interp.models.planted.kinds.dice import Dice

_DRAWN: dict[str, Callable[[Dice], Circuit]] = {
    **plain.DRAWN,
    **keys.DRAWN,
    **places.DRAWN,
    **outputs.DRAWN,
    **several.DRAWN,
    **copiers.DRAWN,
}
KINDS = tuple(_DRAWN)
"""Names of all kinds."""


def draw(kind: str, seed: int) -> Circuit:
    """Draw the parameters of a circuit of a kind from a seed.

    >>> circuit = interp.models.planted.draw("skip-gram", seed=0)

    Args:
        kind: one of `KINDS`.
        seed: the same one gives the same description on every machine.

    Raises: UserError for a kind that does not exist.
    """
    if kind not in _DRAWN:
        raise unknown("kind of planted circuit", kind, KINDS)
    return _DRAWN[kind](Dice(kind, seed))


def describe(kind: str) -> str:
    """What a kind is, in a sentence."""
    return (_DRAWN[kind].__doc__ or "").strip().replace("\n    ", " ")
