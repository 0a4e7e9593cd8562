"""`StackModel`: embedding, a stack of blocks, final norm, unembedding. What the blocks are is the subclass's.

One forward path for all of them, with the same arguments: attention and recurrent blocks differ in what they carry
from one call to the next (`past`) and in whether they look at the `Mask`.
"""

from contextlib import nullcontext
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from interp.base.axes import Logits, Residual, Tokens
from interp.base.errors import UserError, shown, unknown
from interp.models.hooks.lens import LensModel
from interp.models.hooks.point import in_use, shape_of
from interp.models.stack.config import TransformerConfig
from interp.models.stack.masks import Mask, head_bias
from interp.models.stack.past import check_past
from interp.models.stack.scores import capped
from interp.models.stack.steps import Steps, rows

RETURN_TYPES = ("logits", "loss", "both", None)


class StackModel(LensModel):
    """A language model made of blocks, each called as `block(x, mask, past)`.

    Subclasses give `embed.W_E`, `hook_embed`, `blocks`, `ln_final`, `unembed`, `make_mask` and one past for each block.
    """

    WANTED: ClassVar[str] = "a model of this package"
    ADVICE: ClassVar[str] = "Of a model under a bridge ask for what runs it: heads, ablations, texts."

    hook_embed: Any
    attention: TransformerConfig | None
    """Config of the attention layers; None where there are none."""
    logit_cap: float | None = None
    """Bound c of logits z, which become c tanh(z / c) (Gemma 2); None: no bound."""
    hook_uncapped: Any

    def make_mask(self, tokens: Tensor, segment: Tensor | None, past: list[Any] | None, first: int = 0) -> Mask:
        """Who may look where, for the new tokens from index `first` on."""
        raise NotImplementedError

    def forward(
        self,
        tokens: Tokens | Int[Tensor, " pos"] | Residual | object,
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

        >>> logits = model(tokens)
        >>> logits, loss = model(tokens, "both")

        Args:
            tokens: token ids [batch pos], or [pos] of one string; with `start_at_layer`, the residual stream
                [batch pos d_model] before that layer.
            return_type: "logits" [batch pos vocab]; "loss", the mean next-token cross-entropy in nats; "both"; or None.
            loss_per_token: the loss as [batch pos-1], not averaged.
            segment: which packed string each position belongs to: positions with one number side by side are one.
                Strings do not see each other, and positions start anew in each. For stacks of attention alone.
            past: from `new_past`; extended in place, so that the next call needs only the new tokens.
            start_at_layer, stop_at_layer: run only these blocks; stopped early, the residual stream is returned.
            queries_from: the first position that is wanted (negative: from the end). `model(tokens, queries_from=q)`
                equals `model(tokens)[:, q:]`, in value and in gradient, without what the last block would compute for
                the others alone: for a loss that begins at the answer (cut its mask alike). The last block's hooks then
                have only these positions, except for what the others are needed for: keys and values, a recurrence and
                what feeds it (a pattern has these query rows).

        Raises: UserError for anything but token ids of this vocabulary (`HookedModel.to_tokens`), for a past of other
            strings or of another model, and where options do not fit together.
        """
        if return_type not in RETURN_TYPES:
            raise unknown("return type", str(return_type), map(str, RETURN_TYPES))
        if return_type in ("loss", "both") and start_at_layer is not None:
            raise UserError(
                "return_type must be 'logits' or None with start_at_layer, as a loss needs the token ids; got "
                f"{shown(return_type)}."
            )
        inputs = self.to_tokens(tokens) if start_at_layer is None else self._stream_to_start_from(tokens)
        layers = range(*slice(start_at_layer, stop_at_layer).indices(len(self.blocks)))
        if layers and self.entry(layers[0]) != layers[0]:
            raise UserError(
                f"start_at_layer must not be a layer that reads what the one before it reads; got {layers[0]}. Start "
                f"at {layers[0] - 1}."
            )
        first = _index(queries_from, inputs.shape[1])
        self._check_together(inputs, segment, past, layers)
        with nullcontext() if torch.compiler.is_compiling() else self.lock:
            x = self._through_blocks(inputs, segment, past, layers, first, embed=start_at_layer is None)
            if stop_at_layer is not None:
                return x
            if return_type is None:
                return None
            logits = self.to_logits(x)
        if return_type == "logits":
            return logits
        loss = _next_token_loss(logits, inputs[:, first:], loss_per_token)
        return loss if return_type == "loss" else (logits, loss)

    def to_logits(self, stream: Float[Tensor, "*axes d_model"]) -> Float[Tensor, "*axes vocab"]:
        """What the final norm and the unembedding make of the stream behind the last block; capped, if there is a cap.

        `hook_uncapped`, where there is one, holds the logits before it.
        """
        logits = F.linear(self.ln_final(stream), self.W_U.T, self.b_U)
        return logits if self.logit_cap is None else capped(self.hook_uncapped(logits), self.logit_cap)

    def _through_blocks(
        self, inputs: Tensor, segment: Tensor | None, past: list[Any] | None, layers: range, first: int, embed: bool
    ) -> Residual:
        """The stream behind these layers, at the positions from `first` on."""
        behind = None if past is None else [past[layer] for layer in layers]
        mask = self.make_mask(inputs, segment, behind)
        last_mask = self.make_mask(inputs, segment, behind, first) if first else mask
        if embed and segment is None and past is None and self._reads_tokens(layers):
            x = self.blocks[0].write_from_tokens(inputs, self.W_E, first if len(layers) == 1 else 0)
            layers = layers[1:]
        else:
            x = self.embedded(inputs, mask) if embed else inputs
        beside: list[Residual] = []
        for layer in layers:
            block, of_layer = self.blocks[layer], last_mask if layer == layers[-1] else mask
            more = (beside,) if getattr(block, "shows", False) else (beside.pop(),) if beside else ()
            x = block(x, of_layer, None if past is None else past[layer], *more)
        return x

    def entry(self, layer: int) -> int:
        """Where a run that is to begin at a layer must begin: one before where the two stand side by side."""
        return layer - 1 if 0 < layer < len(self.blocks) and getattr(self.blocks[layer], "beside", False) else layer

    def _reads_tokens(self, layers: range) -> bool:
        """Whether the first layer may be computed from the tokens alone, without the stream that enters it."""
        return False if not layers else self._plain_embedding() and getattr(self.blocks[0], "reads_tokens", bool)()

    def _plain_embedding(self) -> bool:
        """Whether the stream begins as a row of W_E for each token, and nothing listens there."""
        return not in_use(self.hook_embed)

    def embedded(self, tokens: Tokens, mask: Mask) -> Residual:  # noqa: ARG002
        """The residual stream before the first block."""
        return self.hook_embed(F.embedding(tokens, self.W_E))

    def _stream_to_start_from(self, stream: Any) -> Residual:
        d_model = self.W_E.shape[1]
        fits = isinstance(stream, Tensor) and stream.is_floating_point() and stream.ndim == 3
        if not fits or stream.shape[2] != d_model or 0 in stream.shape:
            raise UserError(
                f"with start_at_layer the input must be a residual stream [batch pos {d_model}] of floating-point "
                f"numbers; got {shape_of(stream)}."
            )
        return stream

    def _check_together(self, inputs: Tensor, segment: Tensor | None, past: list[Any] | None, layers: range) -> None:
        if inputs.device != self.device:
            raise UserError(f"tokens must be on {self.device}, where the model is; got them on {inputs.device}.")
        if segment is not None and segment.shape != inputs.shape[:2]:
            raise UserError(
                f"segment must have the shape of tokens, {list(inputs.shape[:2])}; got {shape_of(segment)}."
            )
        if past is None:
            return
        if segment is not None:
            raise UserError("segment must be None where a past is given; got both. Packed rows are read whole.")
        check_past(past, self.blocks, layers, len(inputs), self.device)

    # ------------------------------------------------------------------ attention by rows

    def query_key_names(self, layer: int) -> tuple[str, str]:
        """The hook points of an attention layer's queries and keys as the scores use them."""
        kind = "hook_rot" if self._attention_config.position == "rope" else "hook"
        return f"blocks.{layer}.attn.{kind}_q", f"blocks.{layer}.attn.{kind}_k"

    def step_names(self, layer: int) -> tuple[str, ...]:
        """The hook points of what each step does to a layer's scores, where positions are made of the text; else ()."""
        return tuple(f"blocks.{layer}.attn.{name}" for name in self.blocks[layer].attn.step_hooks)

    def scores_at(
        self,
        layer: int,
        q: Float[Tensor, "batch head d_head"],
        k: Float[Tensor, "batch pos head d_head"],
        query: Int[Tensor, " batch"],
        steps: Steps | None = None,
    ) -> Float[Tensor, "batch head pos"]:
        """Scores of one query position of each string, from its query and all keys, -inf where hidden.

        For long strings, whose whole patterns do not fit: cache `query_key_names`, then ask for some rows at a time.

        Args:
            layer: an attention layer.
            q, k: its queries at those positions, and all its keys.
            query: the positions.
            steps: what `step_names` hold (`steps.joined`), where positions are made of the text.

        Raises: UserError without the steps of a layer that has some.
        """
        step = self.blocks[layer].attn.step
        if step is not None and steps is None:
            raise UserError(
                f"steps must be what {', '.join(self.step_names(layer))} hold for scores of this layer; got None. "
                "Cache them, and join them."
            )
        heads = self._attention_config.heads_in(layer)
        bias = head_bias(heads, query, torch.arange(k.shape[1], device=k.device), k.dtype)
        cap = self.blocks[layer].attn.score_cap
        return capped(rows(step, q, k, steps, query), cap) + bias.transpose(0, 1)

    def pattern_at(self, layer: int, scores: Float[Tensor, "batch head pos"]) -> Float[Tensor, "batch head pos"]:
        """Attention of those scores: softmax, or what the model has in its place."""
        return self.blocks[layer].attn.to_pattern(scores[:, :, None])[:, :, 0]

    @property
    def _attention_config(self) -> TransformerConfig:
        if self.attention is None:
            raise UserError("model must have an attention layer for attention scores; got one without.")
        return self.attention


def _index(position: int, n: int) -> int:
    """A position counted from the front."""
    if not -n <= position < n:
        raise UserError(f"queries_from must be a position, an integer from {-n} to {n - 1}; got {position}.")
    return position % n


def _next_token_loss(logits: Logits, tokens: Tokens, per_token: bool) -> Tensor:
    if tokens.shape[1] < 2:
        raise UserError(
            "tokens must have at least two positions for a loss; got one. A loss is of the second position "
            "and those after it."
        )
    loss = F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
    return loss if per_token else loss.mean()
