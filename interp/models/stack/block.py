"""One layer of a transformer: attention and MLP, each reading the normalised residual stream and writing to it."""

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from interp.base.axes import Residual, Tokens
from interp.models.hooks.point import HookPoint, in_use
from interp.models.stack.attention import Attention
from interp.models.stack.config import TransformerConfig
from interp.models.stack.even_attention import EvenAttention
from interp.models.stack.grouped_attention import GroupedAttention
from interp.models.stack.key_values import KeyValues
from interp.models.stack.latent_attention import LatentAttention
from interp.models.stack.layers import make_norm
from interp.models.stack.masks import Mask
from interp.models.stack.running_mean import token_shares


class Block(nn.Module):
    """One layer: x + attention, then + MLP.

    `hook_resid_mid` stands between the two, in a parallel block (whose MLP reads x) and in one without an MLP as well.
    On demand: `hook_mlp_in`; the paths into each head's queries, keys and values, `attn.hook_q_input | hook_k_input |
    hook_v_input` [batch pos head d_model] (the hooks of `ln1` then fire for each of them); and, without an MLP,
    `hook_mlp_out`, where zeros are written. Where norms stand after the parts (`norm_after`), they are `ln1_post` and
    `ln2_post`, `ln1` and `ln2` are identities, and `hook_attn_heads` is what the heads write together, before its norm.

    Args:
        config: of the layers.
        layer: which it is.
        mlp: behind attention, or beside it (`parallel`): an MLP or a mixture of experts; None: none.
    """

    hook_out_is_single_residual_stream = True  # TransformerLens's logit lens asks
    past_class = KeyValues
    beside = False
    shows = False
    """Whether the next layer stands beside it, and reads what it reads."""
    mlp: Any
    ln1: nn.Module
    ln2: nn.Module
    ln1_post: nn.Module
    ln2_post: nn.Module

    def __init__(self, config: TransformerConfig, layer: int, mlp: nn.Module | None = None) -> None:
        super().__init__()
        self.attn = _attention_class(config, layer)(config, layer)
        self.mlp = mlp
        for name in ("ln1", "ln2")[: 1 if mlp is None else 2]:
            norm = make_norm(config.normalization, config.d_model, config.norm_eps)
            setattr(self, name, nn.Identity() if config.norm_after else norm)
            if config.norm_after:
                setattr(self, f"{name}_post", norm)
        self.norm_after, self.parallel, self.n_heads = config.norm_after, config.parallel, self.attn.heads.n
        if self.norm_after:
            self.hook_attn_heads = HookPoint()
        self.hook_resid_pre, self.hook_attn_out, self.hook_resid_mid = HookPoint(), HookPoint(), HookPoint()
        self.hook_mlp_in, self.hook_mlp_out, self.hook_resid_post = HookPoint(), HookPoint(), HookPoint()

    def forward(
        self, x: Residual, mask: Mask, past: KeyValues | None = None, shown: list[Tensor] | None = None
    ) -> Float[Tensor, "batch query d_model"]:
        """Run the layer; returns the stream after it at the positions that `mask` asks for.

        Args:
            x: the stream.
            mask: who may look where, and which positions are wanted.
            past: keys and values from before these positions; extended in place.
            shown: where it puts the stream as it reads it, for a layer beside it; None: nowhere.
        """
        x = self.hook_resid_pre(x)
        if shown is not None:
            shown.append(x)
        attn_out = self.attn(self._attention_input(x, self.attn.first_query(mask)), mask, past)
        if self.norm_after:
            attn_out = self.ln1_post(self.hook_attn_heads(attn_out))
        return self.add(x[:, mask.first :] if mask.first else x, self.hook_attn_out(attn_out))

    @property
    def heads_hook(self) -> str:
        """Hook point of the sum of what the heads write, after `blocks.0.`."""
        return "hook_attn_heads" if self.norm_after else "hook_attn_out"

    def add_heads(self, x: Residual, heads: Residual) -> Residual:
        """The stream after the block, from its input and the sum of what the heads write."""
        return self.add(x, self.ln1_post(heads) if self.norm_after else heads)

    def reads_tokens(self) -> bool:
        """Whether, as a first layer, it may compute what it writes from the tokens alone (`write_from_tokens`).

        It may where all heads look evenly, and nothing listens at the stream, the norm or the attention.
        """
        attention = self.attn
        if not isinstance(attention, EvenAttention) or not attention.plain or self.norm_after or self.shows:
            return False
        norm = [point for point in self.ln1.children() if isinstance(point, HookPoint)]
        return not in_use(self.hook_resid_pre, *norm)

    def write_from_tokens(
        self, tokens: Tokens, W_E: Float[Tensor, "token d_model"], first: int
    ) -> Float[Tensor, "batch query d_model"]:
        """The stream after the block, at the positions from `first` on, if it is the model's first one.

        The mean over a window of what single tokens would have written: the token's share of the window, times the
        token's row in a table of each head. Equal to `forward` on their embeddings, in value and in gradient.
        """
        attention = cast(EvenAttention, self.attn)
        tables = attention.tables(self.ln1(W_E)).flatten(0, 1)
        shares = token_shares(tokens, cast(Any, attention.heads.windows), len(W_E), W_E.dtype)[:, first:]
        written = F.linear(shares.flatten(2), tables.T, attention.b_O)
        return self.add(F.embedding(tokens[:, first:], W_E), self.hook_attn_out(written))

    def add(self, x: Residual, attn_out: Residual) -> Residual:
        """The stream after the block: its input, what attention writes, and what the MLP makes of them."""
        mid = self.hook_resid_mid(x + attn_out)
        if self.mlp is None and not in_use(self.hook_mlp_in, self.hook_mlp_out):
            return self.hook_resid_post(mid)
        mlp_in = x if self.parallel else mid
        if in_use(self.hook_mlp_in):
            mlp_in = self.hook_mlp_in(mlp_in.clone())  # an edit in place must not reach the stream itself
        mlp_out = 0 * mlp_in if self.mlp is None else self.mlp(self.ln2(mlp_in))  # so that it has a gradient: zero
        if self.norm_after and self.mlp is not None:
            mlp_out = self.ln2_post(mlp_out)
        return self.hook_resid_post(mid + self.hook_mlp_out(mlp_out))

    def past_shapes(self, length: int) -> dict[str, tuple[int, ...]]:
        """What it carries for each string after this many positions: name -> shape."""
        n_heads, d_value, _ = self.attn.W_O.shape
        d_head = self.attn.heads.width
        shapes: dict[str, tuple[int, ...]] = {"keys": (length, n_heads, d_head), "values": (length, n_heads, d_value)}
        if self.attn.conv is not None:
            shapes |= {"window": (self.attn.conv.reach, 3, n_heads, d_head)}
        if self.attn.step is not None:
            shapes |= {"steps": (length, n_heads, self.attn.step.size)}
        return shapes

    def written_bias(self, mlp: bool = True) -> Float[Tensor, " d_model"]:
        """The constant that the block adds to the stream, with or without its MLP's.

        Where norms come after, it is their shift: what they make of a part's own bias depends on the input.
        """
        written = self._constant("ln1_post", lambda: self.attn.b_O)
        return written + self._constant("ln2_post", self.mlp.written_bias) if mlp and self.mlp is not None else written

    def init_weights(self, generator: torch.Generator) -> None:
        """Draw the weights anew."""
        draw_weights(self, generator)

    def _constant(self, norm: str, of_part: Callable[[], Tensor]) -> Float[Tensor, " d_model"]:
        """What a part adds whatever it reads: its own, or the shift of the norm that comes after it, else zeros."""
        after = getattr(self, norm, nn.Identity())
        constant = of_part() if isinstance(after, nn.Identity) else getattr(after, "b", None)
        return torch.zeros_like(self.attn.b_O) if constant is None else constant

    def _attention_input(self, x: Residual, first: int) -> Any:
        """The normalised stream; split by head and by use where a path into one of them is watched or patched."""
        hooks = self.attn.hook_q_input, self.attn.hook_k_input, self.attn.hook_v_input
        if not in_use(*hooks):
            return self.ln1(x)
        copies = x[:, :, None].expand(-1, -1, self.n_heads, -1)
        return tuple(
            self.ln1(hook(y.clone())) for hook, y in zip(hooks, (copies[:, first:], copies, copies), strict=True)
        )


