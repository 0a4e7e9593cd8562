"""The whole question asked of one model: does it copy, by which heads, for which n, and is that really how?

In this order: head scores and roles, the model's effective n from behaviour and by intervention, accuracy by length,
ablation of the heads on strings of their own, attention on one short string, and a verdict in words.
"""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import cast

from torch import nn

from interp.base.bounds import check_bounds
from interp.base.calls import checked_call
from interp.base.provenance import provenance
from interp.base.seeds import own_generator
from interp.loading import Loaded, as_loaded
from interp.measure.ablation.ablate import ablation_study
from interp.measure.heads.effective_n import behavioural_n, causal_n, causal_order, order_counts
from interp.measure.heads.use import use_of_heads
from interp.models.heads import HeadTable
from interp.models.hooks.model import HookedModel
from interp.results.accuracy import LengthAccuracy, StepCurve
from interp.results.heads import HeadScores
from interp.studies.attention.run import view_attention
from interp.studies.estimate import Amount, Countdown, estimate, says
from interp.studies.heads.result import EffectiveN, HashHeadStudy
from interp.studies.heads.settings import HeadStudySettings
from interp.studies.heads.verdict import head_verdict
from interp.studies.scoring import beyond_training, find_heads, head_costs, longest_string, probed, strings_to_ablate
from interp.studies.study import OnStep, silent
from interp.training.evaluate import accuracy_by_length


@checked_call
def hash_head_study(
    loaded: Loaded | str | Path, seed: int = 0, settings: HeadStudySettings | None = None, on_step: OnStep = silent
) -> HashHeadStudy:
    """Ask everything of a model.

    >>> from interp.studies.heads.settings import HeadStudySettings
    >>> study = interp.hash_head_study("planted:ngram?n=2", settings=HeadStudySettings.tiny())
    >>> study.scores.of_role("lookup")
    ('L1H3',)

    Args:
        loaded: what `interp.load` returns, or a model specification.
        seed: of all strings and of the untrained models.
        settings: how much is measured.
        on_step: told what is being done.

    Raises: UserError if the model's task does not lay out letters.
    """
    settings = settings or HeadStudySettings()
    check_bounds(settings)
    loaded = as_loaded(loaded, seed)
    model, task = loaded.model, loaded.task
    HeadTable.of(model).require()
    _, span = probed(loaded, settings.heads.longest)

    parts = estimate(loaded, _amount(loaded, settings), seed)
    countdown = Countdown(parts, on_step)
    if countdown.worth_telling:
        on_step(says(parts))
    countdown.begin("scoring heads")
    scores = find_heads(loaded, seed, settings.heads, on_step)
    countdown.begin("effective n")
    behavioural, causal, n = _effective_n(loaded, seed, settings, scores)
    countdown.begin("accuracy by length")
    accuracy = _accuracy(loaded, seed, settings, n)
    countdown.begin("ablations")
    strings = strings_to_ablate(loaded, seed, settings.ablation_strings, settings.heads.longest)
    ablations = ablation_study(model, task.vocabulary, scores, strings, settings.ablation_kind, seed, on_step=on_step)
    on_step("what the copy rests on")
    use = use_of_heads(model, task.vocabulary, scores, strings)
    on_step("attention")
    costs = head_costs(loaded, scores, strings, settings.ablation_kind, seed, on_step)
    length = min(settings.view_length, strings.answer_tokens.shape[1])
    view = view_attention(loaded, length=length, kind=settings.ablation_kind, scores=scores, ablations=costs, seed=seed)
    return HashHeadStudy(
        verdict=head_verdict(scores, accuracy, n, ablations, beyond_training(span, loaded.trained_lengths), use),
        provenance=provenance(str(model.cfg.device), seed, model),
        model=loaded.description,
        accuracy_by_length=accuracy,
        effective_n=n,
        behavioural=behavioural,
        causal=causal,
        scores=scores,
        ablations=ablations,
        attention=view,
        training=loaded.training,
        use=use,
    )


def _effective_n(
    loaded: Loaded, seed: int, settings: HeadStudySettings, scores: HeadScores
) -> tuple[StepCurve, StepCurve, EffectiveN]:
    """The model's n from behaviour and by intervention, beside that of most of its lookup heads."""
    model, task, draws = loaded.model, loaded.task, partial(own_generator, seed=seed)
    longest, span = probed(loaded, settings.heads.longest)
    behavioural = behavioural_n(model, task, span, longest, settings.n_strings, draws("behaviour"))
    causal = causal_n(model, task, span, longest, settings.n_strings, draws("intervention"))
    ordered = None
    if len(causal.offsets) > 1:
        order = causal_order(model, task, span, causal.offsets, longest, settings.n_strings, draws("order"))
        ordered = order_counts(order)
    return behavioural, causal, EffectiveN(behavioural.n, causal.n, _common_n(scores), causal.offsets, ordered)


def _accuracy(loaded: Loaded, seed: int, settings: HeadStudySettings, n: EffectiveN) -> LengthAccuracy:
    """Accuracy by length, beside ideal copiers of the settings' n and of the model's own."""
    model, task = loaded.model, loaded.task
    return accuracy_by_length(
        cast("nn.Module", model),  # a bridge is one, too
        task,
        _lengths(loaded, settings),
        settings.accuracy_strings,
        own_generator("accuracy", seed),
        trained=loaded.trained_lengths,
        ideal=sorted({*settings.ideal, *(x for x in (n.behavioural, n.causal, n.heads) if x is not None)}),
        free_running=isinstance(model, HookedModel),
        free_up_to=settings.free_up_to,
    )


def _lengths(loaded: Loaded, settings: HeadStudySettings) -> tuple[int, ...]:
    return settings.lengths or accuracy_lengths(loaded.trained_lengths, longest_string(loaded.model, loaded.task))


def _amount(loaded: Loaded, settings: HeadStudySettings) -> Amount:
    return Amount(
        heads=settings.heads,
        n_strings=settings.n_strings,
        lengths=_lengths(loaded, settings),
        accuracy_strings=settings.accuracy_strings,
        free_up_to=settings.free_up_to,
        ablation_strings=settings.ablation_strings,
    )


def accuracy_lengths(trained: tuple[int, int] | None, most: int | None = None) -> tuple[int, ...]:
    """Lengths from the trained ones up to ten times as long, as far as the context goes."""
    top = trained[1] if trained else 30
    grid = (*(trained or ()), top, top * 5 // 3, top * 10 // 3, top * 20 // 3, top * 10)
    return tuple(sorted({max(1, min(length, most or length)) for length in grid}))


def _common_n(scores: HeadScores) -> int | None:
    counts = Counter(head.n for head in scores.heads if head.role == "lookup" and head.n is not None)
    return counts.most_common(1)[0][0] if counts else None
