"""Which heads of a language model copy: where they look while it copies, and what is lost without them.

Two scores, over a batch whose answers have sources, layer by layer: the mean attention to the source, and the share of
rightly copied tokens whose source is a head's strongest key (retrieval-head score). Then heads are ablated in the order
of a ranking beside as many others of the same layers; and all but the first few of it, to see how many suffice. Heads
of grouped queries are heads of their own, although they share keys and values.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.base.axes import Pattern
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.seeds import as_generator
from interp.measure.language.runs import SharedRun, logits_from
from interp.measure.values import Mean, Value, Zero
from interp.models.heads import Head, HeadTable
from interp.models.surface import Model, device, visit_attention
from interp.results.language import CopyHeads, HeadCurve
from interp.tasks.base import Batch
from interp.tasks.score import letter_correct


@checked_call
@torch.no_grad()
def copy_heads(model: Model, batch: Batch, decoding: bool = False) -> CopyHeads:
    """Score every head by where it looks while the model copies, teacher-forced.

    While it decodes, greedily, a model reads the right tokens up to its first wrong one: with `decoding` what comes
    after that is left out, and the scores are those that a run of its own would show.

    >>> model, _ = interp.planted_copier(n=2)
    >>> copy_heads(model, interp.CopyTask().sample(4, 12, generator=0)).ranked()[0]
    'L1H3'

    Args:
        model: any with heads.
        batch: strings whose answers have sources.
        decoding: count of each answer only what the model would have written by itself, and the token after it.

    Raises: UserError for a model without heads, or a batch without a source.
    """
    table, batch = HeadTable.of(model).require(), batch.to(device(model))
    asked = batch.answer & (batch.source >= 0)
    if not bool(asked.any()):
        raise UserError("batch must have answers with a source; got none. Use a task that copies.")
    first = first_asked(batch)
    told = torch.full_like(batch.tokens, -1)
    told[:, first:] = logits_from(model, batch.tokens, first).argmax(dim=-1)
    correct = letter_correct(told, batch)
    if decoding:
        asked &= ~_after_an_error(correct, batch)
    right = correct & asked
    source = batch.source.clamp(min=0)[:, None, :, None]
    attention: list[Tensor] = []
    strongest: list[Tensor] = []

    def look(layer: int, pattern: Pattern, scores: Pattern | None) -> None:  # noqa: ARG001
        seen = pattern.to(source.device)  # a model may lie on several
        on_source = seen.float().gather(3, source.expand(*seen.shape[:3], 1))[..., 0]
        hit = seen.argmax(dim=3) == source[..., 0]
        attention.append(_over(on_source, asked))
        strongest.append(_over(hit.float(), right))

    visit_attention(model, batch.tokens, look)
    on_source, hits = (torch.cat(parts).double().cpu().numpy() for parts in (attention, strongest))
    n_asked, n_right = (where.sum(dim=1).double().cpu().numpy() for where in (asked, right))
    nothing = np.where(n_right > 0, n_right, np.nan)
    return CopyHeads(
        heads=table.names,
        attention=on_source.sum(axis=1) / n_asked.sum(),
        retrieval=hits.sum(axis=1) / max(n_right.sum(), 1.0),
        copied=int(n_right.sum()),
        attention_by_string=on_source / np.where(n_asked > 0, n_asked, np.nan),
        retrieval_by_string=hits / nothing,
    )


@torch.no_grad()
def head_curve(
    model: Model,
    batch: Batch,
    ranking: Sequence[str],
    counts: Sequence[int],
    draws: int = 3,
    generator: torch.Generator | int = 0,
    on_step: Callable[[str], None] = lambda _: None,
    kind: Literal["mean", "zero"] = "mean",
) -> HeadCurve:
    """Ablate the first heads of a ranking, beside others; and all of it but the first.

    Heads write their mean over strings and positions instead, or nothing. Controls are as many heads of the same
    layers, none of the ranking; where a layer has too few, of all layers.

    Args:
        model: any with heads.
        batch: strings, not those that the ranking is from.
        ranking: names of heads, the best first.
        counts: how many of them are ablated, and how many are kept.
        draws: control sets of each count.
        generator: of the controls; or a seed.
        on_step: told how many runs of how many are done.
        kind: what an ablated head writes instead.

    Raises: UserError for a count beyond the ranking, or heads that the model does not have.
    """
    table, drawn, batch = HeadTable.of(model), as_generator(generator), batch.to(device(model))
    chosen = table.parse(list(ranking))
    if not counts or max(counts) > len(chosen) or min(counts) < 0:
        raise UserError(f"counts must be 0 to {len(chosen)}, the heads of the ranking; got {list(counts)}.")
    steps, done = 1 + len(counts) * (2 + draws), 0

    shared = SharedRun.of(model, batch.tokens, first_asked(batch))
    value = Zero() if kind == "zero" else Mean()

    def accuracy(heads: Sequence[Head]) -> Float[np.ndarray, " string"]:
        nonlocal done
        done += 1
        on_step(f"run {done} of {steps}")
        right = right_without(shared, batch, heads, value)
        return (right.sum(dim=1) / batch.answer.sum(dim=1)).double().cpu().numpy()

    clean = accuracy(())
    rows = [
        (
            accuracy(chosen[:count]),
            accuracy(chosen[count:]),
            np.stack([accuracy(matched_others(table, chosen, chosen[:count], drawn)) for _ in range(draws)]),
        )
        for count in counts
    ]
    without, kept, others = (np.stack(column) for column in zip(*rows, strict=True))
    return HeadCurve(tuple(head.name for head in chosen), tuple(counts), clean, without, kept, others, kind)


@checked_call
def agreement(one: Sequence[str], other: Sequence[str], n: int) -> float:
    """Return the share of the first `n` heads of one ranking that are among the first `n` of another.

    >>> agreement(["L1H0", "L1H1"], ["L1H1", "L0H0"], 2)
    0.5
    """
    return len({*one[:n]} & {*other[:n]}) / n


def right_without(shared: SharedRun, batch: Batch, heads: Sequence[Head], value: Value) -> Bool[Tensor, "batch pos"]:
    """Return where the answer's token is predicted while some heads write a value instead.

    Args:
        shared: a run on the batch from its first answer on.
        batch: strings and their answers, on the model's device.
        heads: of the model; () for the model as it is.
        value: what they write.
    """
    told = torch.full_like(batch.tokens, -1)
    told[:, shared.first :] = shared.without(heads, value).argmax(dim=-1)
    return letter_correct(told, batch)


def first_asked(batch: Batch) -> int:
    """Return the first position of a batch that asks for an answer. Raises: UserError where none does."""
    asked = batch.answer.any(dim=0).nonzero()
    if not len(asked):
        raise UserError("batch must have an answer; got none. Use a task that asks something.")
    return int(asked[0])


def _over(values: Float[Tensor, "batch head query"], where: Tensor) -> Float[Tensor, "head batch"]:
    """The sum over the positions that count."""
    return (values * where[:, None].to(values)).sum(dim=2).T


def _after_an_error(correct: Tensor, batch: Batch) -> Tensor:
    """Positions of an answer behind its first wrong token."""
    wrong = (batch.answer & ~correct).long()
    return wrong.cumsum(dim=1) - wrong > 0


def matched_others(
    table: HeadTable, ranked: Sequence[Head], ablated: Sequence[Head], drawn: torch.Generator
) -> list[Head]:
    """Draw as many heads of the same layers as are ablated, none of the ranking; of all layers where one has too few.

    Args:
        table: all heads.
        ranked: those that are never drawn.
        ablated: those that others are drawn for.
        drawn: the only source of randomness.
    """
    found: list[Head] = []
    for head in ablated:
        free = [h for h in table if h not in ranked and h not in found]
        near = [h for h in free if h.layer == head.layer] or free
        if near:
            found.append(near[int(torch.randint(len(near), (), generator=drawn))])
    return found
