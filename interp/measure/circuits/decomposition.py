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
from interp.measure.circuits.score_run import Keys, ScoreRun
from interp.measure.circuits.stream import (
    BIASES,
    looking_head,
    origin_hooks,
    origins,
    own_model,
    stream_hooks,
    stream_parts,
)
from interp.models.heads import Head
from interp.models.stack.model import StackModel
from interp.models.surface import Model


@dataclass(frozen=True)
class ScoreTable:
    """A head's score at one query and key of each string, taken apart. table.sum((1, 2)) + position = score."""

    head: str
    query_writers: tuple[str, ...]
    key_writers: tuple[str, ...]
    table: Float[Tensor, "batch query_writer key_writer"]
    """Entries, in double precision; what RoPE or PaTH turns is turned."""
    turned: Float[Tensor, "batch query_writer key_writer"] | None
    """What turning has made of each entry: the entry less the same with neither side turned. None without RoPE or
    PaTH."""
    position: Float[Tensor, " batch"]
    """What the distance (ALiBi) or the gates on the way (forget) add."""
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
    run = ScoreRun.of(model, tokens, found, query, key, stream_hooks(model, found.layer))
    names, q_parts, k_parts = [], [], []
    for name, part in stream_parts(model, found.layer, run.cache):
        constant = name == BIASES
        names.append(name)
        q_parts.append(run.queries(part, constant))
        k_parts.append(run.keys(part, constant))
    for parts, whole in zip((q_parts, k_parts), run.whole(), strict=True):  # the biases have the run's own rounding
        parts[-1] = parts[-1][0], whole - sum(turned for _, turned in parts[:-1])
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
    run = ScoreRun.of(model, tokens, head, query, key, origin_hooks(model, head.layer))
    brought = origins(model, head.layer, run.cache)
    place = torch.arange(tokens.shape[1], device=tokens.device)
    from_query = query[:, None, None] - torch.arange(offsets, device=tokens.device)
    from_keys = place[:, None] - 1 - torch.arange(-1, offsets, device=tokens.device)
    q = _from(run.mapped("q", brought, False), from_query.expand(-1, len(place), -1))
    k = _from(run.mapped("k", brought, False), from_keys.expand(len(tokens), -1, -1))
    q_parts = [run.at_query(part)[1] for part in q.unbind(2)]
    k_parts = [run.over_keys(part)[1] for part in k.unbind(2)]
    whole_q, whole_k = run.whole()
    q_parts.append(whole_q - sum(q_parts))
    k_parts.append(whole_k - sum(k_parts))
    return _products(q_parts, k_parts), *run.position_and_score()


def _from(
    brought: Float[Tensor, "batch pos origin d_head"], origin: Int[Tensor, "batch pos which"]
) -> Float[Tensor, "batch pos which d_head"]:
    """What each position has from some origins; 0 of those before the string."""
    chosen = brought.take_along_dim(origin.clamp(min=0)[..., None], 2)
    return chosen * (origin >= 0)[..., None].to(chosen)


def _products(q_parts: list[Tensor], k_parts: list[Tensor]) -> Float[Tensor, "batch query_writer key_writer"]:
    queries, keys = torch.stack(q_parts, dim=1), torch.stack(k_parts, dim=1)
    return einsum(queries, keys, "b i d, b j d -> b i j") * queries.shape[-1] ** -0.5
