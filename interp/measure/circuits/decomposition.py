"""Why a head looks where it looks: its score before the softmax as an exact sum.

score(q, k) = sum over (what wrote to the query) x (what wrote to the key) + what positions add. The norm is held at the
scale that the run had; everything else is bilinear, so nothing is left over. `decompose_score` has the writers apart,
`hash_table` the letters: how much comes from the letter t back at the query meeting the letter t' back at the key.
"""

from dataclasses import dataclass
from typing import Any

import torch
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor

from interp.base.axes import Tokens
from interp.base.budget import budget
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.measure.circuits.stream import (
    BIASES,
    HeldNorm,
    cached,
    held_norm,
    looking_head,
    origin_hooks,
    origins,
    own_model,
    scale_hooks,
    stream_hooks,
    stream_parts,
)
from interp.models.heads import Head
from interp.models.stack.masks import head_bias
from interp.models.stack.model import StackModel
from interp.models.stack.positions import rotate
from interp.models.surface import Model

Keys = Int[Tensor, " batch"] | Float[Tensor, "batch pos"]
"""One key position of each string; or a weight for each, as +1 at one key and -1 at another for their difference."""


@dataclass(frozen=True)
class ScoreTable:
    """A head's score at one query and key of each string, taken apart. table.sum((1, 2)) + position = score."""

    head: str
    query_writers: tuple[str, ...]
    key_writers: tuple[str, ...]
    table: Float[Tensor, "batch query_writer key_writer"]
    """Entries, in double precision; what RoPE turns is turned."""
    turned: Float[Tensor, "batch query_writer key_writer"] | None
    """What RoPE has made of each entry: the entry less the same with neither side turned. None without RoPE."""
    position: Float[Tensor, " batch"]
    """What the distance adds (ALiBi)."""
    score: Float[Tensor, " batch"]
    """The score in the run."""

    @property
    def total(self) -> Float[Tensor, " batch"]:
        """Sum of all entries: the score."""
        return self.table.sum(dim=(1, 2)) + self.position


@checked_call
@torch.no_grad()
def decompose_score(model: Model, tokens: Tokens, head: Any, query: Int[Tensor, " batch"], key: Keys) -> ScoreTable:
    """Take a head's score before the softmax apart, by what wrote to the query and to the key.

    >>> from interp.models.planted import planted_copier
    >>> from interp.tasks import CopyTask, planted_repeats
    >>> model, _ = planted_copier(1, 8)
    >>> probe = planted_repeats(CopyTask(8), torch.tensor([0]), 9, 0, exclusive=True, context=2)
    >>> found = decompose_score(model, probe.batch.tokens, "L1H2", probe.query, probe.source)
    >>> round(float(found.table[0, 0, found.key_writers.index("L0H1")]))  # its letter meets the one that L0H1 brought
    30

    Args:
        model: one of this package's.
        tokens: the strings.
        head: an attention head, by name or as a `Head`.
        query: position from which it looks, in each string.
        key: position that it looks at; or weights of all positions, for the difference of scores.

    Raises: UserError for a model of another package, a head of hidden attention, or a key that the head cannot see.
    """
    model, found = own_model(model), looking_head(own_model(model), head)
    run = _Run.of(model, tokens, found, query, key, stream_hooks(model, found.layer))
    names, q_parts, k_parts = [], [], []
    for name, part in stream_parts(model, found.layer, run.cache):
        constant = name == BIASES
        names.append(name)
        q_parts.append(run.queries(part.take_along_dim(query[:, None, None], 1), constant))
        k_parts.append(run.keys(part, constant))
    plain, turned = (_products([part[i] for part in q_parts], [part[i] for part in k_parts]) for i in (0, 1))
    return ScoreTable(
        found.name, tuple(names), tuple(names), turned, turned - plain if run.turns else None, *run.position_and_score()
    )


@dataclass(frozen=True)
class HashTable:
    """A head's score by letters back: what of it comes from which letter at the query meeting which at the key.

    table.sum((1, 2)) + position = score. The last row and column are all the rest: letters further back, positions,
    MLPs, recurrent layers, biases.
    """

    head: str
    query_offsets: tuple[int, ...]
    """Letters back from the query: 0 is its own."""
    key_offsets: tuple[int, ...]
    """Letters back from the position before the key: 0 is the one that the key follows, -1 the key's own."""
    table: Float[Tensor, "batch query_offset key_offset"]
    position: Float[Tensor, " batch"]
    score: Float[Tensor, " batch"]

    @property
    def diagonal(self) -> Float[Tensor, "batch offset"]:
        """The letter t back at the query meeting the letter t back at the key, t = 0, 1, ...: the hash."""
        n = len(self.query_offsets)
        return self.table[:, :n, 1 : n + 1].diagonal(dim1=1, dim2=2)

    @property
    def total(self) -> Float[Tensor, " batch"]:
        """Sum of all entries: the score."""
        return self.table.sum(dim=(1, 2)) + self.position

    @property
    def diagonal_share(self) -> Float[Tensor, " batch"]:
        """What the diagonal has of the sum of the sizes of all entries, the rest included; 1 for a pure hash."""
        return self.diagonal.abs().sum(dim=1) / self.table.abs().sum(dim=(1, 2)).clamp(min=1e-300)


