"""Heads that look like lookup heads on an ordinary copy, or like nothing much, and look nothing up.

position:D      attends D positions back: perfect on the copy of D letters, and on nothing else
previous        attends to the previous token: position:1
matched-token   attends to the earlier token whose last n letters match, not to the one that follows it
bos             attends to BOS
even            attends evenly to everything that it sees

Each carries the attended token to the slot that nothing reads.
"""

from interp.base.errors import UserError, shortened, unknown
from interp.models.planted.description import HeadSpec, Write
from interp.models.planted.looks import AtToken, Back, Even, Look, Match

DECOYS = ("position:D", "previous", "matched-token", "bos", "even")


def needs_position(name: str) -> bool:
    """Whether this decoy takes learned positions."""
    return name.partition(":")[0] in ("position", "previous", "matched-token")


def decoy(name: str, n: int, tau: float, layer: int, column: int) -> HeadSpec:
    """The decoy of this name.

    Args:
        name: one of `DECOYS`, the first with its distance.
        n: letters that a matched token must agree in.
        tau: nats of a matching letter.
        layer, column: where it stands.

    Raises: UserError for an unknown name, or a distance that is not a number of at least 1.
    """
    return HeadSpec(layer, column, _look(name, n, tau), (Write(to="scratch"),), decoy=name)


def _look(name: str, n: int, tau: float) -> Look:
    kind, _, distance = name.partition(":")
    if kind == "position":
        if not (distance.isdecimal() and len(distance) < 8 and int(distance) > 0):
            raise UserError(f"a position decoy must name its distance, as in position:30; got {shortened(name)!r}.")
        return Back(int(distance), tau)
    looks: dict[str, Look] = {
        "previous": Back(1, tau),
        "matched-token": Match(tuple(range(n)), tau, after=False),
        "bos": AtToken("bos", tau),
        "even": Even(),
    }
    if name not in looks:
        raise unknown("decoy", name, DECOYS)
    return looks[name]
