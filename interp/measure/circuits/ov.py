"""What raises a letter: its logit as an exact sum over who wrote it, a head's part over what it moved from where.

The final norm is held at the scale that the run had, so that the logit is linear in what was written to the stream
(direct logit attribution). A head's part is linear once more, with its attention as it is in the run: the sum over the
positions that it attends to and over what wrote to each of them, so `embed` at the source is the path
embed -> the head's values -> the logit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor

from interp.base.axes import Tokens
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.measure.circuits.score_run import require_places
from interp.measure.circuits.stream import (
    BIASES,
    cached,
    convolved,
    held_norm,
    looking_head,
    own_model,
    scale_hooks,
    stream_hooks,
    stream_parts,
)
from interp.models.stack.model import StackModel
from interp.models.surface import Model

Asked = Int[Tensor, " batch"]


@dataclass(frozen=True)
class LogitTable:
    """A logit, or the difference of two, by who wrote it. parts.sum(1) = logit."""

    writers: tuple[str, ...]
    """Names of nodes; `biases` has all that is added whatever is read."""
    parts: Float[Tensor, "batch writer"]
    logit: Float[Tensor, " batch"]
    """Logit in the run, which the parts add up to."""

    @property
    def total(self) -> Float[Tensor, " batch"]:
        """Sum of the parts: the logit."""
        return self.parts.sum(dim=1)


@dataclass(frozen=True)
class MovedTable:
    """What one head adds to a logit, by the positions that it attends to and what was written there.

    table.sum((1, 2)) is the head's part in a `LogitTable`.
    """

    head: str
    writers: tuple[str, ...]
    table: Float[Tensor, "batch pos writer"]

    @property
    def total(self) -> Float[Tensor, " batch"]:
        """Sum of all entries: what the head adds."""
        return self.table.sum(dim=(1, 2))


@checked_call
@torch.no_grad()
def decompose_logit(
    model: Model, tokens: Tokens, query: Asked, token: Asked, instead: Int[Tensor, " batch"] | None = None
) -> LogitTable:
    """Take the logit of a token apart, by what every node writes straight into it; a capped one as it is before.

    >>> from interp.models.planted import planted_copier
    >>> from interp.tasks import CopyTask, planted_repeats
    >>> model, _ = planted_copier(1, 8)
    >>> probe = planted_repeats(CopyTask(8), torch.tensor([0]), 9, 0, exclusive=True, context=2)
    >>> answer = probe.batch.targets.gather(1, probe.query[:, None])[:, 0]
    >>> found = decompose_logit(model, probe.batch.tokens, probe.query, answer)
    >>> found.writers[int(found.parts[0].argmax())]
    'L1H2'

    Args:
        model: one of this package's.
        tokens: the strings.
        query: position whose next token is asked for, in each string.
        token: the token whose logit it is, for each string.
        instead: take another token's logit off; None for the logit itself.

    Raises: UserError for a model of another package, a final norm that is not linear once its scale is held, or a
        position or token that there is not.
    """
    model = own_model(model)
    _require_asked(model, tokens, query, token, instead)
    last = len(model.blocks)
    logits_at = [] if model.logit_cap is None else ["hook_uncapped"]
    cache = cached(model, tokens, [*stream_hooks(model, last), *scale_hooks(model.ln_final, "ln_final"), *logits_at])
    norm, toward = held_norm(model.ln_final, "ln_final", cache).at(query[:, None, None]), _toward(model, token, instead)
    names, parts = [], []
    for name, written in stream_parts(model, last, cache):
        x = norm.linear(written.take_along_dim(query[:, None, None], 1))[:, 0]
        x = ((x + norm.shift if name == BIASES else x) * toward).sum(dim=1)
        names.append(name)
        parts.append(x + _differ(model.b_U.double(), token, instead) if name == BIASES else x)
    logits = cache[logits_at[0]] if logits_at else model(tokens)
    logits = logits.take_along_dim(query[:, None, None], 1)[:, 0].double()
    asked = logits.gather(1, token[:, None])[:, 0]
    other = 0.0 if instead is None else logits.gather(1, instead[:, None])[:, 0]
    return LogitTable(tuple(names), torch.stack(parts, dim=1), asked - other)


@checked_call
@torch.no_grad()
def decompose_moved(
    model: Model, tokens: Tokens, head: Any, query: Asked, token: Asked, instead: Int[Tensor, " batch"] | None = None
) -> MovedTable:
    """Take what one head adds to a logit apart, by the position that it attends to and by what wrote there.

    Args:
        model: one of this package's.
        tokens: the strings.
        head: an attention head, by name or as a `Head`.
        query, token, instead: as in `decompose_logit`.

    Raises: UserError as `decompose_logit` does, and for a head of hidden attention.
    """
    model, found = own_model(model), looking_head(own_model(model), head)
    _require_asked(model, tokens, query, token, instead)
    block, here = model.blocks[found.layer], f"blocks.{found.layer}"
    names = [*stream_hooks(model, found.layer), *scale_hooks(block.ln1, f"{here}.ln1"), f"{here}.attn.hook_pattern"]
    cache = cached(model, tokens, [*names, *scale_hooks(model.ln_final, "ln_final")])
    final = held_norm(model.ln_final, "ln_final", cache).at(query[:, None, None])
    back = final.transposed(_toward(model, token, instead)[:, None])[:, 0]
    value_to_logit = einsum(block.attn.W_O[found.index].double(), back, "d m, b m -> b d")
    attention = _row(cache, f"{here}.attn.hook_pattern", found.index, query)
    read, writers, entries = held_norm(block.ln1, f"{here}.ln1", cache), [], []
    for name, written in stream_parts(model, found.layer, cache):
        x = read.linear(written)
        x = (x + read.shift if name == BIASES else x) @ block.attn.W_V[found.index].double()
        x = x + block.attn.b_V[found.index].double() if name == BIASES else x
        writers.append(name)
        x = convolved(block.attn, "v", found.index, x)
        entries.append(attention * einsum(x, value_to_logit, "b k d, b d -> b k"))
    return MovedTable(found.name, tuple(writers), torch.stack(entries, dim=2))


def _require_asked(model: StackModel, tokens: Tokens, query: Asked, token: Asked, instead: Asked | None) -> None:
    require_places("query", query, torch.full_like(query, tokens.shape[1] - 1))
    for asked in (token,) if instead is None else (token, instead):
        if not asked.is_meta and bool(((asked < 0) | (asked >= len(model.b_U))).any()):
            raise UserError(
                f"token must be an id of the model's, 0 to {len(model.b_U) - 1}, for each string; got "
                f"{asked.tolist()[:6]}. Take them from batch.targets."
            )


def _toward(model: StackModel, token: Asked, instead: Asked | None) -> Float[Tensor, "batch d_model"]:
    """The direction of the normalised stream that raises what is asked for."""
    return _differ(model.W_U.T.double(), token, instead)


def _differ(values: Float[Tensor, "vocab ..."], token: Asked, instead: Asked | None) -> Tensor:
    return values[token] if instead is None else values[token] - values[instead]


def _row(cache: Mapping[str, Tensor], name: str, head: int, query: Asked) -> Float[Tensor, "batch pos"]:
    return cache[name][:, head].take_along_dim(query[:, None, None], 1)[:, 0].double()
