"""What makes a state-space layer bring a position to the output: what it writes there, what is kept, what is read.

In the terms of hidden attention, position k reaches the output at q as C_q . (decay from k to q) (delta_k B_k u_k). The
size of what arrives is a product of three: the size of the write, the share of it that has not decayed, and how much of
what is left the read-out meets. Logarithms of the three add up, so each has a share in why one position arrives and
another does not.
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
from interp.models.hidden_attention.pattern import reading_hooks
from interp.models.surface import Enough, Model, run_to_read


@dataclass(frozen=True)
class RecurrentShares:
    """Three factors for each position, seen from one query: write x kept x read = reach. 0 after the query."""

    head: str
    write: Float[Tensor, "batch pos"]
    """Size of what the position adds to the state."""
    kept: Float[Tensor, "batch pos"]
    """Share of that size that is left at the query."""
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
    """Take apart what each position brings to a state-space head's output at a query.

    >>> from interp.models import build
    >>> model = build({"kind": "mamba", "n_layers": 1, "d_model": 8, "d_vocab": 5})
    >>> found = recurrent_shares(model, torch.tensor([[0, 1, 2, 3]]), "L0H0", torch.tensor([2]))
    >>> tuple(found.reach.shape), float(found.reach[0, 3])
    ((1, 4), 0.0)

    Memory: a state for every position.

    Args:
        model: one with such layers.
        tokens: the strings.
        head: of hidden attention, by name or as a `Head`.
        query: position at which the output is read, in each string.

    Raises: UserError for an attention head, or a layer that is not a selective state-space layer.
    """
    found = HeadTable.of(model).parse([head])[0]
    if found.kind != "hidden attention":
        raise UserError(
            f"head must be one of a state-space layer for its write, decay and read; got {found}, which attends. Use "
            "decompose_score for it."
        )
    seen: list[ReadLayer] = []

    def show(read: ReadLayer) -> None:
        seen.append(read)
        raise Enough

    run_to_read(model, tokens, reading_hooks(cast(Any, model), found.layer, show))
    if not isinstance(read := seen[0], SelectiveLayer):
        raise UserError(
            f"head must be one of a selective state-space layer (Mamba, Mamba-2); got {found}, of a layer that is read "
            f"as a {type(read).__name__}. Use hidden_attention for its pattern."
        )
    return RecurrentShares(found.name, *_factors(read, found.index, query))


def _factors(read: SelectiveLayer, head: int, query: Int[Tensor, " batch"]) -> tuple[Tensor, Tensor, Tensor]:
    """Write, kept and read of every position."""
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
    sizes = [x.flatten(2).norm(dim=-1) for x in (write, kept, out)]
    tiny = torch.finfo(torch.float64).tiny
    return sizes[0], sizes[1] / sizes[0].clamp(min=tiny), sizes[2] / sizes[1].clamp(min=tiny)
