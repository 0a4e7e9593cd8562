"""What single edges do to a measure: exactly, or by gradients from a few passes.

- exact: each edge in turn carries the donor's value (`edge_sweep`).
- eap: edge attribution patching (Syed et al. 2023): (donor - clean) of the writer, times the derivative at the reader.
- eap-ig: the same, derivatives averaged on the way from the donor's embeddings to the clean ones (Hanna et al. 2024).
- atp: AtP* (Kramar et al. 2024), over edges: through queries and keys the attention is computed anew, so that a
  saturated softmax does not hide what would change; and derivatives are taken with each layer's writes left out in
  turn, so that ways that cancel do not hide each other.

The effect of a node is that of all edges out of it: by gradients their sum, attribution patching (Nanda 2023).
"""

from collections import defaultdict
from typing import Any, cast

import numpy as np
import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor

from interp.base.budget import budget
from interp.base.calls import checked_call
from interp.base.errors import UserError, unknown
from interp.measure.circuits.donors import Writes, donors, some_rows, written
from interp.measure.circuits.edge_runs import head_pattern, mapped
from interp.measure.circuits.edge_sweep import all_but_each, asked, blocks_of, edge_sweep, keeping
from interp.measure.circuits.gradients import Gradients, gradients
from interp.measure.circuits.nodes import Graph, Node
from interp.measure.progress import OnStep
from interp.measure.values import MeanPerPosition, Value
from interp.models.hooks.model import Hook
from interp.models.stack.block import Block
from interp.models.stack.model import StackModel
from interp.results.attribution import EdgeEffects, Method, Target
from interp.tasks.base import Batch, ContrastPair
from interp.tasks.vocabulary import Vocabulary

METHODS = ("exact", "eap", "eap-ig", "atp")
ByEdge = Float[Tensor, "edge string"]


@checked_call
def edge_effects(
    model: StackModel,
    strings: Batch | ContrastPair,
    vocabulary: Vocabulary,
    method: str = "eap",
    measure: str = "logit_difference",
    value: Value | None = None,
    steps: int = 5,
    on_step: OnStep = lambda _: None,
) -> EdgeEffects:
    """Measure or estimate what each edge, and each node, does.

    >>> import interp
    >>> model, task = interp.planted_copier(1, 4)[0], interp.CopyTask(4)
    >>> batch = task.sample(8, 12, 0)
    >>> exact, eap = (edge_effects(model, batch, task.vocabulary, m) for m in ("exact", "eap"))
    >>> exact.missed(exact), exact.passes, eap.passes
    ((), 60, 3)

    Args:
        model, strings, vocabulary, value: as in `edge_sweep`.
        method: one of `METHODS`.
        measure: `logit_difference` (right letter less the mean of the others), or `loss`.
        steps: of eap-ig.
        on_step: told how far it is.

    Raises: UserError for a method or a measure that does not exist, fewer than one step, or as `edge_sweep` does.
    """
    if method not in METHODS:
        raise unknown("method of attribution", method, METHODS)
    if measure not in ("logit_difference", "loss"):
        raise unknown("measure of an effect", measure, ("logit_difference", "loss"))
    if steps < 1:
        raise UserError(f"steps must be at least 1; got {steps}. Five are usual.")
    graph, of = Graph.of(model), cast(Target, measure)
    if method == "exact":
        edges, nodes, passes = _exact(model, graph, strings, vocabulary, of, value, on_step)
    else:
        edges, passes = _estimated(model, graph, strings, vocabulary, method, of, value, steps)
        nodes = _by_writer(graph, edges)
    return EdgeEffects(
        method=cast(Method, method),
        measure=of,
        edges=graph.names,
        nodes=tuple(node.name for node in _writers(graph)),
        effect=edges.double().cpu().numpy(),
        node_effect=nodes.double().cpu().numpy(),
        passes=passes,
    )


