"""Proof by ablation: take heads away, compare with taking others away, and say what it cost, with intervals.

`ablate` does it for any sets of heads. `ablation_study` does it for the lookup heads that were found before, on other
strings. They are redundant copies of each other, so the unit is the set: each head alone, cumulatively in the order of
the score, the same in random order, all but one, all; and only the edges from the queries to the match, in all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Literal

import numpy as np
import torch

from interp.measure.controls import (
    attention_removed,
    control_interval,
    control_pool,
    distinct_sets,
    places_per_query,
)
from interp.measure.interventions import EdgeControl, EdgeCut, Zero, intervention
from interp.measure.names import Head, head_name, parse_heads
from interp.measure.runs import Ablation
from interp.measure.sweep import Outcomes, sweep
from interp.models.surface import Model, has_true_scores
from interp.results import AblationResult, Control, HeadScores, Interval, Role
from interp.stats import paired_difference_interval, paired_proportions_interval
from interp.tasks.base import Batch
from interp.tasks.vocabulary import Vocabulary

EDGE_DRAWS = 4
"""Random orders in which the edge control visits the places that do not match."""


@dataclass(frozen=True)
class Question:
    """A set of heads to take away, and how it is reported."""

    name: str
    group: Literal["single", "cumulative", "random order", "all but one", "all", "edges"]
    heads: tuple[Head, ...]


def ablation_study(
    model: Model,
    vocabulary: Vocabulary,
    scores: HeadScores,
    batch: Batch,
    kind: str = "mean",
    seed: int = 0,
    orders: int = 3,
    draws: int = 10,
    steps: int = 8,
) -> tuple[AblationResult, ...]:
    """Take the lookup heads away, one by one and together; nothing if there are none.

    Args:
        model: one of ours, or any with TransformerLens's surface.
        vocabulary: which tokens are letters.
        scores: roles and scores of the heads, from other strings than `batch`.
        batch: the strings.
        kind: name of an intervention.
        seed: of donors, orders, control sets and intervals.
        orders: random orders.
        draws: control sets of each size, at most.
        steps: sizes of the cumulative sets, at most; with more heads, sizes in between are left out.
    """
    heads = parse_heads(scores.of_role("lookup"), model)
    roles = {head.name: head.role for head in scores.heads}
    questions = lookup_questions(heads, torch.Generator().manual_seed(seed), orders, steps)
    if not has_true_scores(model):
        questions = [question for question in questions if question.group != "edges"]
    return ablate(model, vocabulary, batch, questions, kind, roles, seed, draws) if questions else ()


def lookup_questions(
    heads: Sequence[Head], generator: torch.Generator, orders: int = 3, steps: int = 8
) -> list[Question]:
    """The sets of a study, from the lookup heads in the order of the score. See `ablation_study`."""
    n, every = len(heads), tuple(heads)
    if n == 0:
        return []
    sizes = sorted({round(size) for size in np.linspace(1, n, min(n, steps))})
    questions = [Question(head_name(head), "single", (head,)) for head in heads]
    questions += [Question(f"best {size}", "cumulative", every[:size]) for size in sizes]
    for order in range(orders if n > 1 else 0):
        shuffled = tuple(heads[i] for i in torch.randperm(n, generator=generator).tolist())
        questions += [Question(f"order {order + 1}: {size}", "random order", shuffled[:size]) for size in sizes]
    if n > 1:
        questions += [
            Question(f"all but {head_name(head)}", "all but one", tuple(h for h in heads if h != head))
            for head in heads
        ]
    return [*questions, Question("all", "all", every), Question("edges to the match", "edges", every)]


def named_questions(heads: Sequence[Head]) -> list[Question]:
    """Each head alone, and all of them together."""
    together = [Question("all", "all", tuple(heads))] if len(heads) > 1 else []
    return [*(Question(head_name(head), "single", (head,)) for head in heads), *together]


def ablate(
    model: Model,
    vocabulary: Vocabulary,
    batch: Batch,
    questions: Sequence[Question],
    kind: str = "mean",
    roles: Mapping[str, Role] | None = None,
    seed: int = 0,
    draws: int = 10,
) -> tuple[AblationResult, ...]:
    """Take each set of heads away, and its controls (`interp.measure.controls`): same layer, any layer, edges.

    Args:
        model, vocabulary, batch, kind, seed, draws: as in `ablation_study`.
        questions: the sets; those of the group "edges" lose their edges to the match, whatever the kind.
        roles: role by name of head. Controls are drawn from heads without one.

    Returns:
        one result for each question, in order. The interval of string accuracy is Newcombe's for paired proportions,
        the others are paired bootstrap intervals over strings.

    Raises: UserError for an unknown kind of ablation, and as `sweep` does.
    """
    generator = torch.Generator(batch.tokens.device).manual_seed(seed)
    plans = _plans(model, batch, questions, kind, roles or {}, generator, draws)
    clean = Ablation((), Zero())
    runs = list(dict.fromkeys([clean, *(run for plan in plans for run in plan.runs)]))
    outcomes = sweep(model, batch, vocabulary, runs)
    arrays = {f.name: getattr(outcomes, f.name).cpu().numpy() for f in fields(Outcomes)}
    rows = {run: {name: array[i] for name, array in arrays.items()} for i, run in enumerate(runs)}
    return tuple(_result(plan, rows[clean], rows, seed) for plan in plans)


# ---------------------------------------------------------------------- what is run

Row = dict[str, np.ndarray]
"""The fields of `Outcomes` for one ablation, string by string."""


@dataclass(frozen=True)
class _ControlPlan:
    name: str
    pool: int
    runs: tuple[Ablation, ...]
    attention: tuple[float, float] | None = None


@dataclass(frozen=True)
class _Plan:
    question: Question
    kind: str
    run: Ablation
    controls: tuple[_ControlPlan, ...]

    @property
    def runs(self) -> list[Ablation]:
        return [self.run, *(run for control in self.controls for run in control.runs)]


def _plans(
    model: Model,
    batch: Batch,
    questions: Sequence[Question],
    kind: str,
    roles: Mapping[str, Role],
    generator: torch.Generator,
    draws: int,
) -> list[_Plan]:
    way, cut = intervention(kind, batch, generator), EdgeCut(batch.source)
    pool = control_pool(model, batch, roles)
    edges = _edge_control(model, batch, cut, generator) if has_true_scores(model) else None
    sets = cache(lambda draw: distinct_sets(draw, draws, generator))

    def plan(question: Question) -> _Plan:
        heads, how = tuple(sorted(set(question.heads))), cut if question.group == "edges" else way
        controls = [
            _ControlPlan(
                name, sum(len(free) for free, _ in draw), tuple(Ablation(chosen, how) for chosen in sets(draw))
            )
            for name, draw in (("same layer", pool.same_layer(heads)), ("any layer", pool.any_layer(heads)))
        ]
        if edges is not None:
            controls.append(edges(heads))
        return _Plan(question, how.kind, Ablation(heads, how), tuple(controls))

    return [plan(question) for question in questions]


def _edge_control(
    model: Model, batch: Batch, cut: EdgeCut, generator: torch.Generator
) -> Callable[[tuple[Head, ...]], _ControlPlan]:
    """Makes the edge control of any set of heads."""
    edits = [EdgeControl.draw(batch, generator) for _ in range(EDGE_DRAWS)]
    removed = attention_removed(model, batch, [cut, *edits]).cpu()
    wanted, taken, places = removed[0], removed[1:].mean(dim=0), places_per_query(edits[0])

    def of(heads: tuple[Head, ...]) -> _ControlPlan:
        attention = tuple(float(torch.stack([amount[head] for head in heads]).mean()) for amount in (wanted, taken))
        return _ControlPlan(
            "edges", places, tuple(Ablation(heads, edit) for edit in edits) if places else (), attention
        )

    return of


# ---------------------------------------------------------------------- what is reported


def _result(plan: _Plan, before: Row, rows: Mapping[Ablation, Row], seed: int) -> AblationResult:
    after = rows[plan.run]
    mean_before, mean_after = ({name: float(values.mean()) for name, values in row.items()} for row in (before, after))
    controls = tuple(_control(control, rows, seed) for control in plan.controls)
    chosen = _chosen(controls, plan.question.group)
    return AblationResult(
        name=plan.question.name,
        group=plan.question.group,
        kind=plan.kind,
        heads=tuple(head_name(head) for head in plan.question.heads),
        string_accuracy_before=mean_before["string_correct"],
        string_accuracy_after=mean_after["string_correct"],
        # "After less before" of the two exchanged: a drop is positive.
        interval=paired_proportions_interval(after["string_correct"], before["string_correct"]),
        letter_accuracy_before=mean_before["letter_correct"],
        letter_accuracy_after=mean_after["letter_correct"],
        letter_interval=_drop(before, after, "letter_correct", seed),
        loss_before=mean_before["loss"],
        loss_after=mean_after["loss"],
        loss_interval=_drop(after, before, "loss", seed),
        logit_difference_before=mean_before["logit_difference"],
        logit_difference_after=mean_after["logit_difference"],
        logit_difference_interval=_drop(before, after, "logit_difference", seed),
        control_mean=chosen.string_accuracy if chosen else None,
        control_interval=chosen.interval if chosen else None,
        controls=controls,
        **after,
        **{f"clean_{name}": values for name, values in before.items()},
    )


def _drop(before: Row, after: Row, name: str, seed: int) -> Interval:
    low, high = paired_difference_interval(after[name], before[name], seed)
    return float(low), float(high)


def _control(plan: _ControlPlan, rows: Mapping[Ablation, Row], seed: int) -> Control:
    if not plan.runs:
        return Control(plan.name, plan.pool, 0, None, None, plan.attention)
    correct = np.stack([rows[run]["string_correct"] for run in plan.runs])
    interval = control_interval(correct, seed)
    return Control(plan.name, plan.pool, len(correct), float(correct.mean()), interval, plan.attention, correct)


def _chosen(controls: Sequence[Control], group: str) -> Control | None:
    """The control of heads (of edges, for edges) with an interval; else one that could be drawn at all."""
    drawn = [control for control in controls if control.draws and (control.name == "edges") == (group == "edges")]
    return next((control for control in drawn if control.interval), drawn[0] if drawn else None)
