"""What an ablated head does instead: small values whose body is the formula.

Two kinds. `Replacement`s put another output in place of a head's z, computed from the clean run of the whole batch:
zero, mean, mean per position, resample. `EdgeEdit`s take attention away from single places and renormalise the row: the
edge from the query to the match, or, as its control, as much attention from places that do not match.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.base.axes import HeadVectors, Pattern, PosMask
from interp.base.errors import UserError, unknown
from interp.tasks.base import Batch


class Replacement(ABC):
    """Another output of a head, at every position, computed from the head's outputs z in the clean run.

    z is an attention head's weighted sum of values, before W_O; of a recurrent layer, the recurrence's output `hook_y`.
    """

    kind: ClassVar[str]

    @abstractmethod
    def output(self, z: HeadVectors, used: PosMask) -> HeadVectors:
        """What stands in for z.

        Args:
            z: the clean outputs on the whole batch.
            used: positions up to the last that is trained, in each string; what follows is padding.
        """


@dataclass(frozen=True, eq=False)
class Zero(Replacement):
    """z becomes 0: the head writes nothing.

    It assumes that 0 is a neutral output. It misleads where a head writes something constant that later layers count
    on, like a bias: then the loss of the constant is taken for the loss of what the head computes.
    """

    kind: ClassVar[str] = "zero"

    def output(self, z: HeadVectors, used: PosMask) -> HeadVectors:  # noqa: ARG002
        return torch.zeros_like(z)


@dataclass(frozen=True, eq=False)
class Mean(Replacement):
    """z becomes its mean over strings and positions: what the head writes on average stays, all variation goes.

    It assumes that the average is a typical output. It misleads where a head has two modes, such as the prompt and the
    answer: the mean lies between them, where no output ever is.
    """

    kind: ClassVar[str] = "mean"

    def output(self, z: HeadVectors, used: PosMask) -> HeadVectors:
        weight = used[:, :, None, None].to(z.dtype)
        return ((z * weight).sum(dim=(0, 1)) / weight.sum()).expand_as(z)


@dataclass(frozen=True, eq=False)
class MeanPerPosition(Replacement):
    """z becomes its mean over strings, for each position apart: what the head says about the position stays.

    It assumes that a position plays the same role in every string. It misleads where lengths differ (a position is a
    letter in one string and the separator in another), and with few strings, whose own output is part of the mean.
    """

    kind: ClassVar[str] = "mean-per-position"

    def output(self, z: HeadVectors, used: PosMask) -> HeadVectors:
        weight = used[:, :, None, None].to(z.dtype)
        return ((z * weight).sum(dim=0) / weight.sum(dim=0).clamp(min=1)).expand_as(z)


@dataclass(frozen=True, eq=False)
class Resample(Replacement):
    """z becomes that of another string at the same positions: outputs stay typical, but say something else.

    It assumes that strings are independent and of equal length, so that positions correspond. It misleads where the
    other string's content is wrong rather than absent: a sharp head then votes for a wrong letter, and costs more than
    no head.
    """

    kind: ClassVar[str] = "resample"
    donor: Int[Tensor, " batch"]
    """From which string each takes its z; never itself."""

    @classmethod
    def draw(cls, n: int, generator: torch.Generator) -> "Resample":
        """Each of `n` strings gets another one, in a random cycle through all of them.

        Raises: UserError if there is one string only.
        """
        if n < 2:
            raise UserError(f"to resample a head's output from another string takes 2 strings; the batch has {n}.")
        order = torch.randperm(n, generator=generator, device=generator.device)
        return cls(torch.empty_like(order).scatter(0, order, order.roll(1)))

    def output(self, z: HeadVectors, used: PosMask) -> HeadVectors:  # noqa: ARG002
        return z[self.donor.to(z.device)]


@dataclass(frozen=True, eq=False)
class EdgeEdit(ABC):
    """Attention taken away from single places at the answer's queries; what is left is renormalised to sum 1.

    Where nothing is left (the softmax can round to exactly 1 on one place), the row becomes even over the other places
    that the head sees; a head that sees no other place writes nothing. It assumes that a head could look elsewhere with
    the rest of the model as it is. It misleads where several heads carry the same edge: those not cut go on.
    """

    kind: ClassVar[str]
    source: Int[Tensor, "batch pos"]
    """For each query the place that its answer is copied from; rows without one (-1) stay as they are."""

    @abstractmethod
    def removed(self, pattern: Pattern) -> Pattern:
        """How much attention is taken away from each place."""

    @abstractmethod
    def rows(self, index: slice | Int[Tensor, " row"]) -> "EdgeEdit":
        """The same for some of the strings, or for strings repeated."""

    def edit(self, pattern: Pattern, visible: Bool[Tensor, "#batch #head query key"]) -> Pattern:
        """The new pattern.

        Args:
            pattern: attention.
            visible: where a head may look at all.
        """
        removed = self.removed(pattern)
        left = pattern - removed
        elsewhere = (visible & (removed == 0)).to(pattern.dtype)
        even = elsewhere / elsewhere.sum(dim=-1, keepdim=True).clamp(min=1)
        total = left.sum(dim=-1, keepdim=True)
        touched = (self.source >= 0)[:, None, :, None]
        return torch.where(touched, torch.where(total > 0, left / total, even), pattern)

    def amount(self, pattern: Pattern) -> Float[Tensor, "batch head"]:
        """Mean attention taken away from a query of the answer."""
        asked = (self.source >= 0).sum(dim=1)[:, None].clamp(min=1)
        return self.removed(pattern).sum(dim=(2, 3)) / asked

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
    """In which order the places of each string are visited."""

    @classmethod
    def draw(cls, batch: Batch, generator: torch.Generator) -> "EdgeControl":
        order = torch.rand(batch.tokens.shape, generator=generator, device=generator.device).argsort(dim=1)
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


Intervention = Replacement | EdgeEdit

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
    """The intervention of a name, for a batch.

    Raises: UserError for an unknown name, listing those that exist.
    """
    if kind not in KINDS:
        raise unknown("kind of ablation", kind, KINDS)
    return KINDS[kind](batch, generator)
