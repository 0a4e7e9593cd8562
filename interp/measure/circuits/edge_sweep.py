"""Many sets of edges on one batch: how each string fares when these edges are kept, and all others carry a donor's.

Edge patching takes all edges but one, sufficiency a few of them; `keeping` makes the rows of either. The fast way runs
each value once (`edge_runs`); the slow, obvious one runs the model anew for each set, with hooks.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.budget import budget
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.measure.ablation.sweep import PerStringScores
from interp.measure.circuits.donors import Writes, donors, some_rows
from interp.measure.circuits.edge_runs import EdgeRun
from interp.measure.circuits.nodes import Graph
from interp.measure.circuits.plan import Kept, Plan
from interp.measure.progress import OnStep, Progress
from interp.measure.values import MeanPerPosition, Value
from interp.models.hooks.model import Hook
from interp.models.stack.model import StackModel
from interp.tasks.base import Batch, ContrastPair
from interp.tasks.score import answer_loss, letter_correct, logit_difference, per_string
from interp.tasks.vocabulary import Vocabulary

STORED = 4
"""Times the budget of one tensor that all values of a run may take."""
AT_ONCE = 2**20
"""Numbers in one tensor of streams: within reach of the caches."""


def keeping(graph: Graph, sets: Sequence[Any]) -> Kept:
    """Make the row of each set of edges that is kept.

    >>> from interp.models.planted import planted_copier
    >>> graph = Graph.of(planted_copier(1, 4)[0])
    >>> keeping(graph, [["embed->unembed"], graph.edges]).sum(axis=1)
    array([ 1, 52])

    Raises: UserError for an edge that the model does not have.
    """
    rows = np.zeros((len(sets), len(graph.edges)), dtype=bool)
    for row, edges in zip(rows, sets, strict=True):
        row[[graph.index(edge) for edge in graph.parse(edges)]] = True
    return rows


def all_but_each(graph: Graph) -> Kept:
    """Make the rows of edge patching: each edge in turn is replaced, and all others are kept."""
    return ~np.eye(len(graph.edges), dtype=bool)


@checked_call
@torch.no_grad()
def edge_sweep(
    model: StackModel,
    strings: Batch | ContrastPair,
    vocabulary: Vocabulary,
    kept: Kept,
    value: Value | None = None,
    *,
    slow: bool = False,
    floats_at_once: int | None = None,
    on_step: OnStep = lambda _: None,
) -> PerStringScores:
    """Run the model with each set of edges kept, and every other edge carrying a donor's value.

    >>> import interp
    >>> model, task = interp.planted_copier(1, 4)[0], interp.CopyTask(4)
    >>> graph = Graph.of(model)
    >>> scores = edge_sweep(model, task.sample(8, 12, 0), task.vocabulary, all_but_each(graph))
    >>> tuple(scores.loss.shape)  # edges, strings
    (52, 8)

    Args:
        model: one of ours.
        strings: what it is asked. Of a pair the corrupted run is the donor, and only the pair's query is scored.
        vocabulary: which tokens are letters.
        kept: which edges each set keeps [set edge], as `keeping` makes it.
        value: what stands on the other edges instead, computed of what the writer writes; None: its mean over strings
            at each position (`MeanPerPosition`).
        slow: one run of the model for each set; so it is where hooks hang on the model, which the fast way goes round.
        floats_at_once: bounds the memory of activations; None: as the device allows.
        on_step: told how far it is.

    Returns: scores of each string with each set.

    Raises: UserError for rows that are not of this model's edges, packed strings, or a value that is of one place.
    """
    graph = Graph.of(model)
    if kept.shape[1] != len(graph.edges) or not len(kept):
        raise UserError(
            f"kept must have a column for each of the model's {len(graph.edges)} edges, and a row at least; got "
            f"{list(kept.shape)}. Make it with keeping(graph, sets)."
        )
    batch = asked(strings)
    floats = floats_at_once or budget(batch.tokens.device).floats
    tokens_at_once = max(1, floats // (batch.tokens.shape[1] * model.W_E.shape[1]))
    instead = donors(model, graph, strings, value or MeanPerPosition(), blocks_of(len(batch), tokens_at_once))
    parts, told, slow = [], Progress("sets of edges", len(kept), on_step), slow or model.hooked
    for sets in blocks_of(len(kept), len(kept) if slow else _sets_at_once(model, graph, batch, kept, floats)):
        run = _one_by_one if slow else _together
        scored = run(model, graph, batch, vocabulary, kept[sets], instead, floats)
        parts.append(scored)
        told.update(len(kept[sets]))
    return _joined(parts, dim=0)


def asked(strings: Batch | ContrastPair) -> Batch:
    """The batch that is scored: of a pair the clean strings, at the query alone."""
    if isinstance(strings, Batch):
        return strings
    positions = torch.arange(strings.clean.tokens.shape[1], device=strings.query.device)
    return replace(strings.clean, answer=strings.clean.answer & (positions == strings.query[:, None]))


def _together(
    model: StackModel, graph: Graph, batch: Batch, vocabulary: Vocabulary, kept: Kept, instead: Writes, floats: int
) -> PerStringScores:
    """Score all sets, a block of strings at a time."""
    plan = Plan.of(graph, kept)
    strings_at_once = max(1, STORED * floats // _floats_per_string(model, plan, batch))
    which = torch.from_numpy(plan.variants["unembed"]).to(batch.tokens.device)
    parts = []
    for rows in blocks_of(len(batch), strings_at_once):
        some = batch.rows(rows)
        columns = some.answer.any(dim=0).nonzero()[:, 0]
        run = EdgeRun(model, plan, some.tokens, some_rows(instead, rows), columns, min(floats, AT_ONCE))
        scored = [score_at(logits, some, columns, vocabulary) for _, logits in run.logits()]
        found = _joined(scored, dim=0)
        parts.append(PerStringScores(*(getattr(found, field.name)[which] for field in fields(found))))
    return _joined(parts, dim=1)


def score_at(
    logits: Float[Tensor, "set batch column vocab"], batch: Batch, columns: Tensor, vocabulary: Vocabulary
) -> PerStringScores:
    """Score the logits of each set at the columns in which a letter is asked for."""
    n = len(logits)
    kept = {name: value[:, columns] for name, value in vars(batch).items() if value is not None}
    every = replace(batch, **{name: value.repeat(n, *[1] * (value.ndim - 1)) for name, value in kept.items()})
    flat = logits.flatten(0, 1)
    correct = letter_correct(flat.argmax(dim=-1), every)
    quantities = (
        ~(every.answer & ~correct).any(dim=1),
        per_string(correct.float(), every),
        per_string(answer_loss(flat, every), every),
        per_string(logit_difference(flat, every, vocabulary), every),
    )
    return PerStringScores(*(q.unflatten(0, (n, -1)) for q in quantities))


def _one_by_one(
    model: StackModel, graph: Graph, batch: Batch, vocabulary: Vocabulary, kept: Kept, instead: Writes, floats: int
) -> PerStringScores:
    """Run the model anew for each set: the reference."""
    del floats
    columns = batch.answer.any(dim=0).nonzero()[:, 0]
    parts = []
    for row in kept:
        logits = model.run_with_hooks(batch.tokens, fwd_hooks=list(replacing_hooks(model, graph, row, instead)))
        parts.append(score_at(logits[None, :, columns], batch, columns, vocabulary))
    return _joined(parts, dim=0)


def replacing_hooks(model: StackModel, graph: Graph, row: Any, instead: Writes) -> Iterator[Hook]:
    """Make hooks that keep what each writer writes, and change it in what each reader reads, of edges not kept."""
    current: dict[str, Tensor] = {}

    def keep(value: Tensor, hook: Any) -> None:
        current[hook.name] = value

    def change(stream: Tensor, hook: Any) -> Tensor:
        new = stream.clone()
        for edge in replaced[hook.name]:
            node, head = edge.writer, edge.reader.head
            now = current[node.writes_at or ""]
            if node.head is None:
                moved = instead[node.name] - now
            else:
                block: Any = model.blocks[node.layer]
                moved = instead[node.name] @ block.attn.W_O[node.head.index] - now[:, :, node.head.index]
            if head is None:
                new = new + moved
            else:
                new[:, :, head.index] = new[:, :, head.index] + moved
        return new

    replaced = defaultdict(list)
    for edge, is_kept in zip(graph.edges, row, strict=True):
        if not is_kept:
            replaced[edge.reader.reads_at(edge.into)].append(edge)
    writers = {edge.writer.writes_at for edges in replaced.values() for edge in edges}
    yield from ((name, keep) for name in sorted(filter(None, writers)))
    yield from ((name, change) for name in replaced)


def blocks_of(n: int, step: int) -> list[slice]:
    """Cut `n` things into slices of at most `step`."""
    return [slice(first, min(first + step, n)) for first in range(0, n, max(1, step))]


def _sets_at_once(model: StackModel, graph: Graph, batch: Batch, kept: Kept, floats: int) -> int:
    """As many sets as one string's values fit of into memory."""
    step = max(1, len(kept))
    while step > 1 and _floats_per_string(model, Plan.of(graph, kept[:step]), batch) > STORED * floats:
        step = (step + 1) // 2
    return step


def _floats_per_string(model: StackModel, plan: Plan, batch: Batch) -> int:
    """Numbers that all values of a run take, for each string."""
    width = {node.name: model.W_E.shape[1] for node in plan.graph.nodes}
    for node in plan.graph.nodes:
        if node.head is not None:
            block: Any = model.blocks[node.layer]
            width[node.name] = block.attn.W_O.shape[1]
    return batch.tokens.shape[1] * sum(width[name] * n for name, n in plan.floats_per_position.items())


def _joined(parts: Sequence[PerStringScores], dim: int) -> PerStringScores:
    return PerStringScores(*(torch.cat([getattr(part, f.name) for part in parts], dim=dim) for f in fields(parts[0])))
