"""The copying circuit, edge by edge, as the detector of heads has it: a local question for every edge.

`score_heads` says which heads look up. From each of them it goes upstream: a writer's edge is replaced by its mean at
the position, and what the reader alone makes of that is compared with what it made before. Nothing behind the reader is
run: so a head that another one stands in for, and one that rests until it is needed, show all the same.

    queries, keys of a lookup head   change of its scores from the answer to the letters, each row centred, as far as
                                     it goes by which letters are equal: what disturbs scores in other ways is no hash
    values of a lookup head          change of its values at the letters
    any input of an earlier head     change of what it writes, where it is not the same in all strings

Each is a root mean square over that of the clean run, at most 1, times the same of the reader's own edge onwards.
"""

from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.measure.circuits.donors import donors, used, written
from interp.measure.circuits.edge_runs import head_pattern, mapped
from interp.measure.circuits.nodes import Graph, Node
from interp.measure.heads.score import score_heads
from interp.measure.heads.settings import HeadSettings
from interp.measure.values import MeanPerPosition
from interp.models.stack.block import Block
from interp.models.stack.model import StackModel
from interp.tasks.base import Batch, Task

FLOOR = 0.05
"""An edge that changes less is not followed upstream."""
OFFSETS = 9
"""Letters back at the query, and before the key, that are looked at for equal ones; and the key's own."""


@checked_call
@torch.no_grad()
def detected_edges(
    model: StackModel, task: Task, batch: Batch, settings: HeadSettings | None = None, seed: int = 0
) -> Float[np.ndarray, " edge"]:
    """Score every edge by whether it belongs to the copying circuit, from 0 to 1.

    >>> import interp
    >>> model, task = interp.planted_copier(1, 20)[0], interp.CopyTask(20)
    >>> scores = detected_edges(model, task, task.sample(8, 16, 0), HeadSettings(longest=3, strings=8))
    >>> [name for name, score in zip(Graph.of(model).names, scores) if score > 0.1][-2:]
    ['embed->L1H2.v', 'L1H2->unembed']

    Args:
        model: one of ours, with attention layers.
        task: what it does.
        batch: strings on which edges are replaced, of one length.
        settings: of `score_heads`.
        seed: of its strings, and of its untrained models.

    Returns: a score for each edge, in the order of `Graph.edges`.

    Raises: UserError for a model on which hooks hang: readers are asked apart from the forward pass.
    """
    if model.hooked:
        raise UserError(
            "model must have no hooks for its circuit to be detected; got one on which some hang. Call "
            "model.reset_hooks(), or ask edge_effects, where they count."
        )
    graph = Graph.of(model)
    letters = int(batch.answer_lengths.min())
    heads = score_heads(model, task, (letters, letters + 8), seed, settings, seed, feeders=False)
    lookups = heads.of_role("lookup")
    local = _Local(model, graph, task, batch)
    scores = np.zeros(len(graph.edges))
    matters = {node.name: float(node.name in lookups) for node in graph.nodes}
    for node in reversed(graph.nodes):  # readers before those that write to them
        if matters[node.name] < FLOOR or node.head is None:
            continue
        for place, edge in enumerate(graph.edges):
            if edge.reader == node:
                change = local.change(edge.writer, node, edge.into, node.name in lookups)
                scores[place] = min(1.0, change) * matters[node.name]
                matters[edge.writer.name] = max(matters[edge.writer.name], scores[place])
            elif edge.writer == node and edge.reader.kind == "unembed" and node.name in lookups:
                scores[place] = 1.0
    return scores