@checked_call
@torch.no_grad()
def hash_table(
    model: Model, tokens: Tokens, head: Any, query: Int[Tensor, " batch"], key: Keys, offsets: int = 8
) -> HashTable:
    """Take a head's score apart by letters back, along all paths through earlier heads as they attend in the run.

    Memory: whole patterns of earlier layers and, for each string, length squared times the width of the stream.

    Args:
        model: one of this package's.
        tokens: the strings.
        head: an attention head, by name or as a `Head`.
        query: position from which it looks, in each string.
        key: position that it looks at; or weights of all positions, for the difference of scores.
        offsets: how many letters back are kept apart.

    Raises: UserError as `decompose_score` does, and for less than one offset.
    """
    if offsets < 1:
        raise UserError(f"offsets must be at least 1, the letters back to keep apart; got {offsets}.")
    model, found = own_model(model), looking_head(own_model(model), head)
    step = max(1, budget(tokens.device).floats // (tokens.shape[1] ** 2 * model.W_E.shape[1]))
    blocks = [slice(i, i + step) for i in range(0, len(tokens), step)]
    done = [_hash_block(model, tokens[rows], found, query[rows], key[rows], offsets) for rows in blocks]
    table, position, score = (torch.cat(parts) for parts in zip(*done, strict=True))
    return HashTable(found.name, tuple(range(offsets)), tuple(range(-1, offsets)), table, position, score)


def _hash_block(
    model: StackModel, tokens: Tokens, head: Head, query: Int[Tensor, " batch"], key: Keys, offsets: int
) -> tuple[Tensor, Tensor, Tensor]:
    run = _Run.of(model, tokens, head, query, key, origin_hooks(model, head.layer))
    brought = origins(model, head.layer, run.cache)
    place = torch.arange(tokens.shape[1], device=tokens.device)
    back = torch.arange(offsets, device=tokens.device)
    at_query = _from(brought.take_along_dim(query[:, None, None, None], 1), query[:, None, None] - back)
    at_keys = _from(brought, place[:, None] - 1 - torch.arange(-1, offsets, device=tokens.device))
    q_parts = [run.queries(part, False)[1] for part in at_query.unbind(2)]
    k_parts = [run.keys(part, False)[1] for part in at_keys.unbind(2)]
    whole_q, whole_k = run.whole()
    q_parts.append(whole_q - sum(q_parts))
    k_parts.append(whole_k - sum(k_parts))
    return _products(q_parts, k_parts), *run.position_and_score()


def _from(brought: Float[Tensor, "batch pos origin d_model"], origin: Tensor) -> Tensor:
    """What stands at each position by way of some origins; 0 of one before the string. [batch pos which d_model]"""
    origin = origin.expand(len(brought), -1, -1)
    chosen = brought.take_along_dim(origin.clamp(min=0)[..., None], 2)
    return chosen * (origin >= 0)[..., None].to(chosen)


def _products(q_parts: list[Tensor], k_parts: list[Tensor]) -> Float[Tensor, "batch query_writer key_writer"]:
    queries, keys = torch.stack(q_parts, dim=1), torch.stack(k_parts, dim=1)
    return einsum(queries, keys, "b i d, b j d -> b i j") * queries.shape[-1] ** -0.5


@dataclass(frozen=True)
class _Run:
    """A run up to a head's scores, and the maps from what is written to its queries and keys."""

    model: StackModel
    head: Head
    query: Int[Tensor, " batch"]
    weight: Float[Tensor, "batch pos"]
    """Of every key."""
    cache: dict[str, Tensor]
    norm: HeldNorm

    @classmethod
    def of(
        cls, model: StackModel, tokens: Tokens, head: Head, query: Int[Tensor, " batch"], key: Keys, names: list[str]
    ) -> "_Run":
        norm, name = model.blocks[head.layer].ln1, f"blocks.{head.layer}.ln1"
        wanted = [*names, *scale_hooks(norm, name), *model.query_key_names(head.layer)]
        _require_places("query", query, torch.full_like(query, tokens.shape[1] - 1))
        if key.ndim == 1:
            _require_places("key", key, query)
            weight = torch.zeros(tokens.shape, dtype=torch.float64, device=tokens.device)
            weight = weight.scatter(1, key[:, None], 1.0)
        else:
            weight = key.double()
        run = cached(model, tokens, wanted, stop_at_layer=head.layer + 1)
        made = cls(model, head, query, weight, run, held_norm(norm, name, run))
        if not weight.is_meta and bool((made._bias().isinf() & (weight != 0)).any()):
            raise UserError(f"key must be a position that {head} sees from the query; got one that its window hides.")
        return made

    @property
    def attention(self) -> Any:
        return self.model.blocks[self.head.layer].attn

    @property
    def turns(self) -> bool:
        """Whether queries and keys are turned by their positions."""
        return self.attention.rotary_dim is not None

    def queries(self, part: Float[Tensor, "batch 1 d_model"], constant: bool) -> tuple[Tensor, Tensor]:
        """What a part of the stream makes of the query, before and after it is turned: [batch d_head] each.

        Args:
            part: at the query.
            constant: add what is added whatever is read.
        """
        attention, position = self.attention, self.query[:, None]
        x = self._mapped(part, self.norm.at(position[..., None]), attention.W_Q, attention.b_Q, constant)
        if attention.scale is not None:
            ones = torch.ones(len(x), 1, attention.heads.n, 1, dtype=x.dtype, device=x.device)
            x = x * attention.scale(ones, position)[:, :, self.head.index]
        return x[:, 0], self._turned(x, position)[:, 0]

    def keys(self, part: Float[Tensor, "batch pos d_model"], constant: bool) -> tuple[Tensor, Tensor]:
        """What a part of the stream makes of the keys, summed with their weights: as `queries`."""
        attention, positions = self.attention, torch.arange(part.shape[1], device=part.device)[None]
        x = self._mapped(part, self.norm, attention.W_K, attention.b_K, constant)
        return self._weighed(x), self._weighed(self._turned(x, positions))

    def whole(self) -> tuple[Float[Tensor, "batch d_head"], Float[Tensor, "batch d_head"]]:
        """The query of the run, and the weighted sum of its keys."""
        q, k = (self.cache[name][:, :, self.head.index].double() for name in self.names)
        return q.take_along_dim(self.query[:, None, None], 1)[:, 0], self._weighed(k)

    @property
    def names(self) -> tuple[str, str]:
        return self.model.query_key_names(self.head.layer)

    def position_and_score(self) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        """What positions add, and the score of the run, both weighted."""
        bias = self._bias()
        q, k = (self.cache[name] for name in self.names)
        q = q.take_along_dim(self.query[:, None, None, None], 1)[:, 0]
        scores = self.model.scores_at(self.head.layer, q, k, self.query)[:, self.head.index].double()
        hidden = bias.isinf()
        sums = (self.weight * values.masked_fill(hidden, 0.0) for values in (bias, scores))
        position, score = (values.sum(dim=1) for values in sums)
        return position, score

    def _bias(self) -> Float[Tensor, "batch pos"]:
        places = torch.arange(self.weight.shape[1], device=self.query.device)
        heads = self.attention.heads
        bias = head_bias(heads, self.query, places, torch.float64)
        return bias[self.head.index if len(bias) > 1 else 0]

    def _mapped(
        self, part: Tensor, norm: HeldNorm, W: Float[Tensor, "head d_model d_head"], b: Tensor, constant: bool
    ) -> Float[Tensor, "batch pos d_head"]:
        x = norm.linear(part)
        x = (x + norm.shift if constant else x) @ W[self.head.index].double()
        return x + b[self.head.index].double() if constant else x

    def _turned(self, x: Float[Tensor, "batch pos d_head"], positions: Int[Tensor, "#batch pos"]) -> Tensor:
        if not self.turns:
            return x
        return rotate(x[:, :, None], positions, self.attention.rotary_dim, self.attention.rotary_base)[:, :, 0]

    def _weighed(self, x: Float[Tensor, "batch pos d_head"]) -> Float[Tensor, "batch d_head"]:
        return (x * self.weight[..., None]).sum(dim=1)


def _require_places(name: str, places: Int[Tensor, " batch"], last: Int[Tensor, " batch"]) -> None:
    if not places.is_meta and bool(((places < 0) | (places > last)).any()):
        raise UserError(
            f"{name} must be a position of each string, a key no later than its query; got {places.tolist()[:6]} with "
            f"{last.tolist()[:6]} as the last that may be."
        )
