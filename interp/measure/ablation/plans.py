"""Which others to ablate beside each set of heads: the plan of a study of ablations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch

from interp.measure.ablation.controls import Draw, attention_removed, control_pool, distinct_sets, places_per_query
from interp.measure.ablation.interventions import EdgeControl, EdgeCut, intervention
from interp.measure.ablation.sets import Ablation, HeadSet
from interp.models.heads import Head, Heads, HeadTable
from interp.models.surface import Model
from interp.tasks.base import Batch

EDGE_DRAWS = 4
"""Random orders in which the edge control visits the places that do not match."""


@dataclass(frozen=True)
class ControlPlan:
    """A control, before it is run; the fields are those of `Control`."""

    name: str
    pool: int
    runs: tuple[Ablation, ...]
    """One for each control set."""
    attention: tuple[float, float] | None = None


@dataclass(frozen=True)
class Plan:
    """A head set, the ablation that takes it away, and its controls."""

    head_set: HeadSet
    run: Ablation
    controls: tuple[ControlPlan, ...]

    @property
    def runs(self) -> list[Ablation]:
        """All runs of the model that it takes."""
        return [self.run, *(run for control in self.controls for run in control.runs)]


def make_plans(
    model: Model,
    batch: Batch,
    head_sets: Sequence[HeadSet],
    kind: str,
    with_role: Heads,
    generator: torch.Generator,
    draws: int,
    edge_control: bool = True,
) -> list[Plan]:
    """Give each head set its controls: same layer, any layer and, where the attention of all can be edited, edges.

    Args:
        generator: draws donors, control sets and orders.
        model, batch, head_sets, kind, with_role, draws, edge_control: as in `ablate`.

    Raises: UserError for an unknown kind of ablation, or heads that the model does not have.
    """
    table = HeadTable.of(model)
    head_sets = [replace(head_set, heads=table.parse(head_set.heads)) for head_set in head_sets]
    replacement, cut = intervention(kind, batch, generator), EdgeCut(batch.source)
    pool = control_pool(model, batch, with_role)
    edges = _edge_control(model, batch, cut, generator) if table.editable and edge_control else None
    sets = cache(lambda draw: distinct_sets(draw, draws, generator))  # sets of one size share their controls

    def plan(head_set: HeadSet) -> Plan:
        chosen, how = tuple(sorted(head_set.heads)), cut if head_set.group == "edges" else replacement

        def other_heads(name: str, draw: Draw) -> ControlPlan:
            size = sum(len(free) for free, _ in draw)
            return ControlPlan(name, size, tuple(Ablation(others, how) for others in sets(draw)))

        controls = [
            other_heads("same layer", pool.same_layer(chosen)),
            other_heads("any layer", pool.any_layer(chosen)),
            *([edges(chosen)] if edges is not None and all(head.editable for head in chosen) else []),
        ]
        return Plan(head_set, Ablation(chosen, how), tuple(controls))

    return [plan(head_set) for head_set in head_sets]


def _edge_control(
    model: Model, batch: Batch, cut: EdgeCut, generator: torch.Generator
) -> Callable[[tuple[Head, ...]], ControlPlan]:
    """Make the edge control of any set of heads."""
    edits = [EdgeControl.draw(batch, generator) for _ in range(EDGE_DRAWS)]
    removed = attention_removed(model, batch, [cut, *edits]).cpu().numpy()
    wanted, taken, places = removed[0], removed[1:].mean(axis=0), places_per_query(edits[0])
    table = HeadTable.of(model)

    def of(chosen: tuple[Head, ...]) -> ControlPlan:
        at = [table.index(head) for head in chosen]
        attention = float(np.mean(wanted[at])), float(np.mean(taken[at]))
        runs = tuple(Ablation(chosen, edit) for edit in edits) if places else ()
        return ControlPlan("edges", places, runs, attention)

    return of
