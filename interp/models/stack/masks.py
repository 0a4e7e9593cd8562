"""Who may look where: the `Mask` that all attention layers of a model share in one forward pass."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.base.errors import UserError
from interp.models.stack.config import TransformerConfig
from interp.models.stack.layer_heads import LayerHeads
from interp.models.stack.positions import attention_bias, segment_bias


@dataclass
class Mask:
    """What all layers share: where the tokens stand; and, for the heads of each layer, who may look where."""

    queries: Int[Tensor, "#batch query"]
    """Positions of the tokens that look: the new ones, or the last of them."""
    keys: Int[Tensor, "#batch key"]
    """Positions of the new tokens, which are looked at (the past is besides)."""
    seen: int = 0
    """Tokens of the past."""
    segment: Int[Tensor, "batch key"] | None = None
    """Which packed string each token belongs to; None: strings are not packed."""
    dtype: torch.dtype = torch.float32
    _made: dict[LayerHeads, Tensor | None] = field(default_factory=dict)

    @property
    def first(self) -> int:
        """Index, among the new tokens, of the first that looks."""
        return self.keys.shape[1] - self.queries.shape[1]

    @property
    def places(self) -> Int[Tensor, " query"]:
        """Places in the row, past included, of the tokens that look."""
        n_keys = self.seen + self.keys.shape[1]
        return torch.arange(self.seen + self.first, n_keys, device=self.keys.device)

    def bias(self, heads: LayerHeads) -> Float[Tensor, "#batch #head query all_keys"] | None:
        """What is added to the scores of a layer's heads, made once for all layers that are alike.

        None where it would be the causal mask alone, which SDPA knows by itself.
        """
        if heads not in self._made:
            whole = self.segment is None and self.seen + self.first == 0
            alone = whole and heads.see_all
            self._made[heads] = None if alone else self.rows(heads, 0, self.queries.shape[1])
        return self._made[heads]

    def rows(self, heads: LayerHeads, start: int, stop: int) -> Float[Tensor, "#batch #head query some_keys"]:
        """The bias of the queries `start` to `stop` alone, on the keys up to the last of them: all that any can see."""
        queries = self.places[start:stop]
        keys = torch.arange(self.seen + self.first + stop, device=queries.device)
        bias = head_bias(heads, queries, keys, self.dtype)[None]
        if self.segment is None:
            return bias
        row = self.first + start, self.first + stop
        return bias + segment_bias(self.segment[:, slice(*row)], self.segment[:, : row[1]], bias.dtype)


def make_mask(
    config: TransformerConfig,
    tokens: Tensor,
    dtype: torch.dtype,
    *,
    seen: int = 0,
    segment: Int[Tensor, "batch pos"] | None = None,
    first: int = 0,
) -> Mask:
    """The mask for new tokens that stand behind `seen` earlier ones, of which those from index `first` on look.

    Raises: UserError for more positions than were learned, where positions are learned.
    """
    n_keys = seen + tokens.shape[1]
    if config.position == "learned" and n_keys > config.n_ctx:
        raise UserError(
            f"tokens must have at most {config.n_ctx} positions, the n_ctx that this model has learned; got "
            f"{n_keys}. Use shorter strings."
        )
    places = torch.arange(seen, n_keys, device=tokens.device)
    segment = None if segment is None else numbered_strings(segment)
    positions = places[None] if segment is None else _position_in_segment(segment)
    return Mask(positions[:, first:], positions, seen, segment, dtype)


def head_bias(
    heads: LayerHeads, queries: Int[Tensor, " query"], keys: Int[Tensor, " key"], dtype: torch.dtype
) -> Float[Tensor, "head query key"]:
    """What a layer's positions and windows add to the scores of its heads; see `attention_bias`."""
    return attention_bias(queries, keys, dtype, heads.slopes, heads.windows)


def positions_seen(past: Sequence[Any] | None) -> int:
    """How many tokens a past holds."""
    return past[0].length if past else 0


def numbered_strings(segment: Int[Tensor, "batch pos"]) -> Int[Tensor, "batch pos"]:
    """Number the packed strings of each row from 0: one whose number has stood there before is another string."""
    changes = segment[:, 1:] != segment[:, :-1]
    return torch.nn.functional.pad(changes.cumsum(dim=1), (1, 0))


def _position_in_segment(segment: Int[Tensor, "batch pos"]) -> Int[Tensor, "batch pos"]:
    positions = torch.arange(segment.shape[1], device=segment.device).expand_as(segment)
    begins = torch.ones_like(segment, dtype=torch.bool)
    begins[:, 1:] = segment[:, 1:] != segment[:, :-1]
    return positions - torch.where(begins, positions, 0).cummax(dim=1).values
