"""Who may look where: the `Mask` that all attention layers of a model share in one forward pass."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.errors import UserError
from interp.models.stack.attention import Mask
from interp.models.stack.config import TransformerConfig
from interp.models.stack.positions import alibi_slopes, attention_bias, segment_bias


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
    places = torch.arange(n_keys, device=tokens.device)
    positions = places[None, seen:] if segment is None else _position_in_segment(segment)
    queries = positions[:, first:]
    if segment is None and seen + first == 0 and config.position != "alibi" and config.windows is None:
        return Mask(queries, positions, None)
    bias = position_bias(config, places[seen + first :], places, dtype)[None]
    if segment is not None:
        bias = bias + segment_bias(segment[:, first:], segment, bias.dtype)
    return Mask(queries, positions, bias)


def position_bias(
    config: TransformerConfig, queries: Int[Tensor, " query"], keys: Int[Tensor, " key"], dtype: torch.dtype
) -> Tensor:
    """[head query key]: what the model's positions and windows add to the scores; see `attention_bias`."""
    slopes = alibi_slopes(config.n_heads) if config.position == "alibi" else None
    return attention_bias(queries, keys, dtype, slopes, config.windows)


def positions_seen(past: Sequence[Any] | None) -> int:
    """How many tokens a past holds."""
    return past[0].length if past else 0


def _position_in_segment(segment: Int[Tensor, "batch pos"]) -> Int[Tensor, "batch pos"]:
    positions = torch.arange(segment.shape[1], device=segment.device).expand_as(segment)
    begins = torch.ones_like(segment, dtype=torch.bool)
    begins[:, 1:] = segment[:, 1:] != segment[:, :-1]
    return positions - torch.where(begins, positions, 0).cummax(dim=1).values
