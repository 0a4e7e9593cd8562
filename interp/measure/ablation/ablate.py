"""Proof by ablation: ablate heads, compare with ablating others, and say what it cost, with intervals.

`ablate` does it for any sets of heads. `ablation_study` does it for the lookup heads that were found before, on other
strings. They are redundant copies of each other, so the unit is the set: each head alone, cumulatively in the order of
the score, the same in random order, all but one, all; and only the edges from the queries to the match, in all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

import numpy as np

from interp.base.calls import checked_call
from interp.base.errors import UserError, shown
from interp.base.estimates import difference_interval, mean_interval
from interp.base.seeds import as_generator
from interp.measure.ablation.controls import control_interval
from interp.measure.ablation.plans import ControlPlan, Plan, make_plans
from interp.measure.ablation.sets import Ablation, HeadSet, lookup_sets, sets_without_role
from interp.measure.ablation.sweep import PerStringScores, sweep
from interp.measure.progress import OnStep
from interp.measure.values import Zero
from interp.models.heads import Heads, HeadTable
from interp.models.surface import Model, device
from interp.results.ablation import AblationResult, Control
from interp.results.heads import HeadScores
from interp.tasks.base import Batch
from interp.tasks.vocabulary import Vocabulary

Row = dict[str, np.ndarray]
"""Fields of `PerStringScores` for one ablation, string by string."""


@checked_call
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
    on_step: OnStep = lambda _: None,
) -> tuple[AblationResult, ...]:
    """Take the lookup heads away, one by one and together, and flagged heads without a role; nothing without either.

    Edges are left out for heads whose attention can be read, but not edited: those of hidden attention, and all of some
    pretrained models.

    Args:
        model, vocabulary, batch, kind, seed, draws: as in `ablate`.
        scores: roles and scores of the heads, from other strings than `batch`.
        orders, steps: as in `lookup_sets`.
        on_step: as in `ablate`.

    Returns: one result for each set of heads (`lookup_sets`, `sets_without_role`).

    Raises: UserError as `ablate` does.
    """
    heads = HeadTable.of(model).parse(scores.of_role("lookup"))
    sets = lookup_sets(heads, as_generator(seed), orders, steps)
    cut = tuple(head for head in heads if head.editable)
    sets = [replace(s, heads=cut) if s.group == "edges" else s for s in sets if s.group != "edges" or cut]
    others = HeadTable.of(model).parse(scores.without_role)
    sets += sets_without_role([head for head in others if kind != "edges" or head.editable], steps)
    return ablate(model, vocabulary, batch, sets, kind, scores.no_controls, seed, draws, on_step=on_step)


@checked_call
def ablate(
    model: Model,
    vocabulary: Vocabulary,
    batch: Batch,
    head_sets: Sequence[HeadSet],
    kind: str = "mean",
    with_role: Heads = (),
    seed: int = 0,
    draws: int = 10,
    edge_control: bool = True,
    on_step: OnStep = lambda _: None,
) -> tuple[AblationResult, ...]:
    """Take each set of heads away, and its controls (`interp.measure.ablation.controls`): same layer, any layer, edges.

    >>> from interp.measure.ablation.sets import named_sets
    >>> from interp.models.planted import planted_copier
    >>> from interp.tasks.copy import CopyTask
    >>> task = CopyTask(26)
    >>> strings = task.sample(8, 6, as_generator(0))
    >>> (result,) = ablate(planted_copier(2, 26)[0], task.vocabulary, strings, named_sets(["L1H3"]), "zero")
    >>> result.string_accuracy_before, result.string_accuracy_after
    (1.0, 0.0)

    Args:
        model: one of ours, or any with TransformerLens's surface.
        vocabulary: which tokens are letters.
        batch: the strings; not those on which the heads were chosen.
        head_sets: the sets.
        kind: name of an intervention (`interp.measure.ablation.interventions`).
        with_role: heads that have a role, by name; controls are drawn from the others.
        seed: of donors and control sets.
        draws: control sets of each size, at most.
        edge_control: whether edges elsewhere are cut, too, where they can be.
        on_step: told how far it is, and how long the rest will take, where that is long.

    Returns:
        one result for each set, in order. Intervals are of the paired differences, string by string: of
        accuracies Korn and Graubard's, of loss and logits Student's and Hall's.

    Raises: UserError for an unknown kind of ablation, for heads (those with a role among them) that the model does not
        have, a set without any, a single string, and as `sweep` does.
    """
    if not head_sets:
        return ()
    if empty := [each.name for each in head_sets if not len(each.heads)]:
        raise UserError(f"head_sets must each name at least one head; got none in {shown(empty[0])}. Leave it out.")
    if len(batch) < 2 or draws < 0:
        raise UserError(
            f"batch must hold at least 2 strings, for intervals, and draws be at least 0; got {len(batch)} strings and "
            f"draws={draws}. Sample more strings."
        )
    batch = batch.to(device(model))
    plans = make_plans(model, batch, head_sets, kind, with_role, as_generator(seed), draws, edge_control)
    clean = Ablation((), Zero())
    runs = list(dict.fromkeys([clean, *(run for plan in plans for run in plan.runs)]))
    scores = sweep(model, batch, vocabulary, runs, on_step=on_step)
    arrays = {f.name: getattr(scores, f.name).cpu().numpy() for f in fields(PerStringScores)}
    rows = {run: {name: array[i] for name, array in arrays.items()} for i, run in enumerate(runs)}
    return tuple(_result(plan, rows[clean], rows) for plan in plans)


def _result(plan: Plan, before: Row, rows: Mapping[Ablation, Row]) -> AblationResult:
    after = rows[plan.run]
    mean_before, mean_after = ({name: float(values.mean()) for name, values in row.items()} for row in (before, after))
    controls = tuple(_control(control, rows) for control in plan.controls)
    chosen = _chosen(controls, plan.head_set.group)
    return AblationResult(
        name=plan.head_set.name,
        group=plan.head_set.group,
        kind=plan.run.intervention.kind,
        heads=tuple(head.name for head in plan.head_set.heads),
        string_accuracy_before=mean_before["string_correct"],
        string_accuracy_after=mean_after["string_correct"],
        # "After less before" of the two exchanged: a drop is positive.
        interval=difference_interval(after["string_correct"], before["string_correct"]),
        letter_accuracy_before=mean_before["letter_correct"],
        letter_accuracy_after=mean_after["letter_correct"],
        letter_interval=difference_interval(after["letter_correct"], before["letter_correct"]),
        loss_before=mean_before["loss"],
        loss_after=mean_after["loss"],
        loss_interval=mean_interval(after["loss"] - before["loss"]),
        logit_difference_before=mean_before["logit_difference"],
        logit_difference_after=mean_after["logit_difference"],
        logit_difference_interval=mean_interval(before["logit_difference"] - after["logit_difference"]),
        control_mean=chosen.string_accuracy if chosen else None,
        control_interval=chosen.interval if chosen else None,
        controls=controls,
        **after,
        **{f"clean_{name}": values for name, values in before.items()},
    )


def _control(plan: ControlPlan, rows: Mapping[Ablation, Row]) -> Control:
    if not plan.runs:
        return Control(plan.name, plan.pool, 0, None, None, plan.attention)
    correct = np.stack([rows[run]["string_correct"] for run in plan.runs])
    interval = control_interval(correct)
    return Control(plan.name, plan.pool, len(correct), float(correct.mean()), interval, plan.attention, correct)


def _chosen(controls: Sequence[Control], group: str) -> Control | None:
    """The control of heads (of edges, for edges) with an interval; else one that could be drawn at all."""
    drawn = [control for control in controls if control.draws and (control.name == "edges") == (group == "edges")]
    return next((control for control in drawn if control.interval), drawn[0] if drawn else None)
