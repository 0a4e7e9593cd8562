"""A run up to one head's scores, with the maps from what is written to the stream to the head's queries and keys."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.base.axes import Residual, Tokens
from interp.base.errors import UserError
from interp.measure.circuits.stream import HeldNorm, cached, convolved, held_norm, scale_hooks
from interp.models.heads import Head
from interp.models.stack.masks import head_bias
from interp.models.stack.model import StackModel
from interp.models.stack.positions import rotate
from interp.models.stack.steps import ForgetGate, Reflections, Steps, joined, rows

Keys = Int[Tensor, " batch"] | Float[Tensor, "batch pos"]
"""One key position of each string; or a weight for each, as +1 at one key and -1 at another for their difference."""


@dataclass(frozen=True)
class ScoreRun:
    """A run up to a head's scores, and the maps from what is written to its queries and keys."""

    model: StackModel
    head: Head
    query: Int[Tensor, " batch"]
    weight: Float[Tensor, "batch pos"]
    """Weight of every key."""
    cache: dict[str, Tensor]
    norm: HeldNorm

    @classmethod
    def of(
        cls, model: StackModel, tokens: Tokens, head: Head, query: Int[Tensor, " batch"], key: Keys, names: list[str]
    ) -> "ScoreRun":
        norm, name = model.blocks[head.layer].ln1, f"blocks.{head.layer}.ln1"
        wanted = [
            *names, *scale_hooks(norm, name), *model.query_key_names(head.layer), *model.step_names(head.layer)
        ]  # fmt: skip
        require_places("query", query, torch.full_like(query, tokens.shape[1] - 1))
        if key.ndim == 1:
            require_places("key", key, query)
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
        """Whether queries and keys are turned by their positions, or keys on their way to the query."""
        return self.attention.rotary_dim is not None or isinstance(self.attention.step, Reflections)

    @property
    def steps(self) -> Steps | None:
        """What the steps between key and query do, of all heads, where positions are made of the text."""
        names = self.model.step_names(self.head.layer)
        return joined(tuple(self.cache[name] for name in names)) if names else None

    def queries(self, part: Residual, constant: bool) -> tuple[Tensor, Tensor]:
        """What a part of the stream makes of the query, before and after it is turned: [batch d_head] each.

        Args:
            part: what was written.
            constant: add what is added whatever is read.
        """
        return self.at_query(self.mapped("q", part, constant))

    def keys(self, part: Residual, constant: bool) -> tuple[Tensor, Tensor]:
        """What a part of the stream makes of the keys, summed with their weights: as `queries`."""
        return self.over_keys(self.mapped("k", part, constant))

    def mapped(
        self, into: str, part: Float[Tensor, "batch pos *part d_model"], constant: bool
    ) -> Float[Tensor, "batch pos *part d_head"]:
        """Through the norm, the head's map and the convolution, if there is one."""
        attention, x = self.attention, self.norm.linear(part)
        W, b = (attention.W_Q, attention.b_Q) if into == "q" else (attention.W_K, attention.b_K)
        x = (x + self.norm.shift if constant else x) @ W[self.head.index].double()
        return convolved(attention, into, self.head.index, x + b[self.head.index].double() if constant else x)

    def at_query(self, x: Float[Tensor, "batch pos d_head"]) -> tuple[Tensor, Tensor]:
        """The query's, scaled; before and after it is turned."""
        attention, position = self.attention, self.query[:, None]
        x = x.take_along_dim(position[..., None], 1)
        if attention.scale is not None:
            ones = torch.ones(len(x), 1, attention.heads.n, 1, dtype=x.dtype, device=x.device)
            x = x * attention.scale(ones, position)[:, :, self.head.index]
        return x[:, 0], self._turned(x, position)[:, 0]

    def over_keys(self, x: Float[Tensor, "batch pos d_head"]) -> tuple[Tensor, Tensor]:
        """The weighted sum over keys, before and after they are turned."""
        if isinstance(self.attention.step, Reflections):
            return self._weighed(x), self._carried(x)
        positions = torch.arange(x.shape[1], device=x.device)[None]
        return self._weighed(x), self._weighed(self._turned(x, positions))

    def whole(self) -> tuple[Float[Tensor, "batch d_head"], Float[Tensor, "batch d_head"]]:
        """The query of the run, and the weighted sum of its keys."""
        q, k = (self.cache[name][:, :, self.head.index].double() for name in self.names)
        carried = isinstance(self.attention.step, Reflections)
        return q.take_along_dim(self.query[:, None, None], 1)[:, 0], self._carried(k) if carried else self._weighed(k)

    @property
    def names(self) -> tuple[str, str]:
        return self.model.query_key_names(self.head.layer)

    def position_and_score(self) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        """What positions add, and the score of the run, both weighted."""
        bias = self._bias()
        q, k = (self.cache[name] for name in self.names)
        q = q.take_along_dim(self.query[:, None, None, None], 1)[:, 0]
        scores = self.model.scores_at(self.head.layer, q, k, self.query, self.steps)[:, self.head.index].double()
        hidden = bias.isinf()
        sums = (self.weight * values.masked_fill(hidden, 0.0) for values in (bias, scores))
        position, score = (values.sum(dim=1) for values in sums)
        return position, score

    def _bias(self) -> Float[Tensor, "batch pos"]:
        places = torch.arange(self.weight.shape[1], device=self.query.device)
        heads = self.attention.heads
        bias = head_bias(heads, self.query, places, torch.float64)
        bias = bias[self.head.index if len(bias) > 1 else 0]
        if not isinstance(self.attention.step, ForgetGate) or self.steps is None:
            return bias
        steps = self.steps[:, :, [self.head.index]]
        none = torch.zeros_like(steps, dtype=torch.float64)
        return bias + rows(self.attention.step, none[:, 0], none, steps, self.query)[:, 0]

    def _turned(self, x: Float[Tensor, "batch pos d_head"], positions: Int[Tensor, "#batch pos"]) -> Tensor:
        if self.attention.rotary_dim is None:
            return x
        return rotate(x[:, :, None], positions, self.attention.rotary_dim, self.attention.rotary_base)[:, :, 0]

    def _carried(self, x: Float[Tensor, "batch pos d_head"]) -> Float[Tensor, "batch d_head"]:
        """The weighted sum of keys, each carried to the query: every step turns what has been summed before it."""
        assert self.steps is not None
        steps = self.attention.step.until(self.steps, self.query)[:, :, self.head.index].double()
        total = torch.zeros_like(x[:, 0])
        for key, weight, step in zip(x.unbind(1), self.weight.unbind(1), steps.unbind(1), strict=True):
            w, beta = step[:, :-1], step[:, -1:]
            total = total - beta * (w * total).sum(dim=1, keepdim=True) * w + weight[:, None] * key
        return total

    def _weighed(self, x: Float[Tensor, "batch pos d_head"]) -> Float[Tensor, "batch d_head"]:
        return (x * self.weight[..., None]).sum(dim=1)


def require_places(name: str, places: Int[Tensor, " batch"], last: Int[Tensor, " batch"]) -> None:
    """Refuse positions that strings do not have. Raises: UserError."""
    if not places.is_meta and bool(((places < 0) | (places > last)).any()):
        raise UserError(
            f"{name} must be a position of each string, a key no later than its query; got {places.tolist()[:6]} with "
            f"{last.tolist()[:6]} as the last that may be."
        )
