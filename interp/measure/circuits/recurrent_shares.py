"""What makes a recurrent layer bring a position to the output: what it writes there, what is kept, what is read.

In the terms of hidden attention, position k reaches the output at q as C_q . (decay from k to q) (delta_k B_k u_k); of
a matrix-valued state as q_q^T A_q ... A_(k+1) k_k v_k^T, where A fades and, with the delta rule, erases. The size of
what arrives is a product of three: the size of the write, the share of it that is left, and how much of what is left
the read-out meets. Logarithms of the three add up, so each has a share in why one position arrives and another not.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.base.axes import Tokens
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.models.heads import HeadTable
from interp.models.hidden_attention.layer import ReadLayer, SelectiveLayer
from interp.models.hidden_attention.matrix_layer import MatrixLayer
from interp.models.hidden_attention.pattern import reading_hooks
from interp.models.surface import Enough, Model, run_to_read


@dataclass(frozen=True)
class RecurrentShares:
    """Three factors for each position, seen from one query: write x kept x read = reach. 0 after the query."""

    head: str
    write: Float[Tensor, "batch pos"]
    """Size of what the position adds to the state."""
    kept: Float[Tensor, "batch pos"]
    """Share of that size that is left at the query, after fading and erasure. Erasure turns as well, so that it can be
    above 1 where what is taken out lies along another direction than what is looked for (RWKV-7). Of an mLSTM, whose
    state is kept over exp(m_t), in these scaled numbers: a larger m at the query counts as fading."""
    read: Float[Tensor, "batch pos"]
    """Size of what the query reads of it, over what is left."""

    @property
    def reach(self) -> Float[Tensor, "batch pos"]:
        """Size of what the position brings to the head's output at the query."""
        return self.write * self.kept * self.read

    def against(
        self, source: Int[Tensor, " batch"], others: Bool[Tensor, "batch pos"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        """Say by which factor the source exceeds other positions in each: logarithms (write, kept, read), in nats.

        Their sum is the logarithm of the ratio of reaches; against the geometric mean of the others.

        Args:
            source: one position of each string.
            others: positions that it is compared with.
        """
        weight = others.double() / others.sum(dim=1, keepdim=True).clamp(min=1)
        logs = [factor.clamp(min=torch.finfo(factor.dtype).tiny).log() for factor in (self.write, self.kept, self.read)]
        here, there = zip(*((x.gather(1, source[:, None])[:, 0], (x * weight).sum(dim=1)) for x in logs), strict=True)
        write, kept, read = (a - b for a, b in zip(here, there, strict=True))
        return write, kept, read


@checked_call
@torch.no_grad()
def recurrent_shares(model: Model, tokens: Tokens, head: Any, query: Int[Tensor, " batch"]) -> RecurrentShares:
    """Take apart what each position brings to a recurrent head's output at a query.

    >>> from interp.models import build
    >>> model = build({"kind": "mamba", "n_layers": 1, "d_model": 8, "d_vocab": 5})
    >>> found = recurrent_shares(model, torch.tensor([[0, 1, 2, 3]]), "L0H0", torch.tensor([2]))
    >>> tuple(found.reach.shape), float(found.reach[0, 3])
    ((1, 4), 0.0)

    Memory: a state for every position; of a matrix-valued state a key for every position.

    Args:
        model: one with Mamba, Mamba-2 or matrix-state layers (linear attention, RetNet, GLA, DeltaNet, mLSTM, RWKV-7).
        tokens: the strings.
        head: of hidden attention, by name or as a `Head`.
        query: position at which the output is read, in each string.

    Raises: UserError for an attention head, or a layer that is read in other terms.
    """
    found = HeadTable.of(model).parse([head])[0]
    if found.kind != "hidden attention":
        raise UserError(
            f"head must be one of a recurrent layer for its write, decay and read; got {found}, which attends. Use "
            "decompose_score for it."
        )
    seen: list[ReadLayer] = []

    def show(read: ReadLayer) -> None:
        seen.append(read)
        raise Enough

    run_to_read(model, tokens, reading_hooks(cast(Any, model), found.layer, show))
    match seen[0]:
        case SelectiveLayer() as read:
            return RecurrentShares(found.name, *_selective(read, found.index, query))
        case MatrixLayer() as read:
            return RecurrentShares(found.name, *_matrix(read, found.index, query))
        case read:
            raise UserError(
                f"head must be one of a selective or matrix-state layer; got {found}, of a layer that is read as a "
                f"{type(read).__name__}. Use hidden_attention for its pattern."
            )


def _selective(read: SelectiveLayer, head: int, query: Int[Tensor, " batch"]) -> tuple[Tensor, Tensor, Tensor]:
    """Write, kept and read of every position of a selective recurrence."""
    each, n_rates = read.channels_per_rate, len(read.A)
    rates = slice(head * n_rates // read.n_heads, (head + 1) * n_rates // read.n_heads)
    channels = slice(rates.start * each, rates.stop * each)
    group = torch.arange(n_rates, device=read.A.device)[rates] * read.B.shape[2] // n_rates
    B, C = (part[:, :, group].double() for part in (read.B, read.C))
    later = torch.arange(read.u.shape[1], device=query.device) > query[:, None]
    delta = read.delta[..., rates].double().masked_fill(later[..., None], 0.0)
    after = delta.flip(1).cumsum(dim=1).flip(1) - delta  # of the steps behind each position, up to the query
    u = read.u[..., channels].double().unflatten(2, (-1, each))
    write = (delta[..., None] * u)[..., None] * B[:, :, :, None]  # [batch pos rate channel state]
    kept = write * (read.A[rates].double() * after[..., None]).exp()[:, :, :, None]
    out = (kept * C.take_along_dim(query[:, None, None, None], 1)[:, :, :, None]).sum(dim=-1)
    return _ratios([x.flatten(2).norm(dim=-1) for x in (write, kept, out)])


def _matrix(read: MatrixLayer, head: int, query: Int[Tensor, " batch"]) -> tuple[Tensor, Tensor, Tensor]:
    """Shares of a matrix-valued state: what is written is key times value, and only the key changes on its way."""
    terms = read.terms
    q, k, decay = (part[:, :, head].double() for part in (terms.q, terms.k, terms.decay))
    erase, probe = (None if part is None else part[:, :, head].double() for part in (terms.erase, terms.probe))
    at = torch.arange(k.shape[1], device=query.device)
    now = torch.zeros_like(k)  # [batch position_of_the_write d_key], as it stands after each step
    for t in range(k.shape[1]):
        left = now * decay[:, t, None]
        if erase is not None and probe is not None:
            left = left - (now @ probe[:, t, :, None]) * erase[:, t, None]
        left = torch.where((at == t)[:, None], k, left)
        now = torch.where((query < t)[:, None, None], now, left)
    v = read.u.unflatten(2, (read.n_heads, -1))[:, :, head].double().norm(dim=-1)
    write = (k.norm(dim=-1) * v).masked_fill(at > query[:, None], 0.0)
    out = (now @ q.take_along_dim(query[:, None, None], 1).transpose(1, 2))[..., 0].abs()
    return _ratios([write, now.norm(dim=-1) * v, out * v])


def _ratios(sizes: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """The first of three sizes, and each of the others over the one before; 0 over nothing."""
    tiny = torch.finfo(torch.float64).tiny
    return sizes[0], sizes[1] / sizes[0].clamp(min=tiny), sizes[2] / sizes[1].clamp(min=tiny)
