"""The recurrence of Mamba-2 (state-space duality, SSD): one decay per head and position.

    h_t = exp(delta_t A) h_{t-1} + delta_t x_t (outer) B_t        y_t = h_t C_t + D x_t

`chunked` is the block decomposition of Dao & Gu 2024 (section 6): within a chunk a masked matrix product, as attention
has it, from chunk to chunk the recurrence. `reference` goes position by position.
"""

from math import sqrt

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor

from interp.base.errors import UserError
from interp.models.scan.axes import agree
from interp.models.scan.methods import choose
from interp.models.scan.precision import promoted, without_autocast

Heads = Float[Tensor, "batch pos head d_head"]
PerHead = Float[Tensor, "batch pos head"]
Groups = Float[Tensor, "batch pos group state"]
State = Float[Tensor, "batch head d_head state"]


def ssd_scan(
    x: Heads,
    delta: PerHead,
    A: Float[Tensor, " head"],
    B: Groups,
    C: Groups,
    D: Float[Tensor, " head"] | None = None,
    initial: State | None = None,
    chunk: int | None = None,
) -> tuple[Heads, State]:
    """Run the recurrence by the method that `scan.methods` takes; linear in length in time and memory.

    Args:
        x: the input.
        delta: step sizes, after the softplus.
        A: decay rates, negative.
        B: how each position writes to the state; head h reads group h // (heads / groups).
        C: how each position reads it.
        D: weight of the input's direct way to the output; None for none.
        initial: h before the first position; None for zeros.
        chunk: positions per matrix product; None takes what was measured to be fast for the size of the state.

    Returns: y in the dtype of x, and h after the last position, float64 if an input is and float32 otherwise.

    Raises: UserError if shapes do not fit together, or for the method that `using` asks for, if it cannot run here.
    """
    size = _sizes(x, delta, A, B, C, D, initial, chunk)
    method = choose("ssd_scan", x.device, has_initial=initial is not None, dtype=x.dtype)
    if method == "mamba-ssm":
        from interp.models.scan import kernels

        return kernels.ssd_scan(x, delta, A, B, C, D, initial, chunk)
    dtype = x.dtype
    D = A.new_zeros(A.shape) if D is None else D
    if initial is None:
        initial = x.new_zeros(*(size[axis] for axis in ("batch", "head", "d_head", "state")))
    inputs = promoted(x, delta, A, B, C, D, initial)
    with without_autocast(x.device):
        if method == "reference":
            y, final = ssd_scan_reference(*inputs)
        else:
            chunk = chunk or _fast_chunk(size["d_head"], size["state"])
            y, final = _chunked(min(chunk, size["pos"]), *inputs)
    return y.to(dtype), final


def ssd_scan_reference(
    x: Heads,
    delta: PerHead,
    A: Float[Tensor, " head"],
    B: Groups,
    C: Groups,
    D: Float[Tensor, " head"] | None = None,
    initial: State | None = None,
) -> tuple[Heads, State]:
    """`ssd_scan` as the paper writes it: position by position."""
    heads = x.shape[2] // B.shape[2]
    B, C = (repeat(each, "batch pos group state -> batch pos (group head) state", head=heads) for each in (B, C))
    state = x.new_zeros(len(x), *x.shape[2:], B.shape[3]) if initial is None else initial
    outputs = []
    # unbind, for the gradient of x[:, t] is as large as x, which would make the backward quadratic in length
    for x_t, delta_t, B_t, C_t in zip(x.unbind(1), delta.unbind(1), B.unbind(1), C.unbind(1), strict=True):
        write = (delta_t[..., None] * x_t)[..., None] * B_t[:, :, None]
        state = torch.exp(delta_t * A)[..., None, None] * state + write
        outputs.append((state * C_t[:, :, None]).sum(-1))
    y = torch.stack(outputs, dim=1)
    return (y if D is None else y + D[:, None] * x), state


