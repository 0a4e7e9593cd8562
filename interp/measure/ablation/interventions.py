"""What an ablated head does instead.

Two kinds. A `Value` (`interp.measure.values`) stands in place of a head's output, computed from the clean run of the
whole batch: zero, mean, mean per position, resample. An `EdgeEdit` takes attention away from single places (attention
knockout), as the softmax would have it without their scores: the edge from the query to the match, or, as its control,
as much attention from places that do not match.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.base.axes import Pattern
from interp.base.errors import unknown
from interp.measure.values import Mean, MeanPerPosition, Resample, Value, Zero
from interp.tasks.base import Batch

ROUNDING = 8
"""A row of attention whose sum is within this many times its dtype's precision of 1 has no sink. No precision above
float32 counts: softmaxes are often made in float32 and then cast."""


@dataclass(frozen=True, eq=False)
class EdgeEdit(ABC):
    """Attention cut to single places at the answer's queries.

    What is left is divided by 1 less what was cut: the softmax without these scores. In a model with attention
    sinks, whose rows sum to less than 1, the sink keeps its share like any other place. Where nothing is left (the
    softmax can round to exactly 1 on one place), the row becomes even over the other places that the head sees; a head
    that sees no other place writes nothing. It assumes that a head could look elsewhere with the rest of the model as
    it is. It misleads where several heads carry the same edge: those not cut go on; and with entmax, which without a
    place may look at places that it gave nothing, while here what is left alone is made larger.
    """

    kind: ClassVar[str]
    source: Int[Tensor, "batch pos"]
    """For each query the place that its answer is copied from; rows without one (-1) stay as they are."""

    @abstractmethod
    def removed(self, pattern: Pattern) -> Pattern:
        """How much attention to each place is cut."""

    @abstractmethod
    def rows(self, index: slice | Int[Tensor, " row"]) -> "EdgeEdit":
        """This edit for some of the strings, or for strings repeated."""

    def edit(self, pattern: Pattern, visible: Bool[Tensor, "#batch #head query key"]) -> Pattern:
        """Return the new pattern.

        Args:
            pattern: attention.
            visible: where a head may look at all.
        """
        wide = pattern.to(torch.promote_types(pattern.dtype, torch.float32))
        removed = self.removed(wide)
        left = wide - removed
        elsewhere = (visible & (removed == 0)).to(left.dtype)
        even = elsewhere / elsewhere.sum(dim=-1, keepdim=True).clamp(min=1)
        # 1 - removed, without the cancellation where a head gives nearly everything to the place that is cut
        total = left.sum(dim=-1, keepdim=True) + _sink(wide, pattern.dtype)
        touched = (self.source >= 0)[:, None, :, None]
        edited = torch.where(total > 0, left / total, even)
        return torch.where(touched, edited, wide).to(pattern.dtype)

    def amount(self, pattern: Pattern) -> Float[Tensor, "batch head"]:
        """Return the mean attention that is cut from a query of the answer."""
        asked = (self.source >= 0).sum(dim=1)[:, None].clamp(min=1)
        return self.removed(pattern.to(torch.promote_types(pattern.dtype, torch.float32))).sum(dim=(2, 3)) / asked

    def _to_source(self, pattern: Pattern) -> Pattern:
        """The attention to the source alone, 0 elsewhere."""
        at = self.source[:, None, :, None]
        weight = pattern.take_along_dim(at.clamp(min=0), dim=3).masked_fill(at < 0, 0.0)
        return torch.zeros_like(pattern).scatter(3, at.clamp(min=0).expand_as(weight), weight)


@dataclass(frozen=True, eq=False)
class EdgeCut(EdgeEdit):
    """The edge from each query of the answer to its source is removed, in the given heads and nowhere else."""

    kind: ClassVar[str] = "edges"

    def removed(self, pattern: Pattern) -> Pattern:
        return self._to_source(pattern)

    def rows(self, index: slice | Int[Tensor, " row"]) -> "EdgeCut":
        return EdgeCut(self.source[index])


@dataclass(frozen=True, eq=False)
class EdgeControl(EdgeEdit):
    """The control of `EdgeCut`: in the same rows as much attention is taken from places that do not match.

    Places are visited in a random order until as much is gone as the head gives to the source. A sharp head gives less
    than that to all of them together; then all of it goes, and `amount` says how much that was.
    """

    kind: ClassVar[str] = "edge-control"
    tokens: Int[Tensor, "batch pos"]
    order: Int[Tensor, "batch pos"]
    """The order in which the places of each string are visited."""

    @classmethod
    def draw(cls, batch: Batch, generator: torch.Generator) -> "EdgeControl":
        order = torch.rand(
            batch.tokens.shape, generator=generator, device=generator.device, dtype=torch.float32
        ).argsort(dim=1)
        return cls(batch.source, batch.tokens, order.to(batch.tokens.device))

    def places(self) -> Bool[Tensor, "batch query key"]:
        """Letters of the first copy that do not match: some other query's source, and not after the query's letter."""
        asking = self.source >= 0
        sources = torch.zeros_like(self.source).scatter_add(1, self.source.clamp(min=0), asking.to(self.source.dtype))
        before = self.tokens.roll(1, dims=1)  # position 0 is the beginning, which is no one's source
        matches = before[:, None, :] == self.tokens[:, :, None]
        at_source = self.source[:, :, None] == torch.arange(self.source.shape[1], device=self.source.device)
        return (sources > 0)[:, None, :] & ~matches & ~at_source & asking[:, :, None]

    def removed(self, pattern: Pattern) -> Pattern:
        wanted = self._to_source(pattern).sum(dim=-1, keepdim=True)
        available = pattern.masked_fill(~self.places()[:, None], 0.0)
        order = self.order[:, None, None, :].expand_as(pattern)
        in_order = available.gather(3, order)
        taken_before = in_order.cumsum(dim=3) - in_order
        taken = torch.minimum(in_order, (wanted - taken_before).clamp(min=0))
        return torch.zeros_like(pattern).scatter(3, order, taken)

    def rows(self, index: slice | Int[Tensor, " row"]) -> "EdgeControl":
        return EdgeControl(self.source[index], self.tokens[index], self.order[index])


def _sink(pattern: Pattern, kept_in: torch.dtype) -> Float[Tensor, "batch head query 1"]:
    """What each row gives to an attention sink; 0 where the row sums to 1, up to rounding."""
    share = 1 - pattern.sum(dim=-1, keepdim=True)
    precision = max(torch.finfo(dtype).eps for dtype in (kept_in, torch.float32))
    return share.where(share > ROUNDING * precision, 0.0)


Intervention = Value | EdgeEdit

KINDS: dict[str, Callable[[Batch, torch.Generator], Intervention]] = {
    "zero": lambda batch, generator: Zero(),  # noqa: ARG005
    "mean": lambda batch, generator: Mean(),  # noqa: ARG005
    "mean-per-position": lambda batch, generator: MeanPerPosition(),  # noqa: ARG005
    "resample": lambda batch, generator: Resample.draw(len(batch), generator),
    "edges": lambda batch, generator: EdgeCut(batch.source),  # noqa: ARG005
    "edge-control": EdgeControl.draw,
}
"""Name on the command line -> how the intervention is made for a batch."""


def intervention(kind: str, batch: Batch, generator: torch.Generator) -> Intervention:
    """Make the intervention of a name, for a batch.

    Args:
        kind: one of `KINDS`.
        batch: strings that it is made for.
        generator: draws donors and orders.

    Raises: UserError for an unknown name, listing those that exist.
    """
    if kind not in KINDS:
        raise unknown("kind of ablation", kind, KINDS)
    return KINDS[kind](batch, generator)
