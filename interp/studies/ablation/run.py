"""What a model loses without some of its heads: on which strings, beside which controls, and where it looks then.

Roles are measured first, on other strings, so that no head with a role serves as a control.
"""

from pathlib import Path
from typing import Any

from interp.base.bounds import check_bounds
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.provenance import provenance
from interp.base.seeds import own_generator
from interp.loading import Loaded, as_loaded
from interp.measure.ablation.ablate import ablate
from interp.measure.ablation.ablate import ablation_study as ablate_lookups
from interp.measure.ablation.sets import named_sets, sets_without_role
from interp.models.heads import HeadTable
from interp.results.ablation import AblationResult
from interp.results.heads import HeadScores
from interp.studies.ablation.result import AblationStudy
from interp.studies.ablation.settings import AblationSettings
from interp.studies.ablation.verdict import ablation_verdict
from interp.studies.attention.run import view_attention
from interp.studies.scoring import find_heads, strings_to_ablate
from interp.studies.study import OnStep, silent
from interp.tasks.base import Batch
from interp.tasks.vocabulary import Vocabulary


def head_ablation_study(
    loaded: Loaded | str | Path, seed: int = 0, settings: AblationSettings | None = None, on_step: OnStep = silent
) -> AblationStudy:
    """Take heads away, each alone and all together, beside as many other heads, or as much other attention.

    Args:
        loaded: what `interp.load` returns, or a model specification.
        seed: of all strings, of the untrained models, donors and control sets.
        settings: which heads, how, and on which strings.
        on_step: told what is being done.

    Raises: UserError for heads that the model does not have, too few strings or letters, or a task that is not copying.
    """
    settings = settings or AblationSettings()
    check_bounds(settings)
    loaded = as_loaded(loaded, seed)
    model, task = loaded.model, loaded.task
    table = HeadTable.of(model)
    named = table.parse(settings.heads)
    on_step("scoring heads")
    scores = find_heads(loaded, seed, settings.scoring, on_step)
    kind, kept = settings.kind, scores.no_controls
    heads = named or table.parse(scores.of_role("lookup"))
    others = () if named else table.parse(scores.without_role)
    others = [head for head in others if kind != "edges" or head.editable]
    on_step("ablations")
    strings = _strings(loaded, seed, settings)
    sets = [*named_sets(heads), *sets_without_role(others)]
    results = ablate(model, task.vocabulary, strings, sets, kind, kept, seed, on_step=on_step)
    on_step("attention")
    view = view_attention(
        loaded,
        length=min(strings.answer_tokens.shape[1], settings.view_length),
        ablate=tuple(head.name for head in heads or others),
        kind=kind,
        scores=scores,
        ablations=results,
        seed=seed,
    )
    return AblationStudy(
        verdict=ablation_verdict(results),
        provenance=provenance(str(model.cfg.device), seed, model),
        model=loaded.description,
        ablations=results,
        attention=view,
    )


@checked_call
def ablation_study(
    model: Any,
    vocabulary: Vocabulary | None = None,
    scores: HeadScores | None = None,
    batch: Batch | None = None,
    kind: str = "mean",
    seed: int = 0,
    orders: int = 3,
    draws: int = 10,
    steps: int = 8,
) -> tuple[AblationResult, ...]:
    """Take the lookup heads away, one by one and together: `interp.measure.ablation.ablate.ablation_study`.

    Args:
        model: a model, what `interp.load` returned, or a model specification. All but a model bring what is not given.
        vocabulary: which tokens are letters; that of the task.
        scores: roles of the heads; scored on strings of their own.
        batch: the strings; drawn as long as those of training.
        kind: of ablation.
        seed: of strings, scores, donors and control sets.
        orders, draws, steps: as in `interp.measure.ablation.ablate.ablation_study`.

    Raises: UserError for a bare model without the other three, and as that function does.

    >>> from interp.measure.heads.score import HeadSettings
    >>> loaded = interp.load("planted:ngram?n=1&alphabet=8")
    >>> scores = interp.score_heads(loaded.model, loaded.task, (14, 18), 0, HeadSettings(longest=3, strings=8))
    >>> batch = loaded.task.sample(8, 6, generator=0)
    >>> [result.name for result in interp.ablation_study(loaded, scores=scores, batch=batch)][-2:]
    ['all', 'edges to the match']
    """
    if isinstance(model, Loaded | str | Path):
        loaded = as_loaded(model, seed)
        model, vocabulary = loaded.model, vocabulary or loaded.task.vocabulary
        scores = find_heads(loaded, seed) if scores is None else scores
        batch = strings_to_ablate(loaded, seed, AblationSettings.strings) if batch is None else batch
    if vocabulary is None or scores is None or batch is None:
        raise UserError(
            f"vocabulary, scores and batch must be given with a bare model; got a {type(model).__name__} "
            "without all three. Pass what interp.load returns, or a model specification, which has them."
        )
    return ablate_lookups(model, vocabulary, scores, batch, kind, seed, orders, draws, steps)


def _strings(loaded: Loaded, seed: int, settings: AblationSettings) -> Batch:
    """Draw as many strings as are asked for, of the length that is asked for, else of one that suits the model."""
    if settings.length is None:
        return strings_to_ablate(loaded, seed, settings.strings, settings.scoring.longest)
    generator = own_generator("ablation", seed)
    return loaded.task.sample(settings.strings, settings.length, generator)
