"""Runs of a model in which chosen edges carry what a donor's run wrote: many sets of edges at once, each value once.

1. A plan says which streams, and which outputs of each node, some set needs (`plan`); equal ones are computed once.
2. A stream is the one that most sets read, plus what differs: for each writer (its value - the other value), of a head
   through W_O. So a head's values are kept at the width of the head.
3. The layers are the model's own: norm, maps, scores, MLP, recurrence. In the last layer only the positions that are
   asked are run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from interp.base.axes import Tokens
from interp.measure.circuits.nodes import Node
from interp.measure.circuits.plan import DONOR, Plan, Stage
from interp.measure.circuits.stream import convolved
from interp.models.stack.attention import scaled_scores
from interp.models.stack.block import Block
from interp.models.stack.entmax import entmax
from interp.models.stack.masks import head_bias
from interp.models.stack.model import StackModel
from interp.models.stack.positions import rotate
from interp.models.stack.running_mean import running_means
from interp.models.stack.scores import Entmax
from interp.models.stack.steps import joined

Values = Float[Tensor, "variant batch pos width"]


@dataclass(frozen=True)
class Written:
    """The different values of what a node writes: of a head z, before W_O."""

    values: Values
    """Values at all positions or, in the last layer, at those that are asked."""
    donor: Float[Tensor, "batch whole width"]
    W_O: Float[Tensor, "d_head d_model"] | None = None

    def at(self, variant: int, columns: Tensor | None) -> Tensor:
        """One of them; at some positions, of those that are known at all."""
        value = self.donor if variant == DONOR else self.values[variant]
        return value if columns is None or value.shape[1] == len(columns) else value[:, columns]

    def into_stream(self, value: Tensor) -> Tensor:
        """What the value is in the residual stream."""
        return value if self.W_O is None else value @ self.W_O


class EdgeRun:
    """One block of strings, run for all sets of a plan.

    Args:
        model: whose edges they are.
        plan: what is needed.
        tokens: the strings.
        donor: node -> what it writes instead, of a head z.
        columns: positions whose logits are wanted.
        floats_at_once: how large a tensor of streams may be.
    """

    def __init__(
        self,
        model: StackModel,
        plan: Plan,
        tokens: Tokens,
        donor: Mapping[str, Tensor],
        columns: Int[Tensor, " column"],
        floats_at_once: int,
    ) -> None:
        self.model, self.plan, self.donor, self.columns = model, plan, donor, columns
        self.at_once = max(1, floats_at_once // (tokens.numel() * model.W_E.shape[1]))
        self.positions = torch.arange(tokens.shape[1], device=tokens.device)
        embedded = model.embedded(tokens, model.make_mask(tokens, None, None))
        self.written = {"embed": Written(embedded[None], donor["embed"])}

    def logits(self) -> Iterator[tuple[range, Float[Tensor, "variant batch column vocab"]]]:
        """Run; yields the different logits, some of them at a time, with their numbers."""
        for stage in self.plan.stages:
            node = stage.readers[0][0]
            match node.kind:
                case "head":
                    self._attend(stage)
                case "unembed":
                    for some, stream in self._streams(stage, self.columns):
                        yield some, self.model.to_logits(stream)
                case _:
                    self._write(stage, node)

    def _write(self, stage: Stage, node: Node) -> None:
        """Run an MLP, or a recurrent layer."""
        block: Any = self.model.blocks[node.layer]
        narrow = self._narrow(node.layer)
        made = []
        for _, stream in self._streams(stage, narrow if node.kind == "mlp" else None):
            flat = stream.flatten(0, 1)
            if node.kind == "mlp":
                made.append(block.mlp(block.ln2(flat)).unflatten(0, stream.shape[:2]))
                continue
            out = block.mixer(block.norm(flat), None, 0).unflatten(0, stream.shape[:2])
            made.append(out if narrow is None else out[:, :, narrow])
        self.written[node.name] = Written(torch.cat(made), self.donor[node.name])

    def _attend(self, stage: Stage) -> None:
        """Run the heads of a layer: maps of all streams first, then each head with what it needs."""
        layer = stage.readers[0][0].layer
        attn, narrow = cast(Block, self.model.blocks[layer]).attn, self._narrow(layer)
        needed = {reader: np.unique(which) for reader, which in stage.which.items()}
        weights = attn.W_QKV, attn.b_QKV
        maps: dict[tuple[str, str], list[Tensor]] = {reader: [] for reader in needed}
        for some, stream in self._streams(stage, None):
            normed = cast(Block, self.model.blocks[layer]).ln1(stream)
            for node, into in stage.readers:
                of_reader = needed[node.name, into]
                here = of_reader[(of_reader >= some.start) & (of_reader < some.stop)] - some.start
                if len(here):
                    read = normed if len(here) == len(some) else normed[torch.from_numpy(here).to(normed.device)]
                    asked = narrow if into == "q" else None
                    maps[node.name, into].append(mapped(attn, weights, cast(Any, node.head).index, into, read, asked))
        for node in stage.nodes:
            inputs, _ = stage.inputs(node)
            parts = {
                into: (torch.cat(maps.pop((node.name, into))), np.searchsorted(needed[node.name, into], inputs[:, i]))
                for i, into in enumerate(node.reads)
            }
            index = cast(Any, node.head).index
            z = self._head(attn, index, parts, narrow, len(inputs))
            self.written[node.name] = Written(z, self.donor[node.name], attn.W_O[index])

    def _head(
        self, attn: Any, index: int, parts: dict[str, tuple[Tensor, Any]], narrow: Tensor | None, n: int
    ) -> Tensor:
        """What a head writes with each of its different inputs."""
        heads = attn.heads.of((index,))
        queries = self.positions if narrow is None else narrow
        if "q" not in parts:  # it looks evenly
            v, which = parts["v"]
            means = running_means(v.flatten(0, 1)[:, :, None], heads.windows or (None,))[:, :, 0]
            return means.unflatten(0, v.shape[:2])[_index(which, v)][:, :, queries]
        made, step = [], max(1, self.at_once * attn.W_O.shape[2] // (3 * attn.W_O.shape[1]))
        for first in range(0, n, step):
            some = {into: y[_index(which[first : first + step], y)] for into, (y, which) in parts.items()}
            q, k, v = (some[into].flatten(0, 1)[:, :, None] for into in "qkv")
            if attn.step is not None or isinstance(attn.to_pattern, Entmax):
                pattern = _attention(attn, index, _scores(attn, index, q, k, queries))
                z = (pattern @ v.transpose(1, 2)).transpose(1, 2)
            else:
                q, k = _placed(attn, index, q, k, queries, self.positions)
                bias = head_bias(heads, queries, self.positions, self.model.W_E.dtype)[None]
                q, k, v = (y.transpose(1, 2) for y in (q, k, v))
                z = F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2)
            made.append(z[:, :, 0].unflatten(0, (len(some["q"]), -1)))
        return torch.cat(made)

    def _streams(
        self, stage: Stage, columns: Tensor | None
    ) -> Iterator[tuple[range, Float[Tensor, "stream batch pos d_model"]]]:
        """The different streams of a stage, some of them at a time: the most common one, plus what differs."""
        rows = stage.streams
        written = [self.written[writer.name] for writer in stage.writers]
        common = [_most_common(column) for column in rows.T]
        values = [each.at(variant, columns) for each, variant in zip(written, common, strict=True)]
        shared = sum(each.into_stream(value) for each, value in zip(written, values, strict=True)) + self._bias(stage)
        for first in range(0, len(rows), self.at_once):
            some = rows[first : first + self.at_once]
            stream = shared.expand(len(some), *shared.shape).clone()
            for column, each, usual, value in zip(some.T, written, common, values, strict=True):
                for variant in np.unique(column[column != usual]):
                    change = each.into_stream(each.at(int(variant), columns) - value)
                    for row in np.flatnonzero(column == variant):
                        stream[row] += change
            yield range(first, first + len(some)), stream

    def _bias(self, stage: Stage) -> Any:
        """What attention layers add to the stream that is no node's: their biases."""
        reader = stage.readers[0][0]
        before = reader.layer + (reader.kind == "mlp")
        begun = max(
            (layer + 1 for layer, block in enumerate(list(self.model.blocks)[:before]) if _anew(block)),
            default=0,
        )
        layers = list(range(begun, reader.layer))
        if reader.kind == "mlp" and not cast(Block, self.model.blocks[reader.layer]).parallel:
            layers.append(reader.layer)
        return sum(cast(Any, self.model.blocks[at]).attn.b_O for at in layers if hasattr(self.model.blocks[at], "attn"))

    def _narrow(self, layer: int) -> Tensor | None:
        """The positions at which a layer's outputs are wanted; None for all."""
        return self.columns if layer == len(self.model.blocks) - 1 else None