class _Local:
    """A clean run, and what each reader makes of its input when one writer is replaced."""

    def __init__(self, model: StackModel, graph: Graph, task: Task, batch: Batch) -> None:
        self.model, self.batch, rows = model, batch, [slice(0, len(batch))]
        clean = written(model, graph, batch.tokens, rows)
        instead = donors(model, graph, batch, MeanPerPosition(), rows, clean)
        self.moved = {name: instead[name] - clean[name] for name in clean}
        names = [f"blocks.{layer}.hook_resid_pre" for layer in range(len(model.blocks))]
        _, cache = model.run_with_cache(batch.tokens, return_type=None, names_filter=names)
        self.streams = [cache[name] for name in names]
        self.letters, self.used = batch.copied_from, used(batch)
        letters = task.vocabulary.ids(torch.arange(task.vocabulary.n_letters))
        self.equal = torch.linalg.qr(self._equal_letters(letters))[0]

    def change(self, writer: Node, reader: Node, into: str, looks_up: bool) -> float:
        """How much a reader's part changes, over its own size."""
        stream = self.streams[reader.layer]
        before, after = self._parts(reader, stream), dict[str, Tensor]()
        after = before | {into: self._parts(reader, stream + self._moved(writer))[into]}
        if not looks_up:
            z = [self._writes(reader, parts)[self.used] for parts in (before, after)]
            varies = self._varying(self._writes(reader, before))[self.used]
            return _ratio(z[1] - z[0], varies)
        if into == "v":
            v = [parts["v"][self.letters] for parts in (before, after)]
            return _ratio(v[1] - v[0], self._varying(before["v"])[self.letters])
        scores = [self._scores(parts) for parts in (before, after)]
        by_letters = self.equal.T @ (scores[1] - scores[0]).double()  # its size is that of the projection
        return _ratio(by_letters, scores[0])

    def _moved(self, writer: Node) -> Tensor:
        moved = self.moved[writer.name]
        if writer.head is None:
            return moved
        return moved @ cast(Block, self.model.blocks[writer.layer]).attn.W_O[writer.head.index]

    def _parts(self, reader: Node, stream: Tensor) -> dict[str, Tensor]:
        block, index = cast(Block, self.model.blocks[reader.layer]), cast(Any, reader.head).index
        read, weights = block.ln1(stream), (block.attn.W_QKV, block.attn.b_QKV)
        return {into: mapped(block.attn, weights, index, into, read) for into in "qkv"}

    def _writes(self, reader: Node, parts: dict[str, Tensor]) -> Tensor:
        block, index = cast(Block, self.model.blocks[reader.layer]), cast(Any, reader.head).index
        return head_pattern(block.attn, index, parts["q"], parts["k"]) @ parts["v"]

    def _scores(self, parts: dict[str, Tensor]) -> Tensor:
        """Products of queries at the answer with keys at the letters behind the first, each row centred.

        The steps of positions that are made of the text are not in them.
        """
        keys = parts["k"][..., : parts["q"].shape[-1]]
        return self._centred(torch.einsum("b q d, b k d -> b q k", parts["q"], keys))

    def _equal_letters(self, letters: Tensor) -> Tensor:
        """Where the letter t back at the query is that t' back at the key, for each t and t', as `_scores`.

        What is not a letter, the beginning and the separator, counts as one more letter.
        """
        tokens = self.batch.tokens
        spelt = tokens.where(torch.isin(tokens, letters.to(tokens.device)), -1)
        place = torch.arange(tokens.shape[1], device=tokens.device)
        back = [spelt.roll(offset, dims=1).masked_fill(place < offset, -2) for offset in range(OFFSETS + 1)]
        rows = [
            self._centred((at_query[:, :, None] == at_key[:, None]).double())
            for at_query in back[:OFFSETS]
            for at_key in back
        ]
        return torch.stack(rows, dim=1)

    def _centred(self, every: Float[Tensor, "batch query key"]) -> Float[Tensor, " pair"]:
        """Scores from the answer to the letters, each row less its mean."""
        rows = [
            row[answer][:, letters] - row[answer][:, letters].mean(dim=1, keepdim=True)
            for row, answer, letters in zip(every, self.batch.answer, self.letters, strict=True)
        ]
        return torch.cat([row.flatten() for row in rows])

    def _varying(self, value: Tensor) -> Tensor:
        """What differs from string to string at a position."""
        return value - MeanPerPosition().output(value, self.used)


def _ratio(change: Tensor, whole: Tensor) -> float:
    size = float(whole.square().sum().sqrt())
    return float(change.square().sum().sqrt()) / size if size > 1e-9 else 0.0
