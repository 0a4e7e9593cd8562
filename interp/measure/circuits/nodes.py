"""The nodes and edges of a model: the vocabulary in which circuits are spoken of.

A node reads the residual stream and writes to it: the embedding (with learned positions, if there are any), every
attention head, every MLP, every recurrent layer, and the unembedding, which only reads. An edge is what one node
writes, as another one reads it: a head reads three times, for its queries, its keys and its values.

    embed->L0H1.v       what the embedding writes, in the values of head 1 of layer 0
    L0H1->L1H4.k        what that head writes, in the keys of L1H4
    L0.mixer->L1.mlp    what a recurrent layer writes, as an MLP reads it
    L1H4->unembed       what a head writes straight into the logits, through the final norm
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from interp.base.calls import checked_call
from interp.base.errors import UserError, shown, unknown
from interp.measure.circuits.separable import require_one_by_one, require_separable
from interp.models.heads import Head, HeadTable
from interp.models.recurrent.mixer import RecurrentBlock
from interp.models.stack.model import StackModel

NodeKind = Literal["embed", "head", "mlp", "recurrent", "unembed"]
Into = Literal["q", "k", "v", "resid"]
"""What a node reads for: a head for its queries, keys and values, any other node for all that it does."""


@dataclass(frozen=True)
class Node:
    """A part of a model that reads the stream, writes to it, or both. `str(node)` is its name."""

    kind: NodeKind
    layer: int
    """Layer that it belongs to; -1 of the embedding, the number of layers of the unembedding."""
    head: Head | None = None
    """The head that it is."""
    reads: tuple[Into, ...] = ("resid",)
    """What it reads for; () of the embedding. A head that looks evenly has neither queries nor keys."""
    writes_at: str | None = None
    """Hook point of what it writes, [batch pos d_model] (of a head [batch pos head d_model]); None: it writes nothing.
    Biases of attention layers are nobody's."""

    @property
    def name(self) -> str:
        """Name of the node: embed, L0H1, L0.mlp, L0.mixer or unembed."""
        if self.kind in ("embed", "unembed"):
            return self.kind
        return self.head.name if self.head else f"L{self.layer}.{'mlp' if self.kind == 'mlp' else 'mixer'}"

    def reads_at(self, into: Into) -> str:
        """Hook point of what it reads, before the norm: an edit there reaches this node and no other.

        [batch pos d_model]; of a head [batch pos head d_model], with all heads of the layer.
        """
        if self.head is not None:
            return f"blocks.{self.layer}.attn.hook_{into}_input"
        if self.kind == "unembed":
            return f"blocks.{self.layer - 1}.hook_resid_post"
        return f"blocks.{self.layer}.{'hook_mlp_in' if self.kind == 'mlp' else 'hook_mixer_input'}"

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Edge:
    """What one node writes, as another reads it. `str(edge)` is its name."""

    writer: Node
    reader: Node
    into: Into = "resid"

    @property
    def name(self) -> str:
        """Name of the edge: L0H1->L1H4.k, or L0H1->unembed."""
        return f"{self.writer}->{self.reader}" + ("" if self.into == "resid" else f".{self.into}")

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Graph:
    """All nodes and edges of a model, in causal order: whatever is upstream comes first.

    >>> from interp.models.planted import planted_copier
    >>> graph = Graph.of(planted_copier(1, 4)[0])
    >>> len(graph.nodes), len(graph.edges)
    (8, 40)
    >>> str(graph.parse(["L0H1->L1H2.k"])[0])
    'L0H1->L1H2.k'
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    """Reader by reader, for each of its inputs q, k, v; the writers of each in their order."""

    @classmethod
    @checked_call
    def of(cls, model: Any) -> "Graph":
        """Return the graph of a model.

        Raises: UserError for a model that is not one of this package's, whose streams cannot be split by reader, or
            as `require_separable` and `require_one_by_one`.
        """
        if not isinstance(model, StackModel):
            raise UserError(
                f"model must be one of this package's for its nodes and edges; got a {type(model).__name__}, whose "
                "stream is not split by reader. Use TransformerLens's own patching for it."
            )
        require_separable(model)
        require_one_by_one(model)
        nodes = (Node("embed", -1, reads=(), writes_at="blocks.0.hook_resid_pre"), *_inner(model))
        nodes = (*nodes, Node("unembed", len(model.blocks)))
        return cls(nodes, tuple(_edges(model, nodes)))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the edges, in order."""
        return tuple(edge.name for edge in self.edges)

    def node(self, name: Any) -> Node:
        """Return the node of this name. Raises: UserError for a name that the model does not have."""
        if isinstance(name, Node):
            name = name.name
        if not isinstance(name, str):
            raise UserError(f"a node must be named, as in 'L1H3' or 'L0.mlp'; got {shown(name)}.")
        if name not in self._node:
            raise unknown("node", name, self._node)
        return self._node[name]

    @property
    def names_of_nodes(self) -> tuple[str, ...]:
        """Names of the nodes, in order."""
        return tuple(self._node)

    def place(self, node: Node) -> int:
        """Place of a node in causal order."""
        return self.nodes.index(node)

    @checked_call
    def parse(self, edges: Any) -> tuple[Edge, ...]:
        """Return the edges of these names, each once, in causal order.

        Args:
            edges: a list of names such as "L0H1->L1H4.k", or of `Edge`s of this model.

        Raises: UserError for an edge that the model does not have, and for one string that is not in a list.
        """
        if isinstance(edges, str | Edge) or not isinstance(edges, Iterable) or getattr(edges, "ndim", 1) == 0:
            raise UserError(
                f"edges must be a list of names such as ['L0H1->L1H4.k']; got {shown(str(edges))} on its own. Put it "
                "in a list."
            )
        asked = {self._name_of(edge) for edge in edges}
        return tuple(edge for edge in self.edges if edge.name in asked)

    def index(self, edge: Any) -> int:
        """Place of an edge (a name or an `Edge`) in the order of all."""
        return self._edge[self._name_of(edge)]

    def on_paths(self, edges: Collection[Edge]) -> tuple[Edge, ...]:
        """Edges that lie on some path from the embedding to the unembedding made of `edges` alone.

        What a head writes depends on all that it reads, so every input of a node leads to all that it writes.
        """
        chosen = [edge for edge in self.edges if edge in set(edges)]
        fed, needed = {"embed"}, {"unembed"}
        for edge in chosen:
            if edge.writer.name in fed:
                fed.add(edge.reader.name)
        for edge in reversed(chosen):
            if edge.reader.name in needed:
                needed.add(edge.writer.name)
        return tuple(edge for edge in chosen if edge.writer.name in fed and edge.reader.name in needed)

    def require_connected(self, edges: Collection[Edge]) -> None:
        """Refuse edges that are no circuit. Raises: UserError that names those which lie on no path."""
        on_path = set(self.on_paths(edges))
        if lost := [edge.name for edge in self.edges if edge in set(edges) and edge not in on_path]:
            shown_first = ", ".join(lost[:4]) + (", ..." if len(lost) > 4 else "")
            raise UserError(
                f"a circuit must be connected from embed to unembed; got {len(lost)} of {len(set(edges))} edges that "
                f"lie on no such path ({shown_first}). Leave them out, or add what connects them."
            )

    @cached_property
    def _node(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def _edge(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def _name_of(self, edge: Any) -> str:
        name = edge.name if isinstance(edge, Edge) else edge
        if not isinstance(name, str):
            raise UserError(f"an edge must be named, as in 'L0H1->L1H4.k'; got {shown(edge)}.")
        if name not in self._edge:
            raise unknown("edge", name, self.names)
        return name


def _inner(model: StackModel) -> Iterator[Node]:
    """The nodes between embedding and unembedding."""
    table = HeadTable.of(model).by_layer
    for layer in range(len(model.blocks)):
        block: Any = model.blocks[layer]
        if isinstance(block, RecurrentBlock):
            yield Node("recurrent", layer, writes_at=f"blocks.{layer}.hook_mixer_out")
            even = ()
        else:
            even = block.attn.heads.even
        for head in table[layer] if even else ():
            reads: tuple[Into, ...] = ("v",) if even[head.index] else ("q", "k", "v")
            yield Node("head", layer, head, reads, f"blocks.{layer}.attn.hook_result")
        if block.mlp is not None:
            yield Node("mlp", layer, writes_at=f"blocks.{layer}.hook_mlp_out")


def _edges(model: StackModel, nodes: tuple[Node, ...]) -> Iterator[Edge]:
    for reader in nodes:
        for into in reader.reads:
            yield from (Edge(writer, reader, into) for writer in nodes if _reaches(model, writer, reader))


def _reaches(model: StackModel, writer: Node, reader: Node) -> bool:
    """Whether what one writes is in the stream when the other reads it."""
    if writer.kind == "unembed" or writer.layer > reader.layer:
        return False
    if writer.layer == reader.layer:
        beside = model.blocks[writer.layer]
        return writer.kind in ("head", "recurrent") and reader.kind == "mlp" and not beside.parallel
    between = list(model.blocks)[max(writer.layer, 0) : reader.layer + (reader.kind == "mlp")]  # it reads its own block
    if writer.layer >= 0:
        between = between[1:]  # its own block lets what it writes pass
    return all(getattr(block, "residual", True) for block in between)  # else the stream begins anew there
