"""What has to be computed for many sets of kept edges, worked out before anything is: every value once.

A writer's value depends on which of the edges into it are kept, and on the values of those that write to it. Sets of
edges that agree on all of that share the value, so that runs that differ in the last layer alone share all that comes
before it. The values of a writer are numbered as *variants*; -1 stands for the donor's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int

from interp.measure.circuits.nodes import Edge, Graph, Into, Node

DONOR = -1
Kept = Bool[np.ndarray, "set edge"]
"""Which edges each set keeps, in the order of `Graph.edges`."""
Reading = tuple[Node, Into]


@dataclass(frozen=True)
class Stage:
    """Nodes that read the same writers, and so the same streams: the heads of a layer, an MLP, a recurrent layer."""

    readers: tuple[Reading, ...]
    writers: tuple[Node, ...]
    streams: Int[np.ndarray, "stream writer"]
    """The different streams that some set needs: which variant of each writer it is the sum of."""
    which: dict[tuple[str, str], Int[np.ndarray, " set"]]
    """(node, input) -> the stream that it reads, in each set."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The readers, each once."""
        return tuple(dict.fromkeys(node for node, _ in self.readers))

    def inputs(self, node: Node) -> tuple[Int[np.ndarray, "variant into"], Int[np.ndarray, " set"]]:
        """The different inputs that a node gets (a stream for each thing that it reads for), and each set's."""
        return _distinct(np.stack([self.which[node.name, into] for into in node.reads], axis=1))


@dataclass
class Plan:
    """All stages of all sets, in causal order."""

    graph: Graph
    kept: Kept
    stages: list[Stage] = field(default_factory=list)
    variants: dict[str, Int[np.ndarray, " set"]] = field(default_factory=dict)
    """Node -> its variant in each set; of the unembedding, the different logits."""

    @classmethod
    def of(cls, graph: Graph, kept: Kept) -> "Plan":
        """Work out what these sets need."""
        plan = cls(graph, kept)
        for node in graph.nodes:
            if not node.reads:
                plan.variants[node.name] = np.zeros(len(kept), dtype=np.int64)
        for readers, edges in _stages(graph):
            plan._add(readers, edges)
        return plan

    @cached_property
    def floats_per_position(self) -> dict[str, int]:
        """Node -> values of it, and inputs of it, that stand in memory at once."""
        return {
            node.name: len(np.unique(self.variants[node.name]))
            + sum(len(np.unique(stage.which[node.name, into])) for into in node.reads)
            for stage in self.stages
            for node in stage.nodes
        }

    def _add(self, readers: tuple[Reading, ...], edges: dict[Reading, list[tuple[int, Edge]]]) -> None:
        writers = tuple(edge.writer for _, edge in edges[readers[0]])
        now = np.stack([self.variants[w.name] for w in writers], axis=1)
        keys = [np.where(self.kept[:, [place for place, _ in edges[r]]], now, DONOR) for r in readers]
        streams, which = _distinct(np.concatenate(keys))
        by_reader = which.reshape(len(readers), -1)
        stage = Stage(
            readers, writers, streams, {(node.name, into): by_reader[i] for i, (node, into) in enumerate(readers)}
        )
        self.stages.append(stage)
        self.variants |= {node.name: stage.inputs(node)[1] for node in stage.nodes}


def _stages(graph: Graph) -> Iterator[tuple[tuple[Reading, ...], dict[Reading, list[tuple[int, Edge]]]]]:
    """Readers that stand together, with the edges into each, in causal order."""
    edges: dict[Reading, list[tuple[int, Edge]]] = {}
    for place, edge in enumerate(graph.edges):
        edges.setdefault((edge.reader, edge.into), []).append((place, edge))
    together: dict[tuple[int, str], list[Reading]] = {}
    for reader in edges:
        together.setdefault((reader[0].layer, reader[0].kind), []).append(reader)
    for readers in together.values():
        yield tuple(readers), edges


def _distinct(
    rows: Int[np.ndarray, "row column"],
) -> tuple[Int[np.ndarray, "distinct column"], Int[np.ndarray, " row"]]:
    """The different rows, and which of them each is: columns are ranked one after another, as numbers."""
    codes = np.zeros(len(rows), dtype=np.int64)
    for column in rows.T:
        _, codes = np.unique(codes * (int(column.max(initial=0)) + 2) + column - DONOR, return_inverse=True)
    _, first, which = np.unique(codes, return_index=True, return_inverse=True)
    return rows[first], which
