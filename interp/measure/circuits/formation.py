"""One moment of a circuit's formation: how the heads that it will have do now, on the same strings each time."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.axes import Tokens
from interp.base.calls import checked_call
from interp.measure.circuits.edge_sweep import edge_sweep
from interp.measure.circuits.nodes import Graph
from interp.measure.circuits.tables import head_tables
from interp.models.heads import Head, Heads, HeadTable
from interp.models.hidden_attention.pattern import hidden_pattern
from interp.models.stack.model import StackModel
from interp.results.circuits import HeadTables
from interp.results.formation import Formation
from interp.tasks.base import Batch
from interp.tasks.probes.probe import Probe
from interp.tasks.vocabulary import Vocabulary


@dataclass(frozen=True)
class Moment:
    """One step's row of a `Formation`; its arrays are those there."""

    string_correct: np.ndarray
    letter_correct: np.ndarray
    loss: np.ndarray
    attention: np.ndarray
    score: np.ndarray
    by_letter: np.ndarray
    diagonal: np.ndarray
    written: np.ndarray
    profile: np.ndarray


@checked_call
@torch.no_grad()
def moment_of(
    model: StackModel,
    strings: Batch,
    vocabulary: Vocabulary,
    probe: Probe,
    lookups: Heads,
    gathers: Heads,
    letters: int = 6,
) -> Moment:
    """Measure a model at one step of its training.

    Args:
        model: one of this package's, as it was then.
        strings: on which accuracy and loss are measured.
        vocabulary: which tokens are letters.
        probe: on which scores are taken apart.
        lookups: lookup heads of the end, of attention layers.
        gathers: gather heads of the end.
        letters: letters back that are kept apart.
    """
    table, graph = HeadTable.of(model), Graph.of(model)
    looking, gathering = table.parse(lookups), table.parse(gathers)
    whole = edge_sweep(model, strings, vocabulary, np.ones((1, len(graph.edges)), dtype=bool))
    tables = [head_tables(model, probe, head, letters) for head in looking]
    seen = [_pattern(model, probe.batch.tokens, head) for head in looking]
    rows, at = torch.arange(len(probe), device=probe.query.device), (probe.query, probe.source)
    letters_apart = len(tables[0].query_letters) - 1 if tables else letters
    size = (len(tables), letters_apart + 1, letters_apart + 2)
    return Moment(
        string_correct=whole.string_correct[0].cpu().numpy(),
        letter_correct=whole.letter_correct[0].double().cpu().numpy(),
        loss=whole.loss[0].double().cpu().numpy(),
        attention=_stacked([pattern[rows, at[0], at[1]].double().cpu().numpy() for pattern in seen], (0, len(probe))),
        score=_stacked([each.score for each in tables], (0, len(probe))),
        by_letter=_stacked([each.by_letter.mean(axis=0) for each in tables], size),
        diagonal=_stacked([each.diagonal.T for each in tables], (0, letters_apart, len(probe))),
        written=_stacked(
            [_stacked([_through(each, _writer(head)) for each in tables], (0, len(probe))) for head in gathering],
            (0, len(tables), len(probe)),
        ),
        profile=_stacked(
            [_profile(_pattern(model, probe.batch.tokens, head), letters_apart) for head in gathering],
            (0, letters_apart),
        ),
    )


def formation_of(
    steps: Sequence[int], examples: Sequence[int], lookups: Heads, gathers: Heads, moments: Sequence[Moment]
) -> Formation:
    """Put the moments of a training together, first to last."""
    rows = {field.name: np.stack([getattr(each, field.name) for each in moments]) for field in fields(Moment)}
    return Formation(tuple(steps), np.array(examples), tuple(map(str, lookups)), tuple(map(str, gathers)), **rows)


def _stacked(parts: list[np.ndarray], empty: tuple[int, ...]) -> np.ndarray:
    return np.stack(parts) if parts else np.zeros(empty)


def _writer(head: Head) -> str:
    """The node that a head's writes are part of."""
    return head.name if head.kind == "attention" else f"L{head.layer}.mixer"


def _through(table: HeadTables, writer: str) -> np.ndarray:
    """What of a score a node wrote to the query, the key, or both."""
    by_writer, names = table.by_writer, table.writers
    i = names.index(writer)
    return by_writer[:, i].sum(axis=1) + by_writer[:, :, i].sum(axis=1) - by_writer[:, i, i]


def _pattern(model: StackModel, tokens: Tokens, head: Head) -> Float[Tensor, "batch query key"]:
    if head.kind != "attention":
        return hidden_pattern(model, tokens, head.layer)[:, head.index]
    name = f"blocks.{head.layer}.attn.hook_pattern"
    _, cache = model.run_with_cache(tokens, return_type=None, names_filter=[name], stop_at_layer=head.layer + 1)
    return cache[name][:, head.index]


def _profile(pattern: Float[Tensor, "batch query key"], offsets: int) -> np.ndarray:
    """Attention to the place 0, 1, ... back, over queries that have all of these."""
    rows = [pattern.diagonal(offset=-t, dim1=1, dim2=2)[:, max(0, offsets - 1 - t) :].mean() for t in range(offsets)]
    return torch.stack(rows).double().cpu().numpy()
