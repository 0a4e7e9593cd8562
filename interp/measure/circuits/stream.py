"""What the residual stream is made of, and a norm held at what it was in the run: then everything is a sum.

A norm divides by a scale that depends on the whole stream. Held at the scale that the run had, it is a linear map, and
what reads the stream is a sum over what was written to it. All sums are made in double precision.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor, nn

from interp.base.axes import Residual, Tokens
from interp.base.errors import UserError, shown
from interp.measure.circuits.separable import require_separable
from interp.models.heads import Head, HeadTable
from interp.models.recurrent.mixer import RecurrentBlock
from interp.models.stack.layers import LayerNorm, RMSNorm
from interp.models.stack.model import StackModel

BIASES = "biases"
"""Name of what is the same whatever is read: biases of earlier attention layers and, once the stream has been read, the
norm's shift and the reader's own bias."""
POSITIONS = "positions"
"""Name of the learned positions, which are added to the embedding."""


@dataclass(frozen=True)
class HeldNorm:
    """A norm with its scale held: x -> linear(x) + shift."""

    norm: nn.Module
    scale: Float[Tensor, "batch pos one"] | None
    """What it divided by in the run; None where there is no norm."""

    def linear(self, x: Float[Tensor, "batch pos *part d_model"]) -> Float[Tensor, "batch pos *part d_model"]:
        """Apply it without its shift; further axes may stand between position and width."""
        if self.scale is None:
            return x
        if isinstance(self.norm, LayerNorm):
            x = x - x.mean(dim=-1, keepdim=True)
        x = x / self.scale.reshape(*self.scale.shape[:2], *[1] * (x.ndim - 3), 1).to(x)
        weight = getattr(self.norm, "w", None)
        return x if weight is None else x * weight.to(x)

    def transposed(self, x: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        """Apply the transpose of `linear`: what a direction of its output is, as one of its input."""
        weight = getattr(self.norm, "w", None)
        x = x if weight is None or self.scale is None else x * weight.to(x)
        x = x if self.scale is None else x / self.scale.to(x)
        return x - x.mean(dim=-1, keepdim=True) if isinstance(self.norm, LayerNorm) else x

    @property
    def shift(self) -> Float[Tensor, " d_model"] | float:
        """What it adds, whatever it reads."""
        bias = getattr(self.norm, "b", None)
        return 0.0 if bias is None else bias.double()

    def at(self, position: Any) -> "HeldNorm":
        """The norm held at one position of each string."""
        return HeldNorm(self.norm, None if self.scale is None else self.scale.take_along_dim(position, 1))


def held_norm(norm: nn.Module, name: str, cache: Mapping[str, Tensor]) -> HeldNorm:
    """Make it of a model's norm and the cached `hook_scale`.

    Raises: UserError for a norm that is not linear once its scale is held, by its class.
    """
    if isinstance(norm, nn.Identity):
        return HeldNorm(norm, None)
    grouped = isinstance(norm, RMSNorm) and norm.groups != 1
    if not isinstance(norm, LayerNorm | RMSNorm) or grouped:
        raise UserError(
            f"norm must be LayerNorm, RMSNorm or none to be taken apart; got a {type(norm).__name__}"
            f"{' of several groups' if grouped else ''}. Patch paths instead: they hold for any model."
        )
    return HeldNorm(norm, cache[f"{name}.hook_scale"].double())


def scale_hooks(norm: nn.Module, name: str) -> list[str]:
    """Hook points that `held_norm` needs."""
    return [] if isinstance(norm, nn.Identity) else [f"{name}.hook_scale"]


def own_model(model: Any) -> StackModel:
    """The model. Raises: UserError for one that is not of this package, or as `require_separable`."""
    if not isinstance(model, StackModel):
        raise UserError(
            f"model must be one of this package's to be taken apart; got a {type(model).__name__}, whose attention may "
            "cap, scale or normalise what it adds. Use TransformerLens's decompose_resid for it."
        )
    require_separable(model)
    return model


def looking_head(model: StackModel, head: Any) -> Head:
    """An attention head of a model, by name or as a `Head`. Raises: UserError for one of hidden attention."""
    found = HeadTable.of(model).parse([head])[0]
    if found.kind != "attention":
        raise UserError(
            f"head must be one of an attention layer to have a score before the softmax; got {shown(found.name)}, of "
            "hidden attention. Use recurrent_shares for it."
        )
    return found


def first_layer(model: StackModel, layer: int) -> int:
    """The layer from which on what is written is still in the stream that enters `layer`; 0: the embedding is, too."""
    replaced = [at for at, block in enumerate(model.blocks[:layer]) if not getattr(block, "residual", True)]
    return replaced[-1] if replaced else 0


def stream_hooks(model: StackModel, layer: int) -> list[str]:
    """Hook points that `stream_parts` needs."""
    names = ["hook_embed"] + ["hook_pos_embed"] * hasattr(model, "hook_pos_embed")
    for at, block in enumerate(model.blocks[:layer]):
        if isinstance(block, RecurrentBlock):
            names.append(f"blocks.{at}.hook_mixer_out")
        else:
            names.append(f"blocks.{at}.attn.hook_z")
        names += [f"blocks.{at}.hook_mlp_out"] * (block.mlp is not None)
    return names


def stream_parts(model: StackModel, layer: int, cache: Mapping[str, Tensor]) -> Iterator[tuple[str, Residual]]:
    """Yield everything that the stream entering a layer is the sum of: a name, and what was written.

    The names are those of `Graph.nodes`; `POSITIONS` are apart from the embedding, and `BIASES` come last.

    Args:
        model: one of ours.
        layer: the layer; as many as the model has for the stream that the final norm reads.
        cache: of a run, with `stream_hooks`.
    """
    begins = first_layer(model, layer)
    whole = begins == 0 and (layer == 0 or getattr(model.blocks[0], "residual", True))
    if whole:
        yield "embed", cache["hook_embed"].double()
        if hasattr(model, "hook_pos_embed"):
            yield POSITIONS, cache["hook_pos_embed"].double()
    bias = torch.zeros_like(model.W_E[0], dtype=torch.float64)
    for at in range(begins, layer):
        block = model.blocks[at]
        if isinstance(block, RecurrentBlock):
            yield f"L{at}.mixer", cache[f"blocks.{at}.hook_mixer_out"].double()
        else:
            z, W_O = cache[f"blocks.{at}.attn.hook_z"].double(), block.attn.W_O.double()
            for head in HeadTable.of(model).by_layer[at]:
                yield head.name, z[:, :, head.index] @ W_O[head.index]
            bias = bias + block.attn.b_O.double()
        if block.mlp is not None:
            yield f"L{at}.mlp", cache[f"blocks.{at}.hook_mlp_out"].double()
    like = cache["hook_embed"]
    yield BIASES, bias.expand(*like.shape)


def origins(model: StackModel, layer: int, cache: Mapping[str, Tensor]) -> Float[Tensor, "batch pos origin d_model"]:
    """What the embedding of each token has brought to each position of the stream that enters a layer.

    Along all paths through heads, with their attention and the norms as they are in the run. What MLPs and recurrent
    layers make of a token is not in it, nor are positions and biases.

    Args:
        model: one of ours.
        layer: the layer.
        cache: of a run, with `origin_hooks`.
    """
    embedded = cache["hook_embed"].double()
    brought = torch.diag_embed(embedded.transpose(1, 2)).permute(0, 2, 3, 1)
    for at, block in enumerate(model.blocks[:layer]):
        if isinstance(block, RecurrentBlock):
            brought = brought if block.residual else torch.zeros_like(brought)
            continue
        read = held_norm(block.ln1, f"blocks.{at}.ln1", cache).linear(brought)
        pattern = cache[f"blocks.{at}.attn.hook_pattern"].double()
        for head in HeadTable.of(model).by_layer[at]:
            value = convolved(block.attn, "v", head.index, read @ block.attn.W_V[head.index].double())
            moved = einsum(pattern[:, head.index], value, "b q k, b k o d -> b q o d")
            brought = brought + moved @ block.attn.W_O[head.index].double()
    return brought


def convolved(
    attention: Any, into: str, head: int, x: Float[Tensor, "batch pos *part d_head"]
) -> Float[Tensor, "batch pos *part d_head"]:
    """Apply a layer's short convolution to what a head's queries, keys or values were made of; without one, nothing."""
    if attention.conv is None:
        return x
    weights, n = attention.conv.W_conv[:, "qkv".index(into), head].to(x), x.shape[1]
    shifted = [
        torch.cat([torch.zeros_like(x[:, :back]), x[:, : max(0, n - back)]], dim=1) for back in range(len(weights))
    ]
    return sum((weight * earlier for weight, earlier in zip(weights, shifted, strict=True)), torch.zeros_like(x))


def origin_hooks(model: StackModel, layer: int) -> list[str]:
    """Hook points that `origins` needs."""
    names = ["hook_embed"]
    for at, block in enumerate(model.blocks[:layer]):
        if not isinstance(block, RecurrentBlock):
            names += [f"blocks.{at}.attn.hook_pattern", *scale_hooks(block.ln1, f"blocks.{at}.ln1")]
    return names


@torch.no_grad()
def cached(model: StackModel, tokens: Tokens, names: list[str], **options: Any) -> dict[str, Tensor]:
    """Cache hook points of a run, each once."""
    return model.run_with_cache(tokens, names_filter=list(dict.fromkeys(names)), return_cache_object=False, **options)[
        1
    ]