def _exact(
    model: StackModel,
    graph: Graph,
    strings: Batch | ContrastPair,
    vocabulary: Vocabulary,
    measure: Target,
    value: Value | None,
    on_step: OnStep,
) -> tuple[ByEdge, Tensor, int]:
    without = [[edge for edge in graph.edges if edge.writer != node] for node in _writers(graph)]
    n = len(graph.edges)
    kept = np.concatenate([all_but_each(graph), keeping(graph, [*without, graph.edges])])
    found = getattr(edge_sweep(model, strings, vocabulary, kept, value, on_step=on_step), measure)
    change = found[:-1] - found[-1]
    return change[:n], change[n:], len(kept)


def _estimated(
    model: StackModel,
    graph: Graph,
    strings: Batch | ContrastPair,
    vocabulary: Vocabulary,
    method: str,
    measure: Target,
    value: Value | None,
    steps: int,
) -> tuple[ByEdge, int]:
    batch = asked(strings)
    inputs = len({(edge.reader.name, edge.into) for edge in graph.edges})
    per_string = batch.tokens.shape[1] * model.W_E.shape[1] * inputs
    rows = blocks_of(len(batch), budget(batch.tokens.device).floats // per_string)
    with torch.no_grad():
        clean = written(model, graph, batch.tokens, rows)
        instead = donors(model, graph, strings, value or MeanPerPosition(), rows, clean)
    passes = 2 if isinstance(strings, ContrastPair) else 1
    layers, parts = range(len(model.blocks)), []
    for some in rows:
        here, new, change = batch.rows(some), some_rows(instead, some), {}
        for node in _writers(graph):
            change[node.name] = _in_stream(model, node, new[node.name] - clean[node.name][some])
        stream = clean["embed"][some]
        match method:
            case "eap":
                slopes = gradients(model, graph, stream, here, vocabulary, measure)
                parts.append(_linear(graph, change, slopes))
            case "eap-ig":
                streams = [new["embed"] + k / steps * (stream - new["embed"]) for k in range(1, steps + 1)]
                each = [_linear(graph, change, gradients(model, graph, x, here, vocabulary, measure)) for x in streams]
                parts.append(torch.stack(each).mean(dim=0))
            case _:
                parts.append(_star(model, graph, change, stream, here, vocabulary, measure))
    passes += 2 * {"eap": 1, "eap-ig": steps}.get(method, len(layers))
    return torch.cat(parts, dim=1), passes


def _linear(graph: Graph, change: Writes, slopes: Gradients) -> ByEdge:
    """The change of what is read, times the derivative there."""
    found: list[Tensor] = []
    for reader, into, writers in _inputs(graph):
        slope = slopes.slope[reader.reads_at(into)]
        if reader.head is not None:
            slope = slope[:, :, reader.head.index]
        stacked = torch.stack([change[writer.name] for writer in writers])
        found.append(einsum(stacked, slope, "w b p m, b p m -> w b"))
    return torch.cat(found)


def _star(
    model: StackModel,
    graph: Graph,
    change: Writes,
    stream: Tensor,
    batch: Batch,
    vocabulary: Vocabulary,
    measure: Target,
) -> ByEdge:
    """AtP*: sizes, averaged over the layers that are left out, but for that of the reader, whose slope is then none."""
    layers = range(len(model.blocks))
    attending = [layer for layer in layers if hasattr(model.blocks[layer], "attn")]
    several = len(layers) > 1
    total, times = None, None
    moved: list[Tensor] = []
    for dropped in layers:
        slopes = gradients(model, graph, stream, batch, vocabulary, measure, attending, dropped if several else None)
        moved = moved or _pattern_changes(model, graph, change, stream, slopes)
        sizes, place = [], 0
        linear = _linear(graph, change, slopes)
        for (reader, into, writers), patterns in zip(_inputs(graph), moved, strict=True):
            here = slice(place, place + len(writers))
            place = here.stop
            effect = linear[here]
            if into in ("q", "k") and reader.head is not None:
                slope = slopes.slope[f"blocks.{reader.layer}.attn.hook_pattern"][:, reader.head.index]
                effect = einsum(patterns, slope, "w b q k, b q k -> w b")
            sizes.append(effect.abs())
        one = torch.cat(sizes)
        counts = torch.tensor([float(edge.reader.layer != dropped or not several) for edge in graph.edges])
        total = one if total is None else total + one
        times = counts if times is None else times + counts
    assert total is not None and times is not None
    return total / times.to(total)[:, None]


@torch.no_grad()
def _pattern_changes(
    model: StackModel, graph: Graph, change: Writes, stream: Tensor, slopes: Gradients
) -> list[Tensor]:
    """How the attention of each reader changes with each writer, in the queries or keys alone; else nothing."""
    found, hooked = [], model.hooked
    for reader, into, writers in _inputs(graph):
        if reader.head is None or into not in ("q", "k"):
            found.append(torch.empty(0))
            continue
        block, index = cast(Block, model.blocks[reader.layer]), reader.head.index
        maps = block.attn.W_QKV, block.attn.b_QKV
        at = {each: slopes.value[f"blocks.{reader.layer}.attn.hook_{each}_input"][:, :, index] for each in "qk"}
        whole = {each: mapped(block.attn, maps, index, each, block.ln1(x)) for each, x in at.items()}
        before = slopes.value[f"blocks.{reader.layer}.attn.hook_pattern"][:, index]
        changed = []
        for writer in writers:
            if hooked:  # by the model's own path: hooks between its input and its pattern count
                changed.append(_pattern_with(model, reader, into, change[writer.name], stream) - before)
                continue
            there = at[into] + change[writer.name]
            now = whole | {into: mapped(block.attn, maps, index, into, block.ln1(there))}
            changed.append(head_pattern(block.attn, index, now["q"], now["k"]) - before)
        found.append(torch.stack(changed))
    return found


def _pattern_with(model: StackModel, reader: Node, into: str, moved: Tensor, stream: Tensor) -> Tensor:
    """A head's attention in a run of the model with its input moved; `stream` is what enters the first layer."""
    index, kept = cast(Any, reader.head).index, list[Tensor]()

    def move(read: Tensor, hook: Any) -> Tensor:  # noqa: ARG001
        new = read.clone()
        new[:, :, index] += moved
        return new

    def keep(pattern: Tensor, hook: Any) -> None:  # noqa: ARG001
        kept.append(pattern[:, index].clone())

    attn = f"blocks.{reader.layer}.attn"
    hooks: list[Hook] = [(f"{attn}.hook_{into}_input", move), (f"{attn}.hook_pattern", keep)]
    model.run_with_hooks(stream, fwd_hooks=hooks, start_at_layer=0, stop_at_layer=cast(Any, reader.layer) + 1)
    return kept[0]


def _inputs(graph: Graph) -> list[tuple[Node, Any, list[Node]]]:
    """Every input of every reader, with its writers, in the order of the edges."""
    writers: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for edge in graph.edges:
        writers[edge.reader.name, edge.into].append(edge)
    return [(edges[0].reader, edges[0].into, [edge.writer for edge in edges]) for edges in writers.values()]


def _writers(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes if node.writes_at]


def _by_writer(graph: Graph, edges: ByEdge) -> Tensor:
    """Sums over the edges out of each node."""
    nodes = [node.name for node in _writers(graph)]
    index = torch.tensor([nodes.index(edge.writer.name) for edge in graph.edges], device=edges.device)
    return edges.new_zeros(len(nodes), edges.shape[1]).index_add(0, index, edges)


def _in_stream(model: StackModel, node: Node, value: Tensor) -> Tensor:
    """A change of what a node writes, in the residual stream."""
    if node.head is None:
        return value
    return value @ cast(Block, model.blocks[node.layer]).attn.W_O[node.head.index].detach()