def _anew(block: Any) -> bool:
    """Whether the stream begins anew with what a block writes."""
    return not getattr(block, "residual", True)


def _most_common(column: Int[np.ndarray, " stream"]) -> int:
    values, counts = np.unique(column, return_counts=True)
    return int(values[counts.argmax()])


def _index(which: Int[np.ndarray, " variant"], like: Tensor) -> Tensor | slice:
    """An index on the first axis; where it is all of it, in order, one that copies nothing."""
    whole = len(which) == len(like) and bool((which == np.arange(len(which))).all())
    return slice(None) if whole else torch.from_numpy(np.ascontiguousarray(which)).to(like.device)


def head_pattern(
    attn: Any, index: int, q: Float[Tensor, "batch pos d_head"], k: Float[Tensor, "batch pos d_head"]
) -> Float[Tensor, "batch pos key"]:
    """The attention of one head of a layer, from its queries and keys as `mapped` has them."""
    places = torch.arange(q.shape[1], device=q.device)
    return _attention(attn, index, _scores(attn, index, q[:, :, None], k[:, :, None], places))[:, 0]


def mapped(
    attn: Any,
    weights: tuple[Tensor, Tensor],
    index: int,
    into: str,
    read: Float[Tensor, "*variant batch pos d_model"],
    asked: Tensor | None = None,
) -> Float[Tensor, "*variant batch some width"]:
    """A head's queries, keys (`_with_steps`) or values, from the normalised stream.

    Args:
        attn: a layer's attention.
        weights: its `W_QKV` and `b_QKV`, which heads in groups make anew at every call.
        index: the head.
        into: q, k or v.
        read: what it reads.
        asked: positions that are wanted; None for all. A convolution reads those before them, too.
    """
    part = "qkv".index(into)
    if asked is not None and attn.conv is None:
        read, asked = read[..., asked, :], None
    made = read @ weights[0][:, part, index] + weights[1][part, index]
    if attn.conv is not None:
        made = convolved(attn, into, index, made.flatten(0, -3)).reshape(made.shape)
    made = made if asked is None else made[..., asked, :]
    return _with_steps(attn, index, read, made) if into == "k" else made


