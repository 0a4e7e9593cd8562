"""The heads of a planted copier, each as four small matrices: gather, lookup, and heads that do nothing or anything."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from interp.models.planted.stream import Stream


@dataclass(frozen=True)
class Circuit:
    """A head: its scores x_q q (x_k k)^T, not divided by anything, and what it writes from where it looks, x_k v o."""

    q: Float[Tensor, "d_model d_qk"]
    k: Float[Tensor, "d_model d_qk"]
    v: Float[Tensor, "d_model d_vo"]
    o: Float[Tensor, "d_vo d_model"]


def even(stream: Stream, writes: dict[int, float]) -> Circuit:
    """Looks evenly over its window and adds factor x (mean of the tokens there) to each slot of `writes`."""
    nothing = zeros(stream.d_model, 1)
    return Circuit(nothing, nothing, *carry(stream, writes))


def gather(stream: Stream, window: int) -> Circuit:
    """One of the windows 1, ..., n + 1, whose differences are single tokens (Theorem 2.3's first block).

    With h_m the mean of the last m tokens, (t + 1) h_{t+1} - t h_t is the token t places back: window m adds m h_m to
    slot m - 1 and takes it from slot m. (In the first t positions slot t holds the mean of all tokens so far.)
    """
    signs = {window - 1: 1.0, window: -1.0}
    return even(stream, {offset: signs[offset] * window for offset in gather_offsets(stream.n, window)})


def gather_offsets(n: int, window: int) -> tuple[int, ...]:
    """The slots to which the gather head of this window writes. (Slot 0 is there already: the embedding.)"""
    return tuple(offset for offset in (window - 1, window) if 1 <= offset <= n)


def lookup(stream: Stream, tau: float, share: float) -> Circuit:
    """Attends to the token that followed the last n tokens earlier, and writes `share` of it to the answer.

    A matching letter scores tau. Gamma keeps position 0 out, which has BOS in every slot. The separator as a key is
    worth half a letter less: where the last n letters of a string stand inside it too, what followed them there wins
    over the end.
    """
    gamma = 2 * beta(stream.n) + 2 * stream.n
    q, k = match(stream, first_key_slot=1)
    always, penalty = zeros(stream.d_model, 1), zeros(stream.d_model, 1)
    always[stream.slot(0)] = 1
    penalty[stream.bos], penalty[stream.separator] = -gamma, -0.5
    return Circuit(tau * torch.cat([q, always], 1), torch.cat([k, penalty], 1), *carry(stream, {stream.answer: share}))


def beta(n: int) -> int:
    """What it counts that the separator in a query finds BOS in a key, in letters: twice as much as n of them and more,
    so that half a BOS (in the mean of the first two tokens) and n - 1 letters do not outweigh it."""
    return 2 * n + 2


def match(stream: Stream, first_key_slot: int) -> tuple[Tensor, Tensor]:
    """Query and key maps whose product counts how many of the query's last n letters stand in the key's n slots.

    The separator agrees with BOS, and counts `beta`: the i-th letter after the one finds the i-th after the other.
    """
    letters = torch.ones(stream.n_tokens, dtype=torch.float64)
    letters[stream.alphabet :] = 0
    asked, found = letters.diag(), letters.diag()
    asked[stream.separator, stream.bos], found[stream.bos, stream.bos] = beta(stream.n), 1
    q, k = (zeros(stream.d_model, stream.n * stream.n_tokens) for _ in range(2))
    q[stream.slot(0, stream.n)] = torch.block_diag(*[asked] * stream.n)
    k[stream.slot(first_key_slot, stream.n)] = torch.block_diag(*[found] * stream.n)
    return q, k


def random_head(stream: Stream, d_head: int, generator: torch.Generator) -> Circuit:
    """Attends by random weights to whatever stands in the stream, and writes where nothing reads."""
    q, k, v = torch.randn(3, stream.d_model, d_head, generator=generator, dtype=torch.float64).unbind()
    for weight in (q, k, v):
        weight[stream.slot(stream.scratch)] = 0
    o = zeros(d_head, stream.d_model)
    o[:, stream.slot(stream.scratch)] = torch.randn(d_head, stream.n_tokens, generator=generator, dtype=torch.float64)
    # Scores are then as large as the product of what stands at the query and at the key.
    scale = d_head**-0.5
    return Circuit(q * scale, k, v, o * scale)


def carry(stream: Stream, writes: dict[int, float]) -> tuple[Tensor, Tensor]:
    """Value and output map: the token itself, times a factor, to each slot of `writes`."""
    v, o = zeros(stream.d_model, stream.n_tokens), zeros(stream.n_tokens, stream.d_model)
    token = torch.eye(stream.n_tokens, dtype=torch.float64)
    v[stream.slot(0)] = token
    for slot, factor in writes.items():
        o[:, stream.slot(slot)] = factor * token
    return v, o


def zeros(rows: int, columns: int) -> Tensor:
    return torch.zeros(rows, columns, dtype=torch.float64)
