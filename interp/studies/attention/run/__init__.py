"""`view_attention`: a model's attention on one string, as the model is and without some of its heads.

`attention_study` scores the heads before, so that the page says what each is known to do.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from interp.base import words
from interp.base.bounds import check_bounds
from interp.base.calls import checked_call
from interp.base.errors import UserError, unknown
from interp.base.provenance import provenance
from interp.base.seeds import own_generator
from interp.loading import Loaded, as_loaded
from interp.measure.ablation.interventions import KINDS, intervention
from interp.measure.ablation.sets import Ablation
from interp.measure.attention.views import view_variants, viewed_heads
from interp.measure.values import Zero
from interp.models.heads import Head, HeadTable
from interp.models.surface import device
from interp.results.ablation import AblationResult
from interp.results.attention import AttentionView
from interp.results.heads import HeadScores
from interp.studies.attention.result import AttentionStudy
from interp.studies.attention.run.examples import attention_examples, check_examples
from interp.studies.attention.run.string import shown_string
from interp.studies.attention.settings import AttentionSettings
from interp.studies.attention.verdict import attention_verdict
from interp.studies.scoring import find_heads, head_costs, strings_to_ablate
from interp.studies.study import OnStep, silent
from interp.tasks.base import Batch

ALONE = ("zero", "mean")
"""Ablations that need no other string, and no place that is copied from."""


def attention_study(
    loaded: Loaded | str | Path, seed: int = 0, settings: AttentionSettings | None = None, on_step: OnStep = silent
) -> AttentionStudy:
    """Show one string to a model whose heads were scored on others.

    Args:
        loaded: what `interp.load` returns, or a model specification.
        seed: of the strings that are drawn, of the untrained models and of the controls.
        settings: which string, which heads, and without which.
        on_step: told what is being done.

    Raises: UserError as `view_attention` does, before any work.
    """
    settings = settings or AttentionSettings()
    check_bounds(settings)
    loaded = as_loaded(loaded, seed)
    if settings.examples:
        check_examples(settings.examples)
    chosen: dict[str, Any] = {"length": settings.length, "heads": settings.heads, "kind": settings.kind, "seed": seed}
    on_step("attention")
    view = view_attention(loaded, settings.prompt, ablate=settings.ablate, **chosen)
    scores = None
    if not settings.plain:
        on_step("scoring heads")
        scores = find_heads(loaded, seed, settings.scoring, on_step)
        on_step("ablations")
        strings = strings_to_ablate(loaded, seed, settings.strings)
        costs = head_costs(loaded, scores, strings, settings.kind, seed)
        on_step("attention without heads")
        found: dict[str, Any] = {"scores": scores, "ablations": costs}
        view = view_attention(loaded, settings.prompt, ablate=settings.ablate or None, **found, **chosen)
    examples = None
    if settings.examples:
        on_step("examples")
        drawn: dict[str, Any] = {"strings": max(settings.strings, settings.examples), "length": settings.length}
        examples = attention_examples(
            loaded, settings.examples, heads=settings.heads, scores=scores, seed=seed, **drawn
        )
    return AttentionStudy(
        verdict=attention_verdict(view),
        provenance=view.provenance,
        model=view.model,
        view=view,
        examples=examples,
        headvis=settings.headvis,
    )


@checked_call
def view_attention(
    loaded: Loaded | str | Path,
    prompt: str | None = None,
    *,
    length: int | None = None,
    heads: Sequence[str] = (),
    ablate: Sequence[str] | None = None,
    kind: str = "mean",
    scores: HeadScores | None = None,
    ablations: Sequence[AblationResult] = (),
    seed: int = 0,
) -> AttentionView:
    """Record how heads attend on one string, with the model as it is and without some of its heads.

    >>> view = interp.view_attention("planted:ngram?n=2", "cabdcab")
    >>> view.labels[:4], view.variants[0].pattern.shape  # [head query key]
    (('$', 'c', 'a', 'b'), (8, 16, 16))

    Args:
        loaded: what `interp.load` returns, or a model specification.
        prompt: the string to copy, of the task's letters; for a pretrained model (hf:) any text. None: one is drawn.
        length: letters of the string that is drawn; None: of the longest of training, up to `LONGEST_DRAWN`. Not beside
            a prompt.
        heads: names of those to show (L1H3); none: all.
        ablate: names of heads that are ablated in a second variant; None: first the lookup heads among `scores`, then
            the gather heads, if there are any. (Patterns change in layers above alone, unless edges are cut.)
        kind: of ablation: zero, mean, mean-per-position, resample or edges (`interp.measure.ablation.interventions`).
            Means and donors come from the string and `REFERENCES` others of its length; a text stands alone, and takes
            zero or mean.
        scores: roles, n and responses, measured before.
        ablations: whose single heads say what each costs.
        seed: of the strings that are drawn, and of a model's letters.

    Raises: UserError for a prompt with letters that the task lacks or that does not fit the model's context, for an
        unknown head or kind of ablation, a model without heads, or patterns too large for a page.
    """
    loaded = as_loaded(loaded, seed)
    model = loaded.model
    table = HeadTable.of(model).require()
    chosen = table.parse(heads) or table.heads
    taken = _taken(table, ablate, scores)
    _check_kind(kind, alone=bool(taken and prompt is not None and loaded.pretrained))
    shown = shown_string(loaded, prompt, length, seed)
    batch = shown.batch
    replacement = intervention(kind, batch, own_generator("donors", seed)) if taken else Zero()
    without = {name: Ablation(of_set, replacement) for name, of_set in taken.items()}
    following = batch.targets[0, -1:]
    return AttentionView(
        provenance=provenance(str(device(model)), seed, model),
        model=loaded.description,
        tokens=batch.tokens[0].cpu().numpy(),
        labels=shown.labels(batch.tokens[0]),
        following=shown.label(following) if int(following) >= 0 else None,
        source=batch.source[0].cpu().numpy(),
        heads=viewed_heads(model, chosen, scores, ablations),
        variants=view_variants(model, batch, chosen, shown.label, without),
        notes=_notes(loaded, batch),
    )


def _check_kind(kind: str, alone: bool) -> None:
    """Refuse a kind of ablation that does not exist, or that needs other strings where there are none."""
    if kind not in KINDS:
        raise unknown("kind of ablation", kind, KINDS)
    if alone and kind not in ALONE:
        raise UserError(
            f"kind must be {' or '.join(ALONE)} for a text, which has no other strings beside it and no known "
            f"sources; got {kind}."
        )


def _taken(table: HeadTable, ablate: Sequence[str] | None, scores: HeadScores | None) -> dict[str, tuple[Head, ...]]:
    """Name of each variant -> the heads that it goes without: those named, else those with a role."""
    if scores is not None and ablate is None:
        sets = {f"the {role} heads": scores.of_role(role) for role in ("lookup", "gather")}
    else:
        named = tuple(head.name for head in table.parse(ablate or ()))
        sets = {" ".join(named): named}
    return {f"without {name}": table.parse(names) for name, names in sets.items() if names}


def _notes(loaded: Loaded, batch: Batch) -> tuple[str, ...]:
    notes = []
    trained, answer = loaded.trained_lengths, int(batch.answer_lengths[0])
    if trained and answer and not trained[0] <= answer <= trained[1]:
        letters = words.count(answer, "letter")
        notes.append(f"the string has {letters}; the model was trained on {trained[0]} to {trained[1]}")
    if loaded.pretrained and not answer:
        notes.append("means and donors of ablations are those of this text alone")
    return tuple(notes)
