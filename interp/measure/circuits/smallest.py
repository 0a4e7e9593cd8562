"""The smallest circuit that still copies: edges are taken away until none can go.

1. Every edge alone is replaced (`all_but_each`): those whose loss suffers least go first, as many at once as leave the
   wanted share of strings right.
2. From what is left each edge is tried alone; of those that can go, as many at once as can go together; until none can.

So each edge of what is found is needed in it. Another set of edges may be smaller still: that only trying all sets
would show. Strings on which edges were chosen flatter the circuit; `try_circuit` on others does not.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.measure.circuits.edge_sweep import all_but_each, edge_sweep
from interp.measure.circuits.nodes import Edge, Graph
from interp.measure.progress import OnStep
from interp.measure.values import Value
from interp.models.stack.model import StackModel
from interp.tasks.base import Batch, ContrastPair
from interp.tasks.vocabulary import Vocabulary

TRIED = 12
"""Sizes that are tried at once."""
Right = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Rows of kept edges -> share of strings right, and loss, with each."""


@checked_call
def smallest_circuit(
    model: StackModel,
    strings: Batch | ContrastPair,
    vocabulary: Vocabulary,
    share: float = 0.95,
    value: Value | None = None,
    on_step: OnStep = lambda _: None,
) -> tuple[Edge, ...]:
    """Find a circuit from which no edge can be taken without losing more than is allowed.

    >>> import interp
    >>> model, task = interp.planted_copier(1, 20)[0], interp.CopyTask(20)
    >>> [edge.name for edge in smallest_circuit(model, task.sample(32, 6, 0), task.vocabulary)][-3:]
    ['L0H1->L1H2.k', 'embed->L1H2.v', 'L1H2->unembed']

    Args:
        model, strings, vocabulary, value, on_step: as in `edge_sweep`.
        share: of the strings that the whole model gets right, that must be right still.

    Returns: its edges, in causal order.

    Raises: UserError for a share that is not above 0 and at most 1, or a model that gets no string right.
    """
    if not 0 < share <= 1:
        raise UserError(f"share must be above 0 and at most 1; got {share}. Leave it at 0.95.")
    graph = Graph.of(model)

    def right(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = edge_sweep(model, strings, vocabulary, rows, value, on_step=on_step)
        return found.string_correct.double().mean(1).cpu().numpy(), found.loss.double().mean(1).cpu().numpy()

    (whole,), _ = right(np.ones((1, len(graph.edges)), dtype=bool))
    if whole == 0:
        raise UserError("the model must get some string right for a circuit that copies; got none. Use shorter ones.")
    least = share * whole
    _, loss = right(all_but_each(graph))
    kept = _without_as_many(np.ones(len(graph.edges), dtype=bool), list(np.argsort(loss, kind="stable")), least, right)
    while kept.any():
        places = np.flatnonzero(kept)
        rows = np.repeat(kept[None], len(places), axis=0)
        rows[np.arange(len(places)), places] = False
        accuracy, loss = right(rows)
        able = [i for i in np.argsort(loss, kind="stable") if accuracy[i] >= least]
        if not able:
            break
        fewer = _without_as_many(kept, [int(places[i]) for i in able], least, right)
        if fewer.sum() == kept.sum():
            fewer[places[able[0]]] = False
        kept = fewer
    return tuple(edge for edge, is_kept in zip(graph.edges, kept, strict=True) if is_kept)


def _without_as_many(kept: np.ndarray, order: Sequence[Any], least: Any, right: Right) -> np.ndarray:
    """Take away the first edges of an order, as many as can go together: sizes are tried more and more finely."""
    low, high = 0, len(order) + 1  # so many can go; so many cannot
    while high - low > 1:
        sizes = np.unique(np.linspace(low, high, TRIED + 2).round().astype(int))
        sizes = sizes[(sizes > low) & (sizes < high)]
        rows = np.repeat(kept[None], len(sizes), axis=0)
        for row, size in zip(rows, sizes, strict=True):
            row[list(order[:size])] = False
        enough = right(rows)[0] >= least
        failed = np.flatnonzero(~enough)
        high = int(sizes[failed[0]]) if len(failed) else high
        low = max([low, *(int(size) for size, ok in zip(sizes, enough, strict=True) if ok and size < high)])
    taken = kept.copy()
    taken[list(order[:low])] = False
    return taken
