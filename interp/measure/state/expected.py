"""How often a string would be copied whole if each letter were drawn from the model's distribution: rates too small to
count, computed from the probabilities."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.seeds import as_generator
from interp.measure.state.bits import check_lengths
from interp.measure.state.blocks import blocks
from interp.measure.state.carried import answer_logits, carry
from interp.models.hooks.model import HookedModel
from interp.tasks.base import Batch, Task, need


@torch.no_grad()
def expected_accuracy(
    model: HookedModel, task: Task, lengths: Sequence[int], strings: int, generator: torch.Generator | int
) -> tuple[float, ...]:
    """Mean over strings of the probability that their answer, drawn letter by letter, is right to the end.

    The bound of Jelassi et al. 2024, theorem 2.7, holds for it as for greedy answers: min(1, |S| / D^L).

    Args:
        model: carries a state from call to call.
        task: draws the strings.
        lengths: letters per string.
        strings: for each length.
        generator: draws them; or a seed.

    Raises: UserError for a length below 1, or a task without a separator.
    """
    need(task, "has_prompt_end")
    check_lengths(lengths)
    found, generator = [], as_generator(generator)
    for length in lengths:
        batch = task.sample(strings, length, generator)
        each = (batch.rows(rows).to(model.device) for rows in blocks(batch, model.device))
        rates = torch.cat([_of_strings(model, strings) for strings in each])
        found.append(float(rates.mean()))
    return tuple(found)


def _of_strings(model: HookedModel, batch: Batch) -> Float[Tensor, " batch"]:
    log_p = answer_logits(model, batch, carry(model, batch)).double().log_softmax(dim=-1)
    return log_p.gather(2, batch.answer_tokens[..., None]).sum(dim=(1, 2)).exp()
