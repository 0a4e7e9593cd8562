"""Many ablations of one model on one batch: what each costs, string by string.

The clean run comes first, for the means and donors of the whole batch; then, a block of strings at a time, the ablated
runs (`interp.measure.ablation.runs`), whose logits are scored at the answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor
from tqdm import tqdm

from interp.base.axes import HeadVectors, Logits
from interp.base.errors import UserError
from interp.measure.ablation.interventions import EdgeEdit, Intervention, Replacement
from interp.measure.ablation.runs import (
    Ablation,
    Strings,
    clean_names,
    hooks_of,
    one_by_one,
    segment_of,
    together,
    visible,
)
from interp.models.heads import head_name
from interp.models.hooks.model import Hook
from interp.models.recurrent.model import RecurrentModel
from interp.models.stack.model import StackModel
from interp.models.surface import Model, by_head, edge_heads, output_hook
from interp.tasks.base import Batch
from interp.tasks.score import answer_loss, letter_correct, logit_difference, per_string
from interp.tasks.vocabulary import Vocabulary

FLOATS_AT_ONCE = 2**24
"""Numbers in the activations that are held at once: 64 MiB in single precision."""


@dataclass(frozen=True)
class Outcomes:
    """How each string fares under each ablation, teacher-forced."""

    string_correct: Bool[Tensor, "ablation batch"]
    letter_correct: Float[Tensor, "ablation batch"]
    """Share of right letters."""
    loss: Float[Tensor, "ablation batch"]
    """Nats per letter of the answer."""
    logit_difference: Float[Tensor, "ablation batch"]
    """Right letter's logit less the mean of the other letters', averaged over the answer."""


@torch.no_grad()
def sweep(
    model: Model,
    batch: Batch,
    vocabulary: Vocabulary,
    ablations: Sequence[Ablation],
    *,
    slow: bool = False,
    floats_at_once: int = FLOATS_AT_ONCE,
) -> Outcomes:
    """Run every ablation on every string.

    Args:
        model: one of ours, or any with TransformerLens's surface (which always takes the slow version).
        batch: the strings; all of them make the means and the donors, however the work is cut.
        vocabulary: which tokens are letters.
        ablations: what to take away, in any order.
        slow: one run of the model for each ablation, on our models too.
        floats_at_once: bounds the memory of activations; the clean ones of the layers concerned come on top.

    Raises: UserError for edges to be cut in heads whose attention cannot be edited.
    """
    edits = _edits(model, ablations)
    fast = model if isinstance(model, StackModel) and not slow else None
    tokens_at_once = floats_at_once // _floats_per_token(model, batch, ablations)
    blocks = _blocks(batch, tokens_at_once)
    clean = _clean_run(model, batch, clean_names(model, ablations, fast is not None), blocks)
    outputs = _replaced_outputs(model, batch, ablations, clean)
    columns, parts = _answer_columns(batch), []
    with tqdm(total=len(blocks) * len(ablations), desc="ablations", disable=None, leave=False) as progress:
        for rows in blocks:
            strings = Strings(
                batch.rows(rows),
                {name: value[rows] for name, value in clean.items()},
                {key: z[rows] for key, z in outputs.items()},
                {edit: edit.rows(rows) for edit in edits},
                visible(model, batch.rows(rows)),
                columns,
            )
            runs = together(fast, strings, ablations, tokens_at_once) if fast else one_by_one(model, strings, ablations)
            parts.append(_score(runs, strings, vocabulary, progress))
    return Outcomes(*(torch.cat([getattr(part, f.name) for part in parts], dim=1) for f in fields(Outcomes)))


@torch.no_grad()
def hooks_on_first(model: Model, batch: Batch, ablation: Ablation) -> list[Hook]:
    """Hooks that carry an ablation out in a run on the batch's first string alone.

    Its other strings make the means, and are the donors, with it. Raises: UserError as `sweep`.
    """
    edits = _edits(model, [ablation])
    blocks = _blocks(batch, FLOATS_AT_ONCE // _floats_per_token(model, batch, [ablation]))
    clean = _clean_run(model, batch, clean_names(model, [ablation], fast=False), blocks)
    outputs = _replaced_outputs(model, batch, [ablation], clean)
    one = slice(0, 1)
    strings = Strings(
        batch.rows(one),
        {},
        {key: z[one] for key, z in outputs.items()},
        {edit: edit.rows(one) for edit in edits},
        visible(model, batch.rows(one)),
        slice(None),
    )
    return hooks_of(model, strings, [ablation], ablation.layers)


def _edits(model: Model, ablations: Sequence[Ablation]) -> set[EdgeEdit]:
    """The edge edits among some ablations.

    Raises: UserError if one of their heads has a pattern that cannot be edited.
    """
    edits = {a.intervention for a in ablations if isinstance(a.intervention, EdgeEdit)}
    cut = {head for a in ablations if isinstance(a.intervention, EdgeEdit) for head in a.heads}
    if fixed := sorted(cut.difference(edge_heads(model) if cut else ())):
        raise UserError(
            f"edges are cut in the attention pattern, and that of {', '.join(map(head_name, fixed))} can be read, but "
            f"not edited."
        )
    return edits


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
    model: Model, batch: Batch, ablations: Sequence[Ablation], clean: dict[str, Tensor]
) -> dict[tuple[Intervention, int], HeadVectors]:
    """z' of each replacement in each layer in which it is used."""
    used = batch.loss_mask.flip(1).cumsum(dim=1).flip(1) > 0
    pairs = {(a.intervention, layer) for a in ablations for layer, _ in a.heads}
    replacements = ((i, layer) for i, layer in pairs if isinstance(i, Replacement))
    return {(i, layer): i.output(by_head(clean[output_hook(model, layer)]), used) for i, layer in replacements}


def _score(
    runs: Iterator[tuple[list[int], Logits]], strings: Strings, vocabulary: Vocabulary, progress: Any
) -> Outcomes:
    rows: dict[int, tuple[Tensor, ...]] = {}
    for indices, logits in runs:
        asked = strings.asked(len(indices))
        correct = letter_correct(logits.argmax(dim=-1), asked)
        quantities = (
            ~(asked.answer & ~correct).any(dim=1),
            per_string(correct.float(), asked),
            per_string(answer_loss(logits, asked), asked),
            per_string(logit_difference(logits, asked, vocabulary), asked),
        )
        by_ablation = [rearrange(q, "(a b) -> a b", a=len(indices)) for q in quantities]
        rows |= {index: tuple(q[i] for q in by_ablation) for i, index in enumerate(indices)}
        progress.update(len(indices))
    return Outcomes(*(torch.stack(column) for column in zip(*(rows[i] for i in sorted(rows)), strict=True)))


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
