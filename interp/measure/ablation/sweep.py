"""Many ablations of one model on one batch: what each costs, string by string.

The clean run comes first, for the means and donors of the whole batch; then, a block of strings at a time, the ablated
runs (`interp.measure.ablation.runs`), whose logits are scored at the answer: `sweep` sums a string up, `letters_right`
keeps its letters apart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor
from tqdm import tqdm

from interp.base.axes import HeadVectors, Logits
from interp.base.budget import budget
from interp.base.calls import checked_call
from interp.measure.ablation.context import BlockContext, segment_of, visible
from interp.measure.ablation.interventions import EdgeEdit, Intervention
from interp.measure.ablation.runs import hooks_of, one_by_one, together
from interp.measure.ablation.sets import Ablation
from interp.measure.progress import OnStep, Progress
from interp.measure.values import Value
from interp.models.hooks.model import Hook
from interp.models.recurrent.model import RecurrentModel
from interp.models.stack.model import StackModel
from interp.models.surface import Model, by_head
from interp.tasks.base import Batch
from interp.tasks.score import Over, answer_loss, letter_correct, logit_difference, per_string
from interp.tasks.vocabulary import Vocabulary

Runs = Iterator[tuple[list[int], Logits]]
"""Which ablations, and their logits at the columns."""


@dataclass(frozen=True)
class PerStringScores:
    """How each string fares under each ablation, teacher-forced."""

    string_correct: Bool[Tensor, "ablation batch"]
    letter_correct: Float[Tensor, "ablation batch"]
    """Share of right letters."""
    loss: Float[Tensor, "ablation batch"]
    """Nats per letter of the answer."""
    logit_difference: Float[Tensor, "ablation batch"]
    """Right letter's logit less the mean of the other letters', averaged over the answer."""


@checked_call
@torch.no_grad()
def sweep(
    model: Model,
    batch: Batch,
    vocabulary: Vocabulary,
    ablations: Sequence[Ablation],
    *,
    slow: bool = False,
    floats_at_once: int | None = None,
    on_step: OnStep = lambda _: None,
    over: Over = "mean",
) -> PerStringScores:
    """Run every ablation on every string.

    Args:
        model: one of ours, or any with TransformerLens's surface (which always takes the slow version).
        batch: the strings; all of them make the means and the donors, however the work is cut.
        vocabulary: which tokens are letters.
        ablations: what to ablate, in any order.
        slow: one run of the model for each ablation, on our models too; so it is where hooks hang on the model.
        floats_at_once: bounds the memory of activations (None: as the device allows); the clean ones of the layers
            concerned come on top.
        on_step: told how far it is, and how long the rest will take, where that is long.
        over: what of the other letters' logits is taken from the right one's.

    Returns: scores of each string under each ablation, in order.

    Raises: UserError for heads that the model does not have, or edges to be cut in heads whose attention cannot be
        edited.
    """
    parts = []
    total, by_block = _by_block(model, batch, ablations, slow, floats_at_once)
    told = Progress("ablations", total, on_step)
    with tqdm(total=total, desc="ablations", disable=None, leave=False) as bar:
        for strings, runs in by_block:
            parts.append(_score(runs, strings, vocabulary, (bar, told), over))
    return PerStringScores(
        *(torch.cat([getattr(part, f.name) for part in parts], dim=1) for f in fields(PerStringScores))
    )


@checked_call
@torch.no_grad()
def letters_right(
    model: Model, batch: Batch, ablations: Sequence[Ablation], *, floats_at_once: int | None = None
) -> Bool[Tensor, "ablation batch column"]:
    """Run every ablation on every string, and say which letters are right, place by place.

    >>> from interp.measure.values import Mean
    >>> from interp.models.planted import planted_copier
    >>> task = interp.CopyTask(4)
    >>> clean = Ablation((), Mean())
    >>> letters_right(planted_copier(1, 4)[0], task.sample(2, 3, 0), [clean]).shape
    torch.Size([1, 2, 3])

    Args:
        model, batch, ablations, floats_at_once: as in `sweep`, whose means and donors these are.

    Returns: whether each letter is right; of strings that are asked at different places, at each place at which some
        string is (False where it is not).

    Raises: UserError as `sweep` does.
    """
    parts = []
    for strings, runs in _by_block(model, batch, ablations, False, floats_at_once)[1]:
        rows: dict[int, Tensor] = {}
        for indices, logits in runs:
            correct = letter_correct(logits.argmax(dim=-1), strings.asked(len(indices)))
            rows |= dict(zip(indices, correct.unflatten(0, (len(indices), -1)), strict=True))
        parts.append(torch.stack([rows[i] for i in sorted(rows)]))
    return torch.cat(parts, dim=1)


def _by_block(
    model: Model, batch: Batch, ablations: Sequence[Ablation], slow: bool, floats_at_once: int | None
) -> tuple[int, Iterator[tuple[BlockContext, Runs]]]:
    """How many runs it takes; and block by block the strings, and each ablation's logits."""
    ablations = [ablation.of(model) for ablation in ablations]
    fast = model if isinstance(model, StackModel) and not (slow or model.hooked) else None  # it goes round hooks
    tokens_at_once = (floats_at_once or budget(batch.tokens.device).floats) // _floats_per_token(
        model, batch, ablations
    )
    blocks = _blocks(batch, tokens_at_once)
    clean = _clean_run(model, batch, clean_names(model, ablations, fast is not None), blocks)
    outputs = _replaced_outputs(batch, ablations, clean)
    columns = _answer_columns(batch)

    def runs() -> Iterator[tuple[BlockContext, Runs]]:
        for rows in blocks:
            here = {name: value[rows] for name, value in clean.items()}
            strings = _context(model, batch, ablations, rows, here, outputs, columns)
            yield (
                strings,
                together(fast, strings, ablations, tokens_at_once) if fast else one_by_one(model, strings, ablations),
            )

    return len(blocks) * len(ablations), runs()


