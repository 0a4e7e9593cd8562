"""Heads that look like lookup heads on an ordinary copy, or like nothing much, and look nothing up.

position:D      attends D positions back: perfect on the copy of D letters, and on nothing else
previous        attends to the previous token: position:1
matched-token   attends to the earlier token whose last n letters match, not to the one that follows it
bos             attends to BOS
even            attends evenly to everything that it sees

Each carries the attended token to the slot that nothing reads.
"""

import torch

from interp.base.errors import UserError, shortened, unknown
from interp.models.planted.circuits import Circuit, carry, even, match, zeros
from interp.models.planted.stream import Stream

DECOYS = ("position:D", "previous", "matched-token", "bos", "even")


def needs_position(name: str) -> bool:
    """Whether this decoy takes learned positions."""
    return name.partition(":")[0] in ("position", "previous", "matched-token")


def decoy(name: str, stream: Stream, tau: float) -> Circuit:
    """The decoy of this name, at the inverse temperature tau.

    Raises: UserError for a name that is none, or a distance that is no number from 1 on.
    """
    kind, _, distance = name.partition(":")
    if kind == "position":
        if not (distance.isdecimal() and len(distance) < 8 and int(distance) > 0):
            raise UserError(
                f"a position decoy is written with its distance, e.g. position:30; {shortened(name)!r} came."
            )
        return _fixed_distance(stream, tau, int(distance))
    if name == "previous":
        return _fixed_distance(stream, tau, 1)
    if name == "matched-token":
        return _matched_token(stream, tau)
    if name == "bos":
        return _bos(stream, tau)
    if name == "even":
        return even(stream, {stream.scratch: 1.0})
    raise unknown("decoy", name, DECOYS)


def _fixed_distance(stream: Stream, tau: float, distance: int) -> Circuit:
    """The query's code is turned back by `distance`, then compared."""
    turn = (stream.frequencies * distance).cos().diag(), (stream.frequencies * distance).sin().diag()
    q, k = zeros(stream.d_model, 2 * stream.n_frequencies), zeros(stream.d_model, 2 * stream.n_frequencies)
    q[stream.position] = tau * torch.cat([torch.cat([turn[0], -turn[1]], 1), torch.cat([turn[1], turn[0]], 1)])
    k[stream.position] = torch.eye(2 * stream.n_frequencies, dtype=torch.float64)
    return Circuit(q, k, *carry(stream, {stream.scratch: 1.0}))


def _matched_token(stream: Stream, tau: float) -> Circuit:
    """The last n letters of the query against those of the key, the query's own position kept out by its code.

    Codes differ by at most 2F, so that one matching letter counts more than any distance.
    """
    q, k = match(stream, first_key_slot=0)
    here = zeros(stream.d_model, 2 * stream.n_frequencies)
    here[stream.position] = torch.eye(2 * stream.n_frequencies, dtype=torch.float64)
    letter = 2 * stream.n_frequencies + 1
    return Circuit(
        tau * torch.cat([letter * q, -here], 1), torch.cat([k, here], 1), *carry(stream, {stream.scratch: 1.0})
    )


def _bos(stream: Stream, tau: float) -> Circuit:
    q, k = zeros(stream.d_model, 1), zeros(stream.d_model, 1)
    q[stream.slot(0)] = tau
    k[stream.bos] = 1
    return Circuit(q, k, *carry(stream, {stream.scratch: 1.0}))
