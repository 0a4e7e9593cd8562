"""The recurrence of matrix-valued states: linear attention, its gated forms, and the delta rule with its kin.

    S_t = Diag(a_t) S_{t-1} - e_t (p_t^T S_{t-1}) + k_t v_t^T        y_t = S_t^T q_t

One for all of them: a_t is 1 (linear attention), a constant of the head (RetNet), a number for each head (mLSTM, gated
DeltaNet) or for each row of the state (GLA, RWKV-7). e_t and p_t, erase and probe, are what the delta rule adds: what
stands in the state along p_t is taken out along e_t. They are None where nothing is erased.

`chunked` (Yang et al. 2023, arXiv 2312.06635, for the gates; Yang et al. 2024, arXiv 2406.06484, for the erasure) makes
of each chunk of positions one affine map of the state, so that only S <- M S + N goes from chunk to chunk. `reference`
goes position by position.
"""

import math
from collections.abc import Callable, Mapping

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from interp.base.errors import UserError
from interp.models.scan.axes import agree
from interp.models.scan.decays import cut, decays_of, is_gentle
from interp.models.scan.methods import choose
from interp.models.scan.precision import promoted, without_autocast

Keys = Float[Tensor, "batch pos head d_key"]
Values = Float[Tensor, "batch pos head d_value"]
Decays = Float[Tensor, "batch pos head d_key_or_1"]
State = Float[Tensor, "batch head d_key d_value"]


def matrix_scan(
    q: Keys,
    k: Keys,
    v: Values,
    log_decay: Decays,
    erase: Keys | None = None,
    probe: Keys | None = None,
    initial: State | None = None,
    chunk: int | None = None,
) -> tuple[Values, State]:
    """Run the recurrence by the method that `scan.methods` takes; linear in length in time and memory.

    >>> y, S = matrix_scan(q, k, v, log_decay)                          # gated linear attention
    >>> y, S = matrix_scan(q, k, beta * v, log_decay, beta * k, k)      # the delta rule

    Args:
        q: what each position reads with.
        k, v: what it writes, as an outer product.
        log_decay: log a_t, at most 0 and finite; its last axis has length 1 where all rows of a state decay alike.
        erase, probe: e_t and p_t; both or neither.
        initial: S before the first position; None for zeros.
        chunk: positions that are taken at once; None takes what was measured to be fast.

    Returns: y in the dtype of v, and S after the last position, float64 if an input is and float32 otherwise.

    Raises: UserError if shapes do not fit together, or for the method that `using` asks for, if it cannot run here.
    """
    size = _sizes(q, k, v, log_decay, erase, probe, initial, chunk)
    method = choose("matrix_scan", v.device, has_initial=initial is not None, dtype=v.dtype)
    if method == "fla":
        from interp.models.scan import fla

        return fla.matrix_scan(q, k, v, log_decay, erase, probe, initial)
    dtype = v.dtype
    if initial is None:
        initial = v.new_zeros(*(size[axis] for axis in ("batch", "head", "d_key", "d_value")))
    erasing = () if erase is None or probe is None else (erase, probe)
    q, k, v, log_decay, initial, *erasing = promoted(q, k, v, log_decay, initial, *erasing)
    pair = (erasing[0], erasing[1]) if erasing else None
    with without_autocast(v.device):
        if method == "reference":
            y, final = matrix_scan_reference(q, k, v, log_decay, *(pair or (None, None)), initial)
        else:
            length, alike = size["pos"], log_decay.shape[3] == 1
            wide = min(chunk or even_chunk(length, 25), length)
            gentle = not alike and is_gentle(log_decay, wide)
            chunk = wide if alike or gentle or chunk else even_chunk(length, 8)
            y, final = _chunked(chunk, gentle, q, k, v, log_decay, pair, initial)
    return y.to(dtype), final


def even_chunk(length: int, longest: int) -> int:
    """The length of as few chunks as there must be, each as long as the others: little is padded."""
    return math.ceil(length / math.ceil(length / longest))


def matrix_scan_reference(
    q: Keys,
    k: Keys,
    v: Values,
    log_decay: Decays,
    erase: Keys | None = None,
    probe: Keys | None = None,
    initial: State | None = None,
) -> tuple[Values, State]:
    """`matrix_scan` as the papers write it: position by position."""
    write = k[..., :, None] * v[..., None, :]
    states = matrix_states(log_decay.exp(), write, erase, probe, initial)
    return (states * q[..., None]).sum(-2), states[:, -1]


