"""`HookedTransformer`: the transformers of the paper, small enough to train here and open at every point.

Embedding, blocks of attention and (optionally) MLP, final norm, unembedding; pre-norm or none, sequential or parallel
residual; positions learned, RoPE, NoPE, ALiBi or Hard-ALiBi. Names are TransformerLens's, so that its tools run on it.
"""

from typing import Any

import torch
import torch.nn.functional as F
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from interp.axes import Logits, Residual, Tokens
from interp.errors import UserError, unknown
from interp.models.attention import KeyValues, Mask
from interp.models.block import Block, norm
from interp.models.lens import LensModel
from interp.models.positions import alibi_slopes, attention_bias, segment_bias
from interp.models.shape import TransformerConfig


class HookedTransformer(LensModel):
    """A transformer language model opened by hook points.

    Args:
        config: its shape.
        seed: of the initial weights: embeddings N(0, 1), maps N(0, 1 / fan-in), biases 0.
    """

    kind = "transformer"
    config: TransformerConfig
    pos_embed: Any

    def __init__(self, config: TransformerConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Module()
        self.embed.W_E = nn.Parameter(torch.empty(config.d_vocab, config.d_model))
        self.hook_embed = HookPoint()
        if config.position == "learned":
            self.pos_embed = nn.Module()
            self.pos_embed.W_pos = nn.Parameter(torch.empty(config.n_ctx, config.d_model))
            self.hook_pos_embed = HookPoint()
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.ln_final = norm(config)
        self.unembed = nn.Module()
        self.unembed.W_U = nn.Parameter(torch.empty(config.d_model, config.d_vocab))
        self.unembed.b_U = nn.Parameter(torch.empty(config.d_vocab))
        self.init_weights(seed)
        self.setup()

    @torch.no_grad()
    def init_weights(self, seed: int) -> None:
        """Draw all weights anew; the same seed gives the same weights on every device."""
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if parameter.is_meta or name.endswith((".w", ".b")):
                continue
            if ".b_" in name:
                parameter.zero_()
                continue
            fan_in = 1 if name.endswith(("W_E", "W_pos")) else _fan_in(name, parameter)
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * fan_in**-0.5)

    def forward(
        self,
        tokens: Tokens | Residual,
        return_type: str | None = "logits",
        *,
        loss_per_token: bool = False,
        segment: Int[Tensor, "batch pos"] | None = None,
        past: list[KeyValues] | None = None,
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
                anew in each.
            past: from `new_past`; extended in place, so that the next call needs only the new tokens.
            start_at_layer, stop_at_layer: run only these blocks; stopped early, the residual stream is returned.
            queries_from: the first position that is wanted (negative: from the end). `model(tokens, queries_from=q)`
                equals `model(tokens)[:, q:]`, in value and in gradient, without what the last block would compute for
                the others alone: for a loss that begins at the answer (cut its mask alike). The last block's hooks then
                have only these positions, keys and values excepted (a pattern: these query rows).

        Raises: UserError where these do not fit together.
        """
        first = _index(queries_from, tokens.shape[1])
        mask = self._mask(tokens, segment, past)
        last_mask = self._mask(tokens, segment, past, first) if first else mask
        x = tokens if start_at_layer is not None else self._embed(tokens, mask)
        layers = range(*slice(start_at_layer, stop_at_layer).indices(self.config.n_layers))
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

    @property
    def lens_names(self) -> dict[str, Any]:
        c = self.config
        names = {"learned": "standard", "rope": "rotary", "nope": "none"}
        return {
            "n_layers": c.n_layers,
            "n_heads": c.n_heads,
            "d_model": c.d_model,
            "d_head": c.head_width,
            "d_mlp": c.d_mlp,
            "d_vocab": c.d_vocab,
            "n_ctx": c.n_ctx,
            "act_fn": c.activation,
            "attn_only": c.d_mlp == 0,
            "n_key_value_heads": c.n_heads,
            "normalization_type": c.normalization,
            "parallel_attn_mlp": c.parallel,
            "positional_embedding_type": names.get(c.position, "alibi"),
        }

    def new_past(self) -> list[KeyValues]:
        return [KeyValues() for _ in self.blocks]

    def scores_at(
        self,
        q: Float[Tensor, "batch head d_head"],
        k: Float[Tensor, "batch pos head d_head"],
        query: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch head pos"]:
        """Scores of one query position of each string, from its query and all keys, -inf where hidden.

        For long strings, whose whole patterns do not fit: cache `query_key_names`, then ask for some rows at a time.
        """
        bias = self._bias(query, torch.arange(k.shape[1], device=k.device), k.dtype)
        return einsum(q, k, "b h d, b k h d -> b h k") * q.shape[-1] ** -0.5 + bias.transpose(0, 1)

    def query_key_names(self, layer: int) -> tuple[str, str]:
        """The hook points of the queries and keys as the scores use them."""
        kind = "hook_rot" if self.config.position == "rope" else "hook"
        return f"blocks.{layer}.attn.{kind}_q", f"blocks.{layer}.attn.{kind}_k"

    def _embed(self, tokens: Tokens, mask: Mask) -> Residual:
        x = self.hook_embed(self.W_E[tokens])
        if self.config.position == "learned":
            x = x + self.hook_pos_embed(self.pos_embed.W_pos[mask.keys.expand(len(x), -1)])
        return x

    def _mask(self, tokens: Tensor, segment: Tensor | None, past: list[KeyValues] | None, first: int = 0) -> Mask:
        """Who may look where, for the new tokens from index `first` on."""
        if past is not None and segment is not None:
            raise UserError("segments are for whole packed sequences; they cannot be combined with a past.")
        seen = 0 if past is None or past[0].keys is None else past[0].keys.shape[1]
        n_keys = seen + tokens.shape[1]
        if self.config.position == "learned" and n_keys > self.config.n_ctx:
            raise UserError(f"the sequence has {n_keys} positions; this model has learned {self.config.n_ctx} (n_ctx).")
        places = torch.arange(n_keys, device=tokens.device)
        positions = places[None, seen:] if segment is None else _position_in_segment(segment)
        queries = positions[:, first:]
        if segment is None and seen + first == 0 and self.config.position != "alibi" and self.config.windows is None:
            return Mask(queries, positions, None)
        bias = self._bias(places[seen + first :], places, self.W_E.dtype)[None]
        if segment is not None:
            bias = bias + segment_bias(segment[:, first:], segment, bias.dtype)
        return Mask(queries, positions, bias)

    def _bias(self, queries: Int[Tensor, " query"], keys: Int[Tensor, " key"], dtype: torch.dtype) -> Tensor:
        slopes = alibi_slopes(self.config.n_heads) if self.config.position == "alibi" else None
        return attention_bias(queries, keys, dtype, slopes, self.config.windows)


def _fan_in(name: str, weight: Tensor) -> int:
    """Numbers summed into each output: W_O sums over heads and their width, every other map over its first axis."""
    return weight.shape[0] * weight.shape[1] if name.endswith("W_O") else weight.shape[0]


def _index(position: int, n: int) -> int:
    """A position counted from the front."""
    if not -n <= position < n:
        raise UserError(f"queries_from {position} is none of the {n} positions.")
    return position % n


def _position_in_segment(segment: Int[Tensor, "batch pos"]) -> Int[Tensor, "batch pos"]:
    positions = torch.arange(segment.shape[1], device=segment.device).expand_as(segment)
    begins = torch.ones_like(segment, dtype=torch.bool)
    begins[:, 1:] = segment[:, 1:] != segment[:, :-1]
    return positions - torch.where(begins, positions, 0).cummax(dim=1).values


def _next_token_loss(logits: Logits, tokens: Tokens, per_token: bool) -> Tensor:
    loss = F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
    return loss if per_token else loss.mean()
