"""What each head of a language model costs when it is gone: the log-probability of the answers without it."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.measure.language.heads import first_asked
from interp.measure.language.runs import SharedRun
from interp.measure.values import Mean
from interp.models.heads import Head, Heads, HeadTable
from interp.models.surface import Model, device
from interp.tasks.base import Batch


@checked_call
@torch.no_grad()
def answer_costs(
    model: Model, batch: Batch, heads: Heads | None = None, on_step: Callable[[str], None] = lambda _: None
) -> Float[np.ndarray, "head string"]:
    """Measure what the answers lose without one head, which writes its mean over strings and positions instead.

    >>> model, _ = interp.planted_copier(n=2)
    >>> costs = answer_costs(model, interp.CopyTask().sample(4, 12, generator=0))
    >>> costs.shape, int(costs.mean(axis=1).argmax())
    ((8, 4), 7)

    Args:
        model: any with heads.
        batch: strings and their answers.
        heads: which of them, by name or as `Head`s; None: all.
        on_step: told which head of how many is ablated.

    Returns: for each head and string the log-probability (nats) that the answer's tokens lose, on average.

    Raises: UserError for a model without heads, a head that it does not have, or a batch without an answer.
    """
    table, batch = HeadTable.of(model).require(), batch.to(device(model))
    chosen = table.heads if heads is None else table.parse(heads)
    if not bool(batch.answer.any(dim=1).all()):
        raise UserError("batch must have an answer in every string; got one without. Use a task that asks something.")

    first = first_asked(batch)
    shared = SharedRun.of(model, batch.tokens, first)
    answer, targets = batch.answer[:, first:], batch.targets[:, first:].clamp(min=0)

    def told(without: Sequence[Head]) -> Float[Tensor, " string"]:
        logits = shared.without(without, Mean()).float()
        right = logits.gather(2, targets[..., None])[..., 0] - logits.logsumexp(dim=-1)
        return (right * answer).sum(dim=1) / answer.sum(dim=1)

    clean = told([])
    lost = []
    for place, head in enumerate(chosen, 1):
        on_step(f"heads ablated one by one ({place} of {len(chosen)})")
        lost.append(clean - told([head]))
    return torch.stack(lost).double().cpu().numpy()
