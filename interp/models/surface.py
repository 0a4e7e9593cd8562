"""What can be asked of every model with TransformerLens's surface, ours and a bridge over a pretrained one alike.

Its heads, their attention one layer at a time, and an untrained model of the same shape. A head is one of an attention
layer, or of a recurrent layer's hidden attention: Mamba has one a layer, Mamba-2 its own, an LSTM none. Heads are
edited with `model.run_with_hooks` at `output_hook`, which works on all of them; edits of a pattern or of its scores
work for `edge_heads` alone.
"""

from collections.abc import Callable, Container, Sequence
from functools import partial
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_protocol import TransformerLensModel

from interp.base.axes import HeadVectors, Logits, Pattern, Tokens
from interp.base.errors import UserError
from interp.models import build
from interp.models.hidden_attention.layer import ReadLayer, hidden_heads
from interp.models.hidden_attention.pattern import hidden_pattern, reading_hooks, whole_pattern
from interp.models.hooks.model import HookedModel
from interp.models.recurrent.mixer import RecurrentBlock
from interp.models.stack.model import StackModel

Model = TransformerLensModel
"""Whatever has `cfg`, `run_with_hooks`, `run_with_cache` and `to_tokens`: a model of ours or a `TransformerBridge`."""


Head = tuple[int, int]
"""(layer, head)."""
HeadKind = Literal["attention", "hidden attention"]


def layers_with_heads(model: Model) -> dict[int, tuple[HeadKind, int]]:
    """Layer -> what kind of heads it has and how many, first to last; layers without heads are left out."""
    if not isinstance(model, StackModel):
        return {layer: ("attention", model.cfg.n_heads) for layer in range(model.cfg.n_layers)}
    found: dict[int, tuple[HeadKind, int]] = {}
    for layer, block in enumerate(model.blocks):
        if isinstance(block, RecurrentBlock):
            found[layer] = "hidden attention", hidden_heads(block.mixer)
        elif model.attention is not None:
            found[layer] = "attention", model.attention.n_heads
    return {layer: (kind, n) for layer, (kind, n) in found.items() if n}


def heads(model: Model) -> tuple[Head, ...]:
    """All heads, layer by layer: the order in which every measurement has them.

    Raises: UserError for a model without any.
    """
    found = tuple((layer, head) for layer, (_, n) in layers_with_heads(model).items() for head in range(n))
    if not found:
        raise UserError(
            "this model has no heads: attention, Mamba and Mamba-2 layers have them, LSTM layers have none."
        )
    return found


def head_kinds(model: Model) -> tuple[HeadKind, ...]:
    """The kind of every head, in order."""
    return tuple(kind for kind, n in layers_with_heads(model).values() for _ in range(n))


def edge_heads(model: Model) -> tuple[Head, ...]:
    """The heads whose pattern can be edited."""
    if not has_true_scores(model):
        return ()
    return tuple(h for h, kind in zip(heads(model), head_kinds(model), strict=True) if kind == "attention")


def output_hook(model: Model, layer: int) -> str:
    """Where the outputs of a layer's heads can be read and replaced; `by_head` gives them their axes."""
    recurrent = layers_with_heads(model)[layer][0] == "hidden attention"
    return f"blocks.{layer}.mixer.hook_y" if recurrent else _name(layer, "hook_z")


def by_head(output: Float[Tensor, "batch pos *inner"]) -> HeadVectors:
    """What stands at an `output_hook` with an axis for heads: the channels of a Mamba layer are those of one head."""
    return output if output.ndim == 4 else output[:, :, None]


def vocab_size(model: Model) -> int:
    return model.cfg.d_vocab


def n_ctx(model: Model) -> int | None:
    """The longest sequence that the model reads; None where nothing bounds it."""
    if isinstance(model, HookedModel) and getattr(model.config, "position", None) != "learned":
        return None
    return model.cfg.n_ctx


def device(model: Model) -> torch.device:
    return torch.device(model.cfg.device or "cpu")


def run(model: Model, tokens: Tokens) -> Logits:
    """The model's logits."""
    return model.run_with_hooks(tokens, return_type="logits")


