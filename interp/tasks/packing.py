"""Several strings in each row, as the paper trains: `$ab|ab.$c|c.$bca|b`, filled to the context, the last one cut."""

import torch
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.seeds import as_generator
from interp.tasks.base import Batch, Task
from interp.tasks.sampling import span


@checked_call
def pack(
    task: Task, n: int, context: int, length: int | tuple[int, int], generator: torch.Generator | int, isolate: bool
) -> Batch:
    """Fill `n` rows with strings to exactly `context` tokens.

    A string that does not end within its row carries no loss and no answer. Nothing resets positions at a string's
    beginning; `source` counts from the beginning of the row.

    >>> task = interp.CopyTask()
    >>> batch = interp.tasks.pack(task, n=1, context=16, length=(2, 4), generator=0, isolate=True)
    >>> task.decode(batch.tokens), batch.segment.tolist()
    (['$zy|zy.$ka|ka.$m'], [[0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 2]])

    Args:
        length: letters of each string, or (shortest, longest) drawn for each.
        isolate: number the strings of a row in `Batch.segment`, so that a model can keep them apart; otherwise each
            attends to those before it, as in the official code.

    Raises: UserError if a string of the greatest length does not fit in the context.
    """
    shortest = max(1, span(length)[0])
    # A string has at least its beginning, its letters and one of answer; the row's last target is one token more.
    per_row = -(-(context + 1) // (shortest + 2))
    strings = task.sample(n * per_row, length, as_generator(generator))
    if (needed := strings.tokens.shape[1]) > context:
        raise UserError(f"context must hold the longest string, {needed} tokens; got {context}.")

    place = torch.arange(needed + 1, device=strings.tokens.device)
    size = (strings.loss_mask * place[1:]).amax(dim=1) + 1
    ends = size.view(n, per_row).cumsum(dim=1).flatten()
    whole = (ends <= context + 1)[:, None]
    present = place < size[:, None]
    # A stable sort by absence moves what is present to the left and keeps its order.
    order = present.view(n, -1).logical_not().byte().argsort(dim=1, stable=True)[:, : context + 1]

    def row(first: Tensor, values: Tensor) -> Tensor:
        """Rows of what belongs to each token, from what belongs to each target; a string's first token is not a
        target."""
        return torch.cat([first.to(values.dtype), values], dim=1).view(n, -1).gather(1, order)

    nothing = torch.zeros_like(strings.tokens[:, :1])
    tokens = row(strings.tokens[:, :1], strings.targets)
    answer, trained = (row(nothing, mask & whole) for mask in (strings.answer, strings.loss_mask))
    begins = (ends - size)[:, None]

    def places(source: Tensor) -> Tensor:
        """Rows of positions, counted from the beginning of the row."""
        return row(nothing - 1, source + begins.masked_fill(source < 0, 0)).masked_fill(~answer, -1)[:, 1:]

    also = None if strings.also is None else torch.stack([places(one) for one in strings.also.unbind(2)], dim=2)
    return Batch(
        tokens=tokens[:, :-1],
        targets=tokens[:, 1:],
        loss_mask=trained[:, 1:],
        answer=answer[:, 1:],
        source=places(strings.source),
        segment=(order // (needed + 1))[:, :-1] if isolate else None,
        also=also,
    )
