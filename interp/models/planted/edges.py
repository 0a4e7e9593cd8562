"""The edges of a planted circuit, read from its description: along which of them letters come to the answer.

What a reader needs besides is not counted, as it is the same in every string of a length: where positions are, where
the separator stands, constants. So these are the edges that are missed when each writer's mean at the position stands
in for it, or a run on other letters.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from interp.base.calls import checked_call
from interp.models.planted.description import Circuit, HeadSpec, offset_of
from interp.models.planted.looks import Found, Match

Edge = tuple[str, str, str]
"""Writer, reader, what it reads for (q, k, v, or nothing)."""


@dataclass(frozen=True)
class PlantedEdges:
    """Which edges of a model carry the letters, by the names that `interp.measure.circuits` gives them."""

    mechanism: frozenset[str]
    """Edges that bring letters to where they are compared, and from there to the answer."""
    either: frozenset[str] = frozenset()
    """Edges that only hold a backup head back while another has answered: a circuit may have them or not."""


@checked_call
def planted_edges(circuit: Circuit) -> PlantedEdges:
    """Read the edges of a description.

    >>> from interp.models.planted import draw
    >>> sorted(planted_edges(draw("offsets", seed=8)).mechanism)[:2]
    ['L0H1->L1H0.k', 'L0H1->L1H0.q']
    """
    order = circuit.order()
    name = {id(head): f"L{head.layer}H{order.index(head.column)}" for head in circuit.heads}
    edges = [*_edges(circuit, name)]
    brakes = [(w, r, i) for w, r, i in edges if _is_flag(circuit, w) or _is_flag(circuit, r)]
    plain = [edge for edge in edges if edge not in brakes]
    mechanism = _on_paths(plain)
    either = [edge for edge in _on_paths([*plain, *brakes]) if edge in brakes]
    return PlantedEdges(frozenset(map(_named, mechanism)), frozenset(map(_named, either)))


def _edges(circuit: Circuit, name: dict[int, str]) -> Iterator[Edge]:
    """Every edge from what writes to a slot to what reads it, later on."""
    writers = [("embed", -1.0, "token")]
    readers: list[tuple[str, float, str, str]] = [("unembed", float(circuit.n_layers), "", "answer")]
    for head in circuit.heads:
        at = float(head.layer)
        writers += [(name[id(head)], at, write.to) for write in head.writes]
        readers += [(name[id(head)], at, into, slot) for into, slot in _reads(head)]
    for layer, kind in enumerate(circuit.mlps):
        moves = {"relay": ("relay", "answer"), "flag": ("answer", "flag")}.get(kind)
        if moves:
            readers.append((f"L{layer}.mlp", layer + 0.5, "", moves[0]))
            writers.append((f"L{layer}.mlp", layer + 0.5, moves[1]))
    for writer, written_at, slot in writers:
        for reader, read_at, into, wanted in readers:
            if slot == wanted and written_at < read_at:
                yield writer, reader, into


def _reads(head: HeadSpec) -> Iterator[tuple[str, str]]:
    """What a head reads for, and the slot from which it gets letters, or what depends on them."""
    look = head.look
    if isinstance(look, Match):
        for offset in look.offsets:
            yield "q", _slot(offset)
            yield "k", _slot(offset + int(look.after))
        if look.unless:
            yield "q", "flag"
    if isinstance(look, Found):
        yield "q", "found"
    for write in head.writes:
        if write.what in ("token", "next"):
            yield "v", "token"
        elif offset_of(write.what):
            yield "v", write.what


def _slot(offset: int) -> str:
    return f"back:{offset}" if offset else "token"


def _is_flag(circuit: Circuit, node: str) -> bool:
    layer, _, kind = node.partition(".")
    return kind == "mlp" and circuit.mlps[int(layer[1:])] == "flag"


def _on_paths(edges: list[Edge]) -> list[Edge]:
    """Edges that lie on a path from the embedding to the unembedding, each once."""
    edges = list(dict.fromkeys(edges))
    fed, needed = {"embed"}, {"unembed"}
    for _ in edges:
        fed |= {reader for writer, reader, _ in edges if writer in fed}
        needed |= {writer for writer, reader, _ in edges if reader in needed}
    return [edge for edge in edges if edge[0] in fed and edge[1] in needed]


def _named(edge: Edge) -> str:
    writer, reader, into = edge
    return f"{writer}->{reader}" + (f".{into}" if into else "")