@torch.no_grad()
def hooks_on_first(model: Model, batch: Batch, ablation: Ablation) -> list[Hook]:
    """Make hooks that carry an ablation out in a run on the batch's first string alone.

    Its other strings make the means, and are the donors, with it.

    Args:
        model: as in `sweep`.
        batch: the string, first among others.
        ablation: what to ablate.

    Raises: UserError as `sweep` does.
    """
    ablation = ablation.of(model)
    blocks = _blocks(batch, budget(batch.tokens.device).floats // _floats_per_token(model, batch, [ablation]))
    clean = _clean_run(model, batch, clean_names(model, [ablation], fast=False), blocks)
    outputs = _replaced_outputs(batch, [ablation], clean)
    strings = _context(model, batch, [ablation], slice(0, 1), {}, outputs, slice(None))
    return hooks_of(model, strings, ablation)


def clean_names(model: Model, ablations: Sequence[Ablation], fast: bool) -> list[str]:
    """Return the activations of the clean run that the ablated runs need."""
    replaced = [a for a in ablations if isinstance(a.intervention, Value)]
    names = {head.output_hook for a in replaced for head in a.heads}
    if fast:
        for first in {min(a.heads) for a in ablations if a.heads}:
            names |= {f"blocks.{at}.hook_resid_pre" for at in {first.layer, cast(Any, model).entry(first.layer)}}
            if first.kind == "attention":
                names.add(f"blocks.{first.layer}.{cast(Any, model).blocks[first.layer].heads_hook}")
        names |= {f"blocks.{model.cfg.n_layers - 1}.hook_resid_post" for a in ablations if not a.heads}
    return sorted(names)


def _context(
    model: Model,
    batch: Batch,
    ablations: Sequence[Ablation],
    rows: slice,
    clean: dict[str, Tensor],
    outputs: dict[tuple[Intervention, int], HeadVectors],
    columns: Int[Tensor, " column"] | slice,
) -> BlockContext:
    strings, edits = batch.rows(rows), {a.intervention for a in ablations}
    return BlockContext(
        strings,
        clean,
        {key: z[rows] for key, z in outputs.items()},
        {edit: edit.rows(rows) for edit in edits if isinstance(edit, EdgeEdit)},
        visible(model, strings),
        columns,
    )


def _clean_run(model: Model, batch: Batch, names: list[str], blocks: list[slice]) -> dict[str, Tensor]:
    """Some activations of the model as it is, on the whole batch."""
    if not names:
        return {}
    caches = []
    for rows in blocks:
        some = batch.rows(rows)
        caches.append(model.run_with_cache(some.tokens, names_filter=names, **segment_of(some))[1])
    return {name: torch.cat([cache[name] for cache in caches]) for name in names}


def _replaced_outputs(
    batch: Batch, ablations: Sequence[Ablation], clean: dict[str, Tensor]
) -> dict[tuple[Intervention, int], HeadVectors]:
    """z' of each value in each layer in which it is used."""
    used = batch.loss_mask.flip(1).cumsum(dim=1).flip(1) > 0
    places = {(a.intervention, head.layer): head.output_hook for a in ablations for head in a.heads}
    return {
        (value, layer): value.output(by_head(clean[hook]), used)
        for (value, layer), hook in places.items()
        if isinstance(value, Value)
    }


def _score(
    runs: Runs,
    strings: BlockContext,
    vocabulary: Vocabulary,
    watching: Any,
    over: Over,
) -> PerStringScores:
    rows: dict[int, tuple[Tensor, ...]] = {}
    for indices, logits in runs:
        asked = strings.asked(len(indices))
        correct = letter_correct(logits.argmax(dim=-1), asked)
        quantities = (
            ~(asked.answer & ~correct).any(dim=1),
            per_string(correct.float(), asked),
            per_string(answer_loss(logits, asked), asked),
            per_string(logit_difference(logits, asked, vocabulary, over), asked),
        )
        by_ablation = [rearrange(q, "(a b) -> a b", a=len(indices)) for q in quantities]
        rows |= {index: tuple(q[i] for q in by_ablation) for i, index in enumerate(indices)}
        for each in watching:
            each.update(len(indices))
    return PerStringScores(*(torch.stack(column) for column in zip(*(rows[i] for i in sorted(rows)), strict=True)))


def _answer_columns(batch: Batch) -> Int[Tensor, " column"] | slice:
    """Positions at which some string is asked for a letter; all of them on the meta device, which knows no values."""
    return slice(None) if batch.answer.is_meta else batch.answer.any(dim=0).nonzero()[:, 0]


def _floats_per_token(model: Model, batch: Batch, ablations: Sequence[Ablation]) -> int:
    """About how many numbers one position of one string takes in a block, or in its logits."""
    edges = any(isinstance(a.intervention, EdgeEdit) for a in ablations)
    patterns = 4 * model.cfg.n_heads * batch.tokens.shape[1] if edges else 0
    streams = 24 if isinstance(model, RecurrentModel) else 8  # inside a recurrent layer the stream is twice as wide
    return max(streams * model.cfg.d_model + 2 * (model.cfg.d_mlp or 0) + patterns, model.cfg.d_vocab)


def _blocks(batch: Batch, tokens_at_once: int) -> list[slice]:
    step = max(1, tokens_at_once // batch.tokens.shape[1])
    return [slice(first, min(first + step, len(batch))) for first in range(0, len(batch), step)]
