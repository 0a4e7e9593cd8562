"""Whether a model of ours can be taken apart: whether its heads write sums of what they read, norms held, and whether
each layer reads what all before it wrote."""

from typing import Any

from interp.base.errors import UserError
from interp.models.stack.model import StackModel

APART = {
    "norm_after": "norms after its attention",
    "attention_gate": "a gate on its attention",
    "qk_norm": "norms on its queries and keys",
    "score_cap": "a cap on its scores",
    "d_latent": "a latent between the stream and its keys and values",
}
"""Option of attention layers -> what it puts between what is written and what is read."""


def require_separable(model: Any) -> None:
    """Raises: UserError for a model of ours whose attention does more to what it reads than maps and one softmax.

    Layers side by side write sums, too: what needs one after the other says so (`require_one_by_one`).
    """
    config = model.attention if isinstance(model, StackModel) else None
    found = [what for option, what in APART.items() if config is not None and getattr(config, option)]
    if found:
        raise UserError(
            f"model must have plain attention to be taken apart; got {' and '.join(found)}. Ablate its heads, or cut "
            "their edges: that holds for any model."
        )


def require_one_by_one(model: StackModel) -> None:
    """Raises: UserError for a model with layers side by side, of which neither reads what the other writes."""
    beside = [layer for layer, block in enumerate(model.blocks) if getattr(block, "beside", False)]
    if beside:
        raise UserError(
            "model must have its layers one after the other for edges and paths, which a later layer reads; got "
            f"layers {beside[0] - 1} and {beside[0]} side by side, of which neither reads what the other writes. Take "
            "its logits or scores apart (decompose_logit, decompose_score), or ablate its heads."
        )
