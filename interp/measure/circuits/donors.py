"""What every node writes, and what stands in its place on an edge that is replaced."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from interp.base.axes import PosMask
from interp.base.errors import UserError
from interp.measure.circuits.nodes import Graph, Node
from interp.measure.values import Donor, Value
from interp.models.stack.model import StackModel
from interp.tasks.base import Batch, ContrastPair

Writes = dict[str, Tensor]
"""Node -> what it writes [batch pos d_model]; of a head z [batch pos d_head], before W_O."""


def written(model: StackModel, graph: Graph, tokens: Tensor, rows: Sequence[slice]) -> Writes:
    """Read what every node of a model writes on some strings.

    Args:
        model: the model.
        graph: its graph.
        tokens: the strings.
        rows: how they are cut.
    """
    hooks = {node.name: _hook(node) for node in graph.nodes if node.writes_at}
    parts: dict[str, list[Tensor]] = {name: [] for name in hooks}
    for some in rows:
        _, cache = model.run_with_cache(tokens[some], return_type=None, names_filter=sorted(set(hooks.values())))
        for node in graph.nodes:
            if node.writes_at:
                value = cache[hooks[node.name]]
                parts[node.name].append(value if node.head is None else value[:, :, node.head.index])
    return {name: torch.cat(values) for name, values in parts.items()}


def donors(
    model: StackModel,
    graph: Graph,
    strings: Batch | ContrastPair,
    value: Value,
    rows: Sequence[slice],
    clean: Writes | None = None,
) -> Writes:
    """Make what every node writes instead: a value of the strings' own run, or what the corrupted run has there.

    Args:
        model: the model.
        graph: its graph.
        strings: the strings, or a pair, whose corrupted run is the donor then.
        value: what stands instead; not asked for a pair.
        rows: how the strings are cut.
        clean: what the nodes write as they are, if that is known.

    Raises: UserError for a `Donor`, which is of one place, or for packed strings.
    """
    batch = strings.clean if isinstance(strings, ContrastPair) else strings
    if batch.segment is not None:
        raise UserError(
            "strings must stand one in a row for edges to be replaced; got packed ones. Sample them unpacked."
        )
    if isinstance(strings, ContrastPair):
        return written(model, graph, strings.corrupted.tokens, rows)
    if isinstance(value, Donor):
        raise UserError(
            "value must be zero, a mean or another string's; got Donor, which is of one place. Give a ContrastPair: "
            "its corrupted run is the donor of every edge."
        )
    found = clean or written(model, graph, batch.tokens, rows)
    return {name: value.output(activation, used(batch)) for name, activation in found.items()}


def used(batch: Batch) -> PosMask:
    """Positions up to the last that is trained, in each string; what follows is padding."""
    return batch.loss_mask.flip(1).cumsum(dim=1).flip(1) > 0


def some_rows(writes: Mapping[str, Tensor], rows: slice) -> Writes:
    """The writes in some of the strings."""
    return {name: value[rows] for name, value in writes.items()}


def _hook(node: Node) -> Any:
    """Hook point where what it writes is read; of a head z."""
    return node.writes_at if node.head is None else node.head.output_hook
