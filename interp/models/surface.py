"""What can be asked of every model with TransformerLens's surface, ours and a bridge over a pretrained one alike.

Its shape, its attention one layer at a time, and an untrained model of the same shape. Heads are edited with
`model.run_with_hooks` at `blocks.{i}.attn.hook_z` [batch pos head d_head], which works on all of them; edits at
`hook_pattern` and `hook_attn_scores` work where there are true scores.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import torch
from transformer_lens.model_protocol import TransformerLensModel

from interp.axes import Logits, Pattern, Tokens
from interp.models import build
from interp.models.hooked import HookedModel

Model = TransformerLensModel
"""Whatever has `cfg`, `run_with_hooks`, `run_with_cache` and `to_tokens`: a model of ours or a `TransformerBridge`."""


def head_shape(model: Model) -> tuple[int, int]:
    """(number of layers, heads per layer)."""
    return model.cfg.n_layers, model.cfg.n_heads


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

    On our models, always. A bridge rebuilds the attention of GPT-2, GPT-NeoX, Llama, Mistral, Qwen, Gemma, Phi or
    Bloom, and has them; of OPT, GPT-J or GPT-Neo it shows the probabilities under both names, afterwards, and drops
    every edit.
    """
    if isinstance(model, HookedModel):
        return True
    name, tokens = _name(0, "hook_attn_scores"), torch.zeros(1, 2, dtype=torch.long, device=device(model))
    scores = model.run_with_cache(tokens, names_filter=[name], stop_at_layer=1)[1][name]
    return bool(scores[0, 0, 0, 1] < 0)  # the first token may not see the second; a probability would be 0 there


@torch.no_grad()
def visit_attention(
    model: Model,
    tokens: Tokens,
    visit: Callable[[int, Pattern, Pattern | None], None],
    fwd_hooks: Sequence[tuple[str, Any]] = (),
    **options: Any,
) -> None:
    """Call `visit(layer, pattern, scores)` for every layer, first to last, in one forward pass under `fwd_hooks`.

    `options` go to the model: `segment`, where strings are packed.

    Whole patterns [batch head query key] are made, and freed before the next layer's. Scores are those before the
    softmax, -inf where hidden; None where the model has no true scores.
    """
    with_scores, held = has_true_scores(model), {}

    def keep(scores: Pattern, **_: Any) -> None:
        hidden = scores <= torch.finfo(scores.dtype).min  # a bridge's mask; ours is -inf itself
        held["scores"] = scores.masked_fill(hidden, -torch.inf)

    def show(pattern: Pattern, layer: int, **_: Any) -> None:
        visit(layer, pattern, held.pop("scores", None))

    hooks = list(fwd_hooks)
    for layer in range(head_shape(model)[0]):
        hooks += [(_name(layer, "hook_attn_scores"), keep)] if with_scores else []
        hooks += [(_name(layer, "hook_pattern"), partial(show, layer=layer))]
    model.run_with_hooks(tokens, return_type=None, fwd_hooks=hooks, **options)


@torch.no_grad()
def patterns(model: Model, tokens: Tokens, layer: int) -> Pattern:
    """One layer's attention probabilities; later layers do not run."""
    name = _name(layer, "hook_pattern")
    return model.run_with_cache(tokens, names_filter=[name], stop_at_layer=layer + 1)[1][name]


def untrained_like(model: Model, seed: int) -> Model:
    """A model of the same shape with freshly drawn weights, on the same device, in the same dtype."""
    if isinstance(model, HookedModel):
        fresh: Any = build(model.config_dict(), seed)
        return fresh.to(model.device, model.dtype)
    from interp.models.pretrained import untrained_bridge

    return untrained_bridge(cast(Any, model), seed)


def _name(layer: int, hook: str) -> str:
    return f"blocks.{layer}.attn.{hook}"
