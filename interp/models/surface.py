"""What can be asked of every model with TransformerLens's surface, ours and a bridge over a pretrained one alike.

The attention of its heads (`interp.models.heads`), one layer at a time, its sizes, and an untrained model of the same
shape. Heads are edited with `model.run_with_hooks` at their `output_hook`, which works on all of them; edits of a
pattern or of its scores work for those that are `editable`.
"""

from collections.abc import Callable, Container, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_protocol import TransformerLensModel

from interp.base.axes import HeadVectors, Logits, Pattern, Residual, Tokens
from interp.base.errors import UserError, unknown
from interp.models import build
from interp.models.heads import HeadTable
from interp.models.hidden_attention.layer import ReadLayer
from interp.models.hidden_attention.pattern import reading_hooks, whole_pattern
from interp.models.hooks.model import Hook, HookedModel
from interp.models.hooks.tokens import as_tokens
from interp.models.stack.model import StackModel

Model = TransformerLensModel
"""Whatever has `cfg`, `run_with_hooks`, `run_with_cache` and `to_tokens`: a model of ours or a `TransformerBridge`."""
Visit = Callable[[int, Pattern, Pattern | None], None]
"""Called with a layer, its pattern, and its scores before the softmax (None where it has no true ones)."""


def by_head(output: Float[Tensor, "batch pos *inner"]) -> HeadVectors:
    """Give what stands at a head's `output_hook` an axis for heads; all channels of a Mamba layer are of one head."""
    return output if output.ndim == 4 else output[:, :, None]


def gate_names(model: Model, layer: int) -> list[str]:
    """Return the hook point of the gate that a layer's heads are multiplied by, before its sigmoid; none without one.

    Args:
        model: any; of a bridge, gates are not known.
        layer: an attention layer.
    """
    name = f"blocks.{layer}.attn.hook_gate"
    return [name] if isinstance(model, StackModel) and name in model.hook_dict else []


def vocab_size(model: Model) -> int:
    """Return how many different tokens the model reads and writes."""
    return model.cfg.d_vocab


def n_ctx(model: Model) -> int | None:
    """Return the length of the longest sequence that the model reads; None where nothing bounds it."""
    if isinstance(model, HookedModel) and getattr(model.config, "position", None) != "learned":
        return None
    return model.cfg.n_ctx


def device(model: Model) -> torch.device:
    """Return the device that the model's weights are on."""
    return torch.device(model.cfg.device or "cpu")


def run(model: Model, tokens: Tokens) -> Logits:
    """Run the model and return its logits. Raises: UserError for token ids that it does not have."""
    return model.run_with_hooks(known_tokens(model, tokens), return_type="logits")


def known_tokens(model: Model, tokens: Tokens) -> Tokens:
    """Return the tokens, held to the vocabulary of a bridge, which would fail deep within its embedding; others look
    themselves.

    Raises: UserError for token ids that the model does not have.
    """
    return as_tokens(tokens, vocab_size(model)) if isinstance(model, TransformerBridge) else tokens


class Enough(Exception):
    """Raised by a hook that has read all that its run is for: the rest of the run is not made."""


def run_to_read(model: Model, tokens: Tokens | Residual, hooks: Sequence[Hook], **options: Any) -> None:
    """Run a model for what its hooks read; it ends where one of them raises `Enough`.

    Args:
        model: any.
        tokens: strings; with `start_at_layer`, the stream.
        hooks: those that read, and those that edit on the way.
        options: of the model's forward pass.
    """
    with suppress(Enough):
        model.run_with_hooks(tokens, return_type=None, fwd_hooks=hooks, **options)


@torch.no_grad()
def visit_attention(
    model: Model,
    tokens: Tokens,
    visit: Visit,
    fwd_hooks: Sequence[Hook] = (),
    layers: Container[int] | None = None,
    summary: str = "norm",
    **options: Any,
) -> None:
    """Call `visit(layer, pattern, scores)` for every layer with heads, first to last, in one pass.

    Whole patterns [batch head query key] are made, and freed before the next layer's. Scores are those before the
    softmax, -inf where hidden; None where the model has no true scores, and for hidden attention. What comes after the
    last layer that is visited is not run.

    Args:
        model: any.
        tokens: the strings.
        visit: called with the layer, its pattern and its scores.
        fwd_hooks: edits that are in force meanwhile.
        layers: visit these alone; None for all.
        summary: of hidden attention (`hidden_pattern`).
        options: of the model's forward pass: `segment`, where strings are packed.
    """
    table = HeadTable.of(model).by_layer
    left, held = [layer for layer in table if layers is None or layer in layers], {}

    def show(layer: int, pattern: Pattern, scores: Pattern | None) -> None:
        visit(layer, pattern, scores)
        left.remove(layer)
        if not left:
            raise Enough

    def keep(scores: Pattern, **_: Any) -> None:
        hidden = scores <= torch.finfo(scores.dtype).min  # a bridge's mask; ours is -inf itself
        held["scores"] = scores.masked_fill(hidden, -torch.inf)

    def attending(pattern: Pattern, layer: int, **_: Any) -> None:
        show(layer, pattern, held.pop("scores", None))

    def reading(layer: int, read: ReadLayer) -> None:
        show(layer, whole_pattern(read, summary), None)

    hooks = list(fwd_hooks)
    for layer in left:
        head = table[layer][0]
        if head.kind == "hidden attention":
            hooks += reading_hooks(cast(Any, model), layer, partial(reading, layer))
            continue
        hooks += [(f"blocks.{layer}.attn.hook_attn_scores", keep)] if head.editable else []
        hooks.append((f"blocks.{layer}.attn.hook_pattern", partial(attending, layer=layer)))
    if left:
        run_to_read(model, tokens, hooks, **options)


def patterns(model: Model, tokens: Tokens, layer: int) -> Pattern:
    """Return one layer's attention probabilities (hidden attention: shares); later layers do not run.

    Args:
        model: any.
        tokens: the strings.
        layer: its number.

    Raises: UserError for a layer without heads.
    """
    found: list[Pattern] = []
    if layer not in (table := HeadTable.of(model).by_layer):
        raise unknown("layer with heads", str(layer), map(str, table))
    visit_attention(model, tokens, lambda _, pattern, __: found.append(pattern), layers=[layer])
    return found[0]


def untrained_like(model: Model, seed: int) -> Model:
    """Build a model of the same shape with freshly drawn weights, on the same device, in the same dtype.

    Raises: UserError for a model that is neither one of ours nor a bridge: how to build it anew is not known.
    """
    if isinstance(model, HookedModel):
        fresh: Any = build(model.config_dict(), seed)
        return fresh.to(model.device, model.dtype)
    if not isinstance(model, TransformerBridge):
        raise UserError(
            f"null must be given for a {type(model).__name__}, as only our own models and bridges can be "
            "built untrained; got none. Pass untrained models of the same architecture, as in null=[model_1, "
            "model_2], or the statistics of their heads."
        )
    from interp.models.pretrained.bridge import untrained_bridge

    return untrained_bridge(model, seed)