def _with_steps(attn: Any, index: int, read: Tensor, keys: Tensor) -> Tensor:
    """A head's keys, behind them the numbers of its steps, where positions are made of the text: both read the same."""
    if attn.step is None:
        return keys
    flat = read.reshape(-1, *read.shape[-2:])
    return torch.cat([keys, joined(attn.step(flat))[:, :, index].reshape(*keys.shape[:-1], -1)], dim=-1)


def _scores(attn: Any, index: int, q: Tensor, k: Tensor, queries: Tensor) -> Tensor:
    """Scores of one head at some positions, from its queries there and all its keys as `mapped` has them."""
    places = torch.arange(k.shape[1], device=k.device)
    bias = head_bias(attn.heads.of((index,)), queries, places, q.dtype)[None]
    k, steps = k[..., : q.shape[-1]], k[..., q.shape[-1] :]
    q, k = _placed(attn, index, q, k, queries, places)
    if attn.step is None:
        return scaled_scores(q, k, bias)
    everywhere = torch.zeros_like(k).index_copy(1, queries, q)
    return attn.step.scores(everywhere, k, steps)[:, :, queries] + bias


def _attention(attn: Any, index: int, scores: Tensor) -> Tensor:
    if isinstance(attn.to_pattern, Entmax):
        return entmax(scores, attn.to_pattern.alpha[index])
    return scores.softmax(dim=-1)


def _placed(attn: Any, index: int, q: Tensor, k: Tensor, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
    """Queries and keys of one head where they stand: scaled by how many keys are seen (`ScoreScale`), and rotated."""
    if attn.scale is not None:
        window = (attn.heads.of((index,)).windows or (None,))[0]
        seen = queries + 1 if window is None else (queries + 1).clamp(max=window)
        factor = seen.to(q.dtype).log()[None, :, None, None]
        q = q * (factor if attn.scale.w is None else factor * attn.scale.w[index])
    if attn.rotary_dim is not None:
        q = rotate(q, queries[None], attn.rotary_dim, attn.rotary_base)
        k = rotate(k, keys[None], attn.rotary_dim, attn.rotary_base)
    return q, k