def matrix_states(
    decay: Decays,
    write: Float[Tensor, "batch pos head d_key d_value"],
    erase: Keys | None = None,
    probe: Keys | None = None,
    initial: State | None = None,
    edits: Mapping[int, Callable[[Tensor], Tensor]] | None = None,
) -> Float[Tensor, "batch pos head d_key d_value"]:
    """Compute every state from what is written: the recurrence in which writes and states can be read and edited.

    Args:
        decay: a_t itself.
        write: any matrix, k_t v_t^T among them.
        erase, probe, initial: as in `matrix_scan`.
        edits: position -> what is made of the state there, before it is carried on.
    """
    n = write.shape[1]
    state = torch.zeros_like(write[:, 0]) if initial is None else initial
    nothing = [None] * n
    # unbind, for the gradient of x[:, t] is as large as x, which would make the backward quadratic in length
    erases, probes = (nothing if each is None else each.unbind(1) for each in (erase, probe))
    states, edits = [], {} if edits is None else edits
    steps = zip(decay.unbind(1), write.unbind(1), erases, probes, strict=True)
    for at, (a, new, e, p) in enumerate(steps):
        kept = a[..., None] * state + new
        state = kept if e is None or p is None else kept - e[..., None] * (p[..., None, :] @ state)
        state = edits[at](state) if at in edits else state
        states.append(state)
    return torch.stack(states, dim=1)


def _sizes(
    q: Keys,
    k: Keys,
    v: Values,
    log_decay: Decays,
    erase: Keys | None,
    probe: Keys | None,
    initial: State | None,
    chunk: int | None,
) -> dict[str, int]:
    """The size of each axis; refuses what does not fit together."""
    keys = "batch pos head d_key"
    size = agree(
        "matrix_scan",
        q=(q, keys),
        k=(k, keys),
        v=(v, "batch pos head d_value"),
        log_decay=(log_decay, "batch pos head one" if log_decay.shape[-1:] == (1,) else keys),
        erase=(erase, keys),
        probe=(probe, keys),
        initial=(initial, "batch head d_key d_value"),
    )
    if not size["pos"]:
        raise UserError("q of matrix_scan must have at least one position; got none.")
    if (erase is None) != (probe is None):
        raise UserError("erase and probe of matrix_scan must be given together; got one alone. Give both or neither.")
    if chunk is not None and chunk < 1:
        raise UserError(f"chunk of matrix_scan must be at least one position; got {chunk}.")
    return size


def _chunked(
    chunk: int,
    gentle: bool,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_decay: Tensor,
    erasing: tuple[Tensor, Tensor] | None,
    initial: Tensor,
) -> tuple[Tensor, Tensor]:
    """Within a chunk the axes are [batch chunk head pos ...]."""
    length = q.shape[1]
    q, k, v, log_decay = (cut(x, chunk) for x in (q, k, v, log_decay))
    decays = decays_of(log_decay, gentle)
    reads, writes = q * decays.since_start, k * decays.until_end
    within, new, keep = decays.pairs(q, k) @ v, writes.mT @ v, decays.whole.mT
    if erasing is None:
        before, final = _carry(keep, None, new, initial)
    else:
        erase, probe = (cut(x, chunk) for x in erasing)
        # what stood along each probe: found = within_found + by_state S, from (I + looks) found = written + probed S
        looks = decays.pairs(probe, erase, earlier=True)
        found = torch.cat([decays.pairs(probe, k, earlier=True) @ v, probe * decays.before], dim=-1)
        eye = torch.eye(chunk, dtype=q.dtype, device=q.device)
        found = torch.linalg.solve_triangular(eye + looks, found, upper=False, unitriangular=True)
        within_found, by_state = found.split([v.shape[-1], k.shape[-1]], dim=-1)
        erased = decays.pairs(q, erase)
        reads, within = reads - erased @ by_state, within - erased @ within_found
        gone = (erase * decays.until_end).mT
        before, final = _carry(keep, gone @ by_state, new - gone @ within_found, initial)
    y = rearrange(reads @ before + within, "b c h l d -> b (c l) h d")
    return y[:, :length], final


def _carry(keep: Tensor, gone: Tensor | None, new: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """The states before each chunk and after the last: S <- (Diag(keep) - gone) S + new."""
    before = []
    every_gone = [None] * new.shape[1] if gone is None else gone.unbind(1)
    for kept, taken, added in zip(keep.unbind(1), every_gone, new.unbind(1), strict=True):
        before.append(state)
        moved = torch.addcmul(added, kept, state)
        state = moved if taken is None else moved - taken @ state
    return torch.stack(before, dim=1), state
