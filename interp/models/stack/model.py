"""`StackModel`: embedding, a stack of blocks, final norm, unembedding. What the blocks are is the subclass's.

One forward path for all of them, with the same arguments: attention and recurrent blocks differ in what they carry
from one call to the next (`past`) and in whether they look at the `Mask`.
"""

from typing import Any

import torch
import torch.nn.functional as F
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor

from interp.base.axes import Logits, Residual, Tokens
from interp.base.errors import UserError, unknown
from interp.models.hooks.lens import LensModel
from interp.models.stack.attention import Mask
from interp.models.stack.config import TransformerConfig
from interp.models.stack.masks import position_bias


class StackModel(LensModel):
    """A language model made of blocks, each called as `block(x, mask, past)`.

    Subclasses give `embed.W_E`, `hook_embed`, `blocks`, `ln_final`, `unembed`, `make_mask` and one past for each block.
    """

    hook_embed: Any
    attention: TransformerConfig | None
    """The shape of the attention layers; None where there are none."""

    def make_mask(self, tokens: Tensor, segment: Tensor | None, past: list[Any] | None, first: int = 0) -> Mask:
        """Who may look where, for the new tokens from index `first` on."""
        raise NotImplementedError

    def forward(
        self,
        tokens: Tokens | Residual,
        return_type: str | None = "logits",
        *,
        loss_per_token: bool = False,
        segment: Int[Tensor, "batch pos"] | None = None,
        past: list[Any] | None = None,
        start_at_layer: int | None = None,
        stop_at_layer: int | None = None,
        queries_from: int = 0,
    ) -> Any:
        """Run the model.

        Args:
            tokens: token ids; with `start_at_layer`, the residual stream before that layer.
            return_type: "logits" [batch pos vocab]; "loss", the mean next-token cross-entropy in nats; "both"; or None.
            loss_per_token: the loss as [batch pos-1], not averaged.
            segment: which packed string each position belongs to; strings do not see each other, and positions start
                anew in each. For stacks of attention alone.
            past: from `new_past`; extended in place, so that the next call needs only the new tokens.
            start_at_layer, stop_at_layer: run only these blocks; stopped early, the residual stream is returned.
            queries_from: the first position that is wanted (negative: from the end). `model(tokens, queries_from=q)`
                equals `model(tokens)[:, q:]`, in value and in gradient, without what the last block would compute for
                the others alone: for a loss that begins at the answer (cut its mask alike). The last block's hooks then
                have only these positions, but for what the others are needed for: keys and values, a recurrence and
                what feeds it (a pattern has these query rows).

        Raises: UserError where these do not fit together.
        """
        if past is not None and segment is not None:
            raise UserError("segments are for whole packed sequences; they cannot be combined with a past.")
        first = _index(queries_from, tokens.shape[1])
        mask = self.make_mask(tokens, segment, past)
        last_mask = self.make_mask(tokens, segment, past, first) if first else mask
        x = tokens if start_at_layer is not None else self.embedded(tokens, mask)
        layers = range(*slice(start_at_layer, stop_at_layer).indices(len(self.blocks)))
        for layer in layers:
            of_layer = last_mask if layer == layers[-1] else mask
            x = self.blocks[layer](x, of_layer, None if past is None else past[layer])
        if stop_at_layer is not None:
            return x
        if return_type is None:
            return None
        logits = F.linear(self.ln_final(x), self.W_U.T, self.b_U)
        if return_type == "logits":
            return logits
        if return_type not in ("loss", "both"):
            raise unknown("return type", str(return_type), ("logits", "loss", "both", "None"))
        if start_at_layer is not None:
            raise UserError("the loss needs the token ids; with start_at_layer only logits can be returned.")
        loss = _next_token_loss(logits, tokens[:, first:], loss_per_token)
        return loss if return_type == "loss" else (logits, loss)

    def embedded(self, tokens: Tokens, mask: Mask) -> Residual:  # noqa: ARG002
        """The residual stream before the first block."""
        return self.hook_embed(self.W_E[tokens])

    # ------------------------------------------------------------------ attention by rows

    def query_key_names(self, layer: int) -> tuple[str, str]:
        """The hook points of an attention layer's queries and keys as the scores use them."""
        kind = "hook_rot" if self._shape.position == "rope" else "hook"
        return f"blocks.{layer}.attn.{kind}_q", f"blocks.{layer}.attn.{kind}_k"

    def scores_at(
        self,
        q: Float[Tensor, "batch head d_head"],
        k: Float[Tensor, "batch pos head d_head"],
        query: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch head pos"]:
        """Scores of one query position of each string, from its query and all keys, -inf where hidden.

        For long strings, whose whole patterns do not fit: cache `query_key_names`, then ask for some rows at a time.
        """
        bias = position_bias(self._shape, query, torch.arange(k.shape[1], device=k.device), k.dtype)
        return einsum(q, k, "b h d, b k h d -> b h k") * q.shape[-1] ** -0.5 + bias.transpose(0, 1)

    @property
    def _shape(self) -> TransformerConfig:
        if self.attention is None:
            raise UserError("this model has no attention layer.")
        return self.attention


def _index(position: int, n: int) -> int:
    """A position counted from the front."""
    if not -n <= position < n:
        raise UserError(f"queries_from {position} is none of the {n} positions.")
    return position % n


def _next_token_loss(logits: Logits, tokens: Tokens, per_token: bool) -> Tensor:
    loss = F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
    return loss if per_token else loss.mean()
