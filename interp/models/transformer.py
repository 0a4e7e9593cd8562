"""`HookedTransformer`: the transformers of the paper, small enough to train here and open at every point.

Embedding, blocks of attention and (optionally) MLP, final norm, unembedding; norms before the parts, after them or
none; sequential or parallel residual; positions learned, RoPE, NoPE, ALiBi or Hard-ALiBi. Names are TransformerLens's,
so that its tools run on it.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from interp.base.axes import Residual, Tokens
from interp.models.hooks.point import HookPoint
from interp.models.stack.block import Block, draw_weights
from interp.models.stack.config import TransformerConfig
from interp.models.stack.key_values import KeyValues
from interp.models.stack.layers import make_mlp, make_norm
from interp.models.stack.masks import Mask, make_mask, positions_seen
from interp.models.stack.model import StackModel
from interp.models.stack.stacked import StackedWeights


class HookedTransformer(StackedWeights, StackModel):
    """A transformer language model opened by hook points.

    >>> model = interp.HookedTransformer(interp.TransformerConfig(n_layers=2, n_heads=4, d_model=32), seed=0)
    >>> _, cache = model.run_with_cache(torch.tensor([[0, 1, 2]]))
    >>> tuple(cache["blocks.1.attn.hook_pattern"].shape)  # [batch head query key]
    (1, 4, 3, 3)

    Args:
        config: a `TransformerConfig`.
        seed: seed of the first weights: embeddings N(0, 1), maps N(0, 1 / fan-in), biases 0.
    """

    kind = "transformer"
    config_class = TransformerConfig
    config: TransformerConfig
    pos_embed: Any

    def __init__(self, config: TransformerConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = self.attention = config
        self.embed = nn.Module()
        self.embed.W_E = nn.Parameter(torch.empty(config.d_vocab, config.d_model))
        self.hook_embed = HookPoint()
        if config.position == "learned":
            self.pos_embed = nn.Module()
            self.pos_embed.W_pos = nn.Parameter(torch.empty(config.n_ctx, config.d_model))
            self.hook_pos_embed = HookPoint()
        mlp = partial(make_mlp, config.d_model, config.d_mlp, config.activation, config.gated_mlp)
        self.blocks = nn.ModuleList(Block(config, layer, mlp()) for layer in range(config.n_layers))
        self.ln_final = make_norm(config.normalization, config.d_model, config.norm_eps)
        self.unembed = nn.Module()
        self.unembed.W_U = nn.Parameter(torch.empty(config.d_model, config.d_vocab))
        self.unembed.b_U = nn.Parameter(torch.empty(config.d_vocab))
        self.init_weights(seed)
        self.setup()

    def init_weights(self, seed: int) -> None:
        """Draw all weights anew; the same seed gives the same weights on every device."""
        draw_weights(self, torch.Generator().manual_seed(seed))

    @property
    def lens_names(self) -> dict[str, Any]:
        c = self.config
        names = {"learned": "standard", "rope": "rotary", "nope": "none"}
        return {
            "n_layers": c.n_layers,
            "n_heads": c.most_heads,
            "d_model": c.d_model,
            "d_head": c.head_width,
            "d_mlp": c.d_mlp,
            "d_vocab": c.d_vocab,
            "n_ctx": c.n_ctx,
            "act_fn": c.activation,
            "attn_only": c.d_mlp == 0,
            "n_key_value_heads": c.n_key_value_heads or c.most_heads,
            "normalization_type": c.normalization,
            "parallel_attn_mlp": c.parallel,
            "positional_embedding_type": names.get(c.position, "alibi"),
        }

    def new_past(self) -> list[KeyValues]:
        return [KeyValues() for _ in self.blocks]

    def _plain_embedding(self) -> bool:
        return self.config.position != "learned" and super()._plain_embedding()

    def embedded(self, tokens: Tokens, mask: Mask) -> Residual:
        x = super().embedded(tokens, mask)
        if self.config.position == "learned":
            x = x + self.hook_pos_embed(self.pos_embed.W_pos[mask.keys.expand(len(x), -1)])
        return x

    def make_mask(self, tokens: Tensor, segment: Tensor | None, past: list[Any] | None, first: int = 0) -> Mask:
        seen = positions_seen(past)
        return make_mask(self.config, tokens, self.W_E.dtype, seen=seen, segment=segment, first=first)
