"""Which heads are ablated: sets of them as they are reported, and ablations as they are run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch

from interp.base.calls import checked_call
from interp.base.errors import UserError, shown
from interp.measure.ablation.interventions import EdgeEdit, Intervention
from interp.models.heads import Head, Heads, HeadTable
from interp.models.surface import Model

Group = Literal["single", "cumulative", "random order", "all but one", "all", "edges", "no role"]


@checked_call
@dataclass(frozen=True)
class Ablation:
    """A set of heads, and what they do instead; without heads, the model as it is.

    >>> from interp.measure.values import Mean
    >>> Ablation(("L1H3", "L1H4"), Mean()).heads
    ('L1H3', 'L1H4')
    """

    heads: tuple[Any, ...]
    """Names, or `Head`s of the model (what runs it has `of` make of them)."""
    intervention: Intervention

    @property
    def layers(self) -> list[int]:
        """Layers of the heads, first to last."""
        return sorted({head.layer for head in self.heads})

    def of(self, model: Model) -> "Ablation":
        """Return the same with `Head`s of the model.

        Raises: UserError for heads that it does not have, or edges of heads whose pattern cannot be edited.
        """
        if not isinstance(self.heads, str) and not len(self.heads):
            return self
        heads = HeadTable.of(model).parse(self.heads)
        fixed = [head.name for head in heads if not head.editable]
        if isinstance(self.intervention, EdgeEdit) and fixed:
            raise UserError(
                "heads must have an attention pattern that can be edited, for edges to be cut; got "
                f"{', '.join(fixed)}, whose pattern can only be read. Use another kind of ablation."
            )
        return replace(self, heads=heads)


@checked_call
@dataclass(frozen=True)
class HeadSet:
    """Heads that are ablated together, and how that is reported."""

    name: str
    group: Group
    """Heads of the group "edges" lose their edges to the match, whatever is done to the others."""
    heads: tuple[Any, ...]
    """Names, or `Head`s of the model."""


@checked_call
def named_sets(heads: Heads) -> list[HeadSet]:
    """Return each head alone, and all of them together.

    >>> [head_set.name for head_set in named_sets(["L1H3", "L1H4"])]
    ['L1H3', 'L1H4', 'all']

    Raises: UserError for one name that is not in a list.
    """
    if isinstance(heads, str | Head):
        raise UserError(
            f"heads must be a list of names such as ['L1H3']; got {shown(str(heads))} on its own. Put it in a list."
        )
    together = [HeadSet("all", "all", tuple(heads))] if len(heads) > 1 else []
    return [*(HeadSet(str(head), "single", (head,)) for head in heads), *together]


def lookup_sets(heads: Sequence[Any], generator: torch.Generator, orders: int = 3, steps: int = 8) -> list[HeadSet]:
    """Return the sets of a study, from the lookup heads in the order of the score; none from none.

    Args:
        heads: names or `Head`s, best first.
        generator: of the random orders.
        orders: random orders.
        steps: sizes of the cumulative sets, at most; with more heads, sizes in between are left out.
    """
    n, every = len(heads), tuple(heads)
    if n == 0:
        return []
    sizes = sorted({round(size) for size in np.linspace(1, n, min(n, steps))})
    sets = [HeadSet(str(head), "single", (head,)) for head in every]
    sets += [HeadSet(f"best {size}", "cumulative", every[:size]) for size in sizes]
    if n > 1:
        for order in range(1, orders + 1):
            shuffled = tuple(every[i] for i in torch.randperm(n, generator=generator).tolist())
            sets += [HeadSet(f"order {order}: {size}", "random order", shuffled[:size]) for size in sizes]
        for left in every:
            rest = tuple(head for head in every if head != left)
            sets.append(HeadSet(f"all but {left}", "all but one", rest))
    return [*sets, HeadSet("all", "all", every), HeadSet("edges to the match", "edges", every)]


@checked_call
def sets_without_role(heads: Sequence[Any], most: int = 8) -> list[HeadSet]:
    """Return the sets of heads that attend to the source and were given no role: each alone, and all of them together.

    >>> [head_set.name for head_set in sets_without_role(["L1H0", "L1H2"])]
    ['L1H0', 'L1H2', 'all without a role']

    Args:
        heads: names or `Head`s, best first.
        most: heads that are also ablated alone.
    """
    sets = [HeadSet(str(head), "no role", (head,)) for head in heads[:most]]
    return [*sets, HeadSet("all without a role", "no role", tuple(heads))] if len(heads) > 1 else sets