@torch.no_grad()
def has_true_scores(model: Model) -> bool:
    """Whether `hook_attn_scores` holds scores before the softmax, and edits there and at `hook_pattern` have an effect.

    In our attention layers, always. A bridge rebuilds the attention of GPT-2, GPT-NeoX, Llama, Mistral, Qwen, Gemma,
    Phi or Bloom, and has them; of OPT, GPT-J or GPT-Neo it shows the probabilities under both names, afterwards, and
    drops every edit.
    """
    if isinstance(model, StackModel):
        return model.attention is not None
    name, tokens = _name(0, "hook_attn_scores"), torch.zeros(1, 2, dtype=torch.long, device=device(model))
    scores = model.run_with_cache(tokens, names_filter=[name], stop_at_layer=1)[1][name]
    return bool(scores[0, 0, 0, 1] < 0)  # the first token may not see the second; a probability would be 0 there


@torch.no_grad()
def visit_attention(
    model: Model,
    tokens: Tokens,
    visit: Callable[[int, Pattern, Pattern | None], None],
    fwd_hooks: Sequence[tuple[str, Any]] = (),
    layers: Container[int] | None = None,
    summary: str = "norm",
    **options: Any,
) -> None:
    """Call `visit(layer, pattern, scores)` for every layer with heads, first to last, in one pass under `fwd_hooks`.

    With `layers`, only for those of them. `summary` is that of hidden attention (`hidden_pattern`). `options` go to the
    model: `segment`, where strings are packed.

    Whole patterns [batch head query key] are made, and freed before the next layer's. Scores are those before the
    softmax, -inf where hidden; None where the model has no true scores, and for hidden attention.
    """
    with_scores, held = has_true_scores(model), {}

    def keep(scores: Pattern, **_: Any) -> None:
        hidden = scores <= torch.finfo(scores.dtype).min  # a bridge's mask; ours is -inf itself
        held["scores"] = scores.masked_fill(hidden, -torch.inf)

    def show(pattern: Pattern, layer: int, **_: Any) -> None:
        visit(layer, pattern, held.pop("scores", None))

    def show_hidden(layer: int, read: ReadLayer) -> None:
        visit(layer, whole_pattern(read, summary), None)

    hooks = list(fwd_hooks)
    for layer, (kind, _) in layers_with_heads(model).items():
        if layers is not None and layer not in layers:
            continue
        if kind == "hidden attention":
            hooks += reading_hooks(cast(Any, model), layer, partial(show_hidden, layer))
        else:
            hooks += [(_name(layer, "hook_attn_scores"), keep)] if with_scores else []
            hooks += [(_name(layer, "hook_pattern"), partial(show, layer=layer))]
    model.run_with_hooks(tokens, return_type=None, fwd_hooks=hooks, **options)


@torch.no_grad()
def patterns(model: Model, tokens: Tokens, layer: int) -> Pattern:
    """One layer's attention probabilities (hidden attention: shares); later layers do not run."""
    if layers_with_heads(model)[layer][0] == "hidden attention":
        return hidden_pattern(cast(Any, model), tokens, layer)
    name = _name(layer, "hook_pattern")
    return model.run_with_cache(tokens, names_filter=[name], stop_at_layer=layer + 1)[1][name]


def untrained_like(model: Model, seed: int) -> Model:
    """A model of the same shape with freshly drawn weights, on the same device, in the same dtype.

    Raises: UserError for a model that is neither one of ours nor a bridge: how to build it anew is not known.
    """
    if isinstance(model, HookedModel):
        fresh: Any = build(model.config_dict(), seed)
        return fresh.to(model.device, model.dtype)
    if not isinstance(model, TransformerBridge):
        raise UserError(
            f"a head is scored beside untrained models of the same shape, and how to build a {type(model).__name__} "
            f"anew is not known; score a model of this package or a TransformerBridge. Hooks, views and ablations work."
        )
    from interp.models.pretrained.bridge import untrained_bridge

    return untrained_bridge(model, seed)


def _name(layer: int, hook: str) -> str:
    return f"blocks.{layer}.attn.{hook}"
