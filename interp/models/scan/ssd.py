"""The recurrence of Mamba-2 (state-space duality): as matrix products within chunks, and step by step as the reference."""

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor

from interp.errors import UserError
from interp.models.scan.axes import agree
from interp.models.scan.choice import choose


def ssd_scan(
    x: Float[Tensor, "batch pos head d_head"],
    delta: Float[Tensor, "batch pos head"],
    A: Float[Tensor, " head"],
    B: Float[Tensor, "batch pos group state"],
    C: Float[Tensor, "batch pos group state"],
    D: Float[Tensor, " head"] | None = None,
    initial: Float[Tensor, "batch head d_head state"] | None = None,
    chunk: int | None = None,
) -> tuple[Float[Tensor, "batch pos head d_head"], Float[Tensor, "batch head d_head state"]]:
    """Runs the recurrence of Mamba-2 (Dao & Gu 2024, "Transformers are SSMs") over the positions.

        h[t] = exp(delta[t] A) h[t-1] + delta[t] x[t] (outer) B[t]
        y[t] = h[t] C[t] + D x[t]

    Returns: y, and the state after the last position.
    Raises: UserError for axes that do not agree.
    """
    sizes = agree(
        "ssd_scan",
        x=(x, "batch pos head d_head"),
        delta=(delta, "batch pos head"),
        A=(A, "head"),
        B=(B, "batch pos group state"),
        C=(C, "batch pos group state"),
        D=(D, "head"),
        initial=(initial, "batch head d_head state"),
    )
    if sizes["head"] % sizes["group"]:
        raise UserError(
            f"ssd_scan shares B and C among equal groups of heads; {sizes['head']} heads make no {sizes['group']} groups."
        )
    method = choose("ssd_scan", x.device, has_initial=initial is not None)
    if method == "mamba-ssm":
        from interp.models.scan import kernels

        return kernels.ssd_scan(x, delta, A, B, C, D, initial)
    if initial is None:
        initial = x.new_zeros(*(sizes[axis] for axis in ("batch", "head", "d_head", "state")))
    if method == "reference":
        y, final = ssd_scan_reference(x, delta, A, B, C, D, initial)
    else:
        y, final = _chunked(x, delta, A, B, C, initial, chunk or 16)
        y = y if D is None else y + D[:, None] * x
    return y, final


def ssd_scan_reference(x, delta, A, B, C, D=None, initial=None):
    heads = x.shape[2] // B.shape[2]
    B, C = (repeat(z, "batch pos group state -> batch pos (group head) state", head=heads) for z in (B, C))
    h = initial
    if h is None:
        h = x.new_zeros(len(x), x.shape[2], x.shape[3], B.shape[3])
    ys = []
    for x_t, delta_t, B_t, C_t in zip(*(z.unbind(1) for z in (x, delta, B, C)), strict=True):
        h = (delta_t * A).exp()[..., None, None] * h + (delta_t[..., None] * x_t)[..., None] * B_t[:, :, None]
        ys.append((h @ C_t[..., None])[..., 0])
    y = torch.stack(ys, 1)
    return (y if D is None else y + D[:, None] * x), h


def _chunked(x, delta, A, B, C, initial, chunk):
    length, heads = x.shape[1], x.shape[2] // B.shape[2]
    log_decay = delta * A
    x = x * delta[..., None]
    if short := -length % chunk:
        log_decay = F.pad(log_decay, (0, 0, 0, short))
        x, B, C = (F.pad(z, (0, 0, 0, 0, 0, short)) for z in (x, B, C))
    x = rearrange(x, "b (c l) (g k) p -> b c g k l p", l=chunk, k=heads)
    log_decay = rearrange(log_decay, "b (c l) (g k) -> b c g k l", l=chunk, k=heads)
    B, C = (rearrange(z, "b (c l) g n -> b c g 1 l n", l=chunk) for z in (B, C))
    total = log_decay.cumsum(-1)
    later = torch.ones(chunk, chunk, dtype=torch.bool, device=x.device).triu(1)
    decay = (total[..., :, None] - total[..., None, :]).masked_fill(later, -torch.inf).exp()
    y = (C @ B.mT * decay) @ x
    write = (x * (total[..., -1:] - total).exp()[..., None]).mT @ B
    h = rearrange(initial, "b (g k) p n -> b g k p n", k=heads)
    before = []
    for keep, new in zip(total[..., -1].exp().unbind(1), write.unbind(1), strict=True):
        before.append(h)
        h = keep[..., None, None] * h + new
    y = y + C @ torch.stack(before, 1).mT * total.exp()[..., None]
    y = rearrange(y, "b c g k l p -> b (c l) (g k) p")[:, :length]
    return y, rearrange(h, "b g k p n -> b (g k) p n")
