"""Whether a model of ours can be taken apart: whether its heads write sums of what they read, norms held."""

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
    """Raises: UserError for a model of ours whose attention does more to what it reads than maps and one softmax."""
    config = model.attention if isinstance(model, StackModel) else None
    found = [what for option, what in APART.items() if config is not None and getattr(config, option)]
    found += ["layers side by side"] * (config is not None and any(getattr(b, "beside", False) for b in model.blocks))
    if found:
        raise UserError(
            f"model must have plain attention to be taken apart; got {' and '.join(found)}. Ablate its heads, or cut "
            "their edges: that holds for any model."
        )