def _attention_class(config: TransformerConfig, layer: int) -> type[Attention]:
    if config.d_latent is not None:
        return LatentAttention
    if any(config.heads_in(layer).even):
        return EvenAttention
    return Attention if config.n_key_value_heads is None else GroupedAttention


@torch.no_grad()
def draw_weights(module: nn.Module, generator: torch.Generator) -> None:
    """Draw embeddings N(0, 1) and maps N(0, 1 / fan-in), set biases to 0; norms stay as they are.

    Drawn on the CPU in float32, whatever the device, the dtype and the default dtype of the process.
    """
    for name, parameter in module.named_parameters():
        leaf = name.rpartition(".")[2]
        if parameter.is_meta or leaf in ("w", "b"):
            continue
        if leaf.startswith("b_"):
            parameter.zero_()
            continue
        fan_in = 1 if name.endswith(("W_E", "W_pos")) else _fan_in(name, parameter)
        drawn = torch.randn(parameter.shape, generator=generator, dtype=torch.float32, device="cpu")
        parameter.copy_(drawn * fan_in**-0.5)


def _fan_in(name: str, weight: Tensor) -> int:
    """Numbers summed into each output: W_O sums over heads and their width, maps of several experts over their second
    axis, every other map over its first."""
    if name.rpartition(".")[2].startswith("W_each_"):
        return weight.shape[1]
    return weight.shape[0] * weight.shape[1] if name.endswith("W_O") else weight.shape[0]