def _sizes(
    x: Heads,
    delta: PerHead,
    A: Tensor,
    B: Groups,
    C: Groups,
    D: Tensor | None,
    initial: State | None,
    chunk: int | None,
) -> dict[str, int]:
    """The size of each axis; refuses what does not fit together."""
    size = agree(
        "ssd_scan",
        x=(x, "batch pos head d_head"),
        delta=(delta, "batch pos head"),
        A=(A, "head"),
        B=(B, "batch pos group state"),
        C=(C, "batch pos group state"),
        D=(D, "head"),
        initial=(initial, "batch head d_head state"),
    )
    if not size["pos"]:
        raise UserError("x of ssd_scan must have at least one position; got none.")
    if size["head"] % size["group"]:
        raise UserError(
            f"groups of B and C in ssd_scan must divide the {size['head']} heads; got {size['group']} groups."
        )
    if chunk is not None and chunk < 1:
        raise UserError(f"chunk of ssd_scan must be at least one position; got {chunk}.")
    return size


def _fast_chunk(d_head: int, state: int) -> int:
    """16, 32 or 64: the work within chunks grows with their length as that between them falls, by d_head * state."""
    return min(max(2 ** int(0.75 * sqrt(d_head * state)).bit_length() // 2, 16), 64)


def _chunked(
    chunk: int, x: Heads, delta: PerHead, A: Tensor, B: Groups, C: Groups, D: Tensor, initial: State
) -> tuple[Heads, State]:
    """The comments' letters b, c, l: batch, chunk, position in it; g, k: group, head in it; p, n: d_head, state."""
    length, heads = x.shape[1], x.shape[2] // B.shape[2]
    inputs, log_decay = x * delta[..., None], delta * A
    if short := -length % chunk:  # positions that write nothing and do not decay
        log_decay = F.pad(log_decay, (0, 0, 0, short))
        inputs, B, C = (F.pad(each, (0, 0, 0, 0, 0, short)) for each in (inputs, B, C))
    inputs = rearrange(inputs, "b (c l) (g k) p -> b c g l k p", l=chunk, k=heads)
    log_decay = rearrange(log_decay, "b (c l) (g k) -> b c g k l", l=chunk, k=heads)
    B, C = (rearrange(each, "b (c l) g n -> b c g l n", l=chunk) for each in (B, C))

    # decay[i, j]: what is left at i of what j wrote. Summed from j + 1 to i, not as a difference of two sums, in which
    # small ones, and their gradients, are lost among large; the future is taken out before exp could overflow.
    past = torch.ones(chunk, chunk, dtype=torch.bool, device=x.device).tril(-1)
    decay = (log_decay[..., None] * past).cumsum(-2).masked_fill(past.mT, -torch.inf).exp()  # b c g k l l
    since_start = log_decay.cumsum(-1).exp()  # b c g k l
    within = ((C @ B.mT).unsqueeze(3) * decay) @ inputs.transpose(3, 4)  # b c g k l p

    until_end = decay[..., -1, :].mT[..., None]  # b c g l k 1
    writes = (inputs * until_end).flatten(-2).mT @ B  # b c g (k p) n
    state = rearrange(initial, "b (g k) p n -> b g k p n", k=heads)
    before = []
    kept = since_start[..., -1, None, None]  # b c g k 1 1
    for keep, write in zip(kept.unbind(1), writes.unflatten(3, state.shape[2:4]).unbind(1), strict=True):
        before.append(state)
        state = torch.addcmul(write, keep, state)
    carried = C @ torch.stack(before, 1).flatten(3, 4).mT  # b c g l (k p)

    y = torch.addcmul(within.transpose(3, 4), carried.view_as(inputs), since_start.mT[..., None])
    y = rearrange(y, "b c g l k p -> b (c l) (g k) p")[:, :length]
    return torch.addcmul(y, D[:, None], x), rearrange(state, "b g k p n -> b (g k) p n")
