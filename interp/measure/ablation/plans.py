"""Which sets of heads to take away, and which others to take away beside them: the plan of a study of ablations."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import torch

from interp.measure.ablation.controls import Draw, attention_removed, control_pool, distinct_sets, places_per_query
from interp.measure.ablation.interventions import EdgeControl, EdgeCut, intervention
from interp.measure.ablation.runs import Ablation
from interp.models.heads import head_name
from interp.models.surface import Head, Model, edge_heads, heads
from interp.tasks.base import Batch

EDGE_DRAWS = 4
"""Random orders in which the edge control visits the places that do not match."""


@dataclass(frozen=True)
class Question:
    """A set of heads to take away, and how it is reported."""

    name: str
    group: Literal["single", "cumulative", "random order", "all but one", "all", "edges"]
    """Heads of the group "edges" lose their edges to the match, whatever is done to the others."""
    heads: tuple[Head, ...]


@dataclass(frozen=True)
class ControlPlan:
    """A control, before it is run; the fields are those of `Control`."""

    name: str
    pool: int
    runs: tuple[Ablation, ...]
    attention: tuple[float, float] | None = None


@dataclass(frozen=True)
class Plan:
    """A question, what answers it, and its controls."""

    question: Question
    run: Ablation
    controls: tuple[ControlPlan, ...]

    @property
    def runs(self) -> list[Ablation]:
        return [self.run, *(run for control in self.controls for run in control.runs)]


def named_questions(heads: Sequence[Head]) -> list[Question]:
    """Each head alone, and all of them together."""
    together = [Question("all", "all", tuple(heads))] if len(heads) > 1 else []
    return [*(Question(head_name(head), "single", (head,)) for head in heads), *together]


def lookup_questions(
    heads: Sequence[Head], generator: torch.Generator, orders: int = 3, steps: int = 8
) -> list[Question]:
    """The sets of a study, from the lookup heads in the order of the score; none from none.

    Args:
        heads: best first.
        generator: of the random orders.
        orders: random orders.
        steps: sizes of the cumulative sets, at most; with more heads, sizes in between are left out.
    """
    n, every = len(heads), tuple(heads)
    if n == 0:
        return []
    sizes = sorted({round(size) for size in np.linspace(1, n, min(n, steps))})
    questions = [Question(head_name(head), "single", (head,)) for head in every]
    questions += [Question(f"best {size}", "cumulative", every[:size]) for size in sizes]
    if n > 1:
        for order in range(1, orders + 1):
            shuffled = tuple(every[i] for i in torch.randperm(n, generator=generator).tolist())
            questions += [Question(f"order {order}: {size}", "random order", shuffled[:size]) for size in sizes]
        for left in every:
            rest = tuple(head for head in every if head != left)
            questions.append(Question(f"all but {head_name(left)}", "all but one", rest))
    return [*questions, Question("all", "all", every), Question("edges to the match", "edges", every)]


def make_plans(
    model: Model,
    batch: Batch,
    questions: Sequence[Question],
    kind: str,
    with_role: Collection[str],
    generator: torch.Generator,
    draws: int,
    edge_control: bool = True,
) -> list[Plan]:
    """Give each question its controls: same layer, any layer and, where the attention of all can be edited, edges.

    Args: as those of `ablate`; the generator draws donors, control sets and orders.

    Raises: UserError for an unknown kind of ablation.
    """
    way, cut = intervention(kind, batch, generator), EdgeCut(batch.source)
    pool = control_pool(model, batch, with_role)
    editable = edge_heads(model)
    edges = _edge_control(model, batch, cut, generator) if editable and edge_control else None
    sets = cache(lambda draw: distinct_sets(draw, draws, generator))  # sets of one size share their controls

    def plan(question: Question) -> Plan:
        chosen, how = tuple(sorted(set(question.heads))), cut if question.group == "edges" else way

        def other_heads(name: str, draw: Draw) -> ControlPlan:
            size = sum(len(free) for free, _ in draw)
            return ControlPlan(name, size, tuple(Ablation(others, how) for others in sets(draw)))

        controls = [
            other_heads("same layer", pool.same_layer(chosen)),
            other_heads("any layer", pool.any_layer(chosen)),
            *([edges(chosen)] if edges is not None and set(chosen) <= set(editable) else []),
        ]
        return Plan(question, Ablation(chosen, how), tuple(controls))

    return [plan(question) for question in questions]


def _edge_control(
    model: Model, batch: Batch, cut: EdgeCut, generator: torch.Generator
) -> Callable[[tuple[Head, ...]], ControlPlan]:
    """Makes the edge control of any set of heads."""
    edits = [EdgeControl.draw(batch, generator) for _ in range(EDGE_DRAWS)]
    removed = attention_removed(model, batch, [cut, *edits]).cpu().numpy()
    wanted, taken, places = removed[0], removed[1:].mean(axis=0), places_per_query(edits[0])
    index = {head: i for i, head in enumerate(heads(model))}

    def of(chosen: tuple[Head, ...]) -> ControlPlan:
        at = [index[head] for head in chosen]
        attention = float(np.mean(wanted[at])), float(np.mean(taken[at]))
        runs = tuple(Ablation(chosen, edit) for edit in edits) if places else ()
        return ControlPlan("edges", places, runs, attention)

    return of
