"""What stands at an edited place instead: small values whose body is the formula.

Each is computed from what stood there in a reference run, as a rule the clean one. Sums and counts are made in single
precision at least, whatever the model's.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.base.axes import PosMask
from interp.base.errors import UserError

Activations = Float[Tensor, "batch pos *inner"]


class Value(ABC):
    """What stands at a place instead, computed from what stood there in a reference run.

    Of an ablated attention head that is z, the weighted sum of values before W_O; of a recurrent layer's head `hook_y`,
    the recurrence's output.
    """

    kind: ClassVar[str]
    from_reference: ClassVar[bool] = True
    """Whether what stood there matters; else no reference run is needed."""

    @abstractmethod
    def output(self, activation: Activations, used: PosMask) -> Activations:
        """Return what stands there instead.

        Args:
            activation: what stood there in the reference run, on the whole batch.
            used: positions up to the last that is trained, in each string; what follows is padding.
        """


@dataclass(frozen=True, eq=False)
class Zero(Value):
    """Zero: the head writes nothing.

    It assumes that 0 is a neutral output. It misleads where a head writes something constant that later layers count
    on, like a bias: then the loss of the constant is taken for the loss of what the head computes.
    """

    kind: ClassVar[str] = "zero"
    from_reference: ClassVar[bool] = False

    def output(self, activation: Activations, used: PosMask) -> Activations:  # noqa: ARG002
        return torch.zeros_like(activation)


@dataclass(frozen=True, eq=False)
class Mean(Value):
    """Mean over strings and positions: what the head writes on average stays, all variation goes.

    It assumes that the average is a typical output. It misleads where a head has two modes, such as the prompt and the
    answer: the mean lies between them, where no output ever is.
    """

    kind: ClassVar[str] = "mean"

    def output(self, activation: Activations, used: PosMask) -> Activations:
        counted, weight = _counted(activation, used)
        mean = counted.sum(dim=(0, 1)) / weight.sum()
        return mean.to(activation.dtype).expand_as(activation)


@dataclass(frozen=True, eq=False)
class MeanPerPosition(Value):
    """Mean over strings, for each position apart: what the head says about the position stays.

    It assumes that a position plays the same role in every string. It misleads where lengths differ (a position is a
    letter in one string and the separator in another), and with few strings, whose own output is part of the mean.
    """

    kind: ClassVar[str] = "mean-per-position"

    def output(self, activation: Activations, used: PosMask) -> Activations:
        counted, weight = _counted(activation, used)
        mean = counted.sum(dim=0) / weight.sum(dim=0).clamp(min=1)
        return mean.to(activation.dtype).expand_as(activation)


@dataclass(frozen=True, eq=False)
class Resample(Value):
    """Another string's, at the same positions: outputs stay typical, but say something else.

    It assumes that strings are independent and of equal length, so that positions correspond. It misleads where the
    other string's content is wrong rather than absent: a sharp head then votes for a wrong letter, and costs more than
    no head.
    """

    kind: ClassVar[str] = "resample"
    donor: Int[Tensor, " batch"]
    """The string from which each takes its own; never itself."""

    @classmethod
    def draw(cls, n: int, generator: torch.Generator) -> "Resample":
        """Give each of `n` strings another one, in a random cycle through all of them.

        Raises: UserError if there is one string only.
        """
        if n < 2:
            raise UserError(f"resample must have at least 2 strings to draw from; got {n}. Use more strings, or mean.")
        order = torch.randperm(n, generator=generator, device=generator.device)
        return cls(torch.empty_like(order).scatter(0, order, order.roll(1)))

    def output(self, activation: Activations, used: PosMask) -> Activations:  # noqa: ARG002
        return activation[self.donor.to(activation.device)]


@dataclass(frozen=True, eq=False)
class Donor(Value):
    """What stood there in another run, such as that of a corrupted batch: activation patching.

    It assumes that the two runs differ in what is asked about and in nothing else. It misleads where they differ in
    more: then whatever else the donor carries counts as well.
    """

    kind: ClassVar[str] = "donor"
    from_reference: ClassVar[bool] = False
    activation: Float[Tensor, "*axes"]
    """What stood at the hook point in that run, of all heads and positions."""

    def output(self, activation: Activations, used: PosMask) -> Activations:  # noqa: ARG002
        return self.activation.to(activation)


def _counted(activation: Activations, used: PosMask) -> tuple[Tensor, Tensor]:
    """The activation where it counts and 0 elsewhere (what stands in padding may be no number), and 1 where it counts,
    with its axes: both wide enough to be summed over many positions."""
    wide = activation.to(torch.promote_types(activation.dtype, torch.float32))
    counts = used.reshape(*used.shape, *[1] * (activation.ndim - 2))
    return wide.where(counts, 0.0), counts.to(wide.dtype)
