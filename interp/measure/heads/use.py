"""Whether looking up is how the model copies: heads' attention to the source is cut, set by set, and copies counted."""

from collections.abc import Sequence

from interp.base.calls import checked_call
from interp.base.estimates import proportion_interval, share_intervals
from interp.measure.ablation.interventions import EdgeCut
from interp.measure.ablation.sets import Ablation
from interp.measure.ablation.sweep import PerStringScores, sweep
from interp.measure.values import Mean
from interp.models.heads import HeadTable
from interp.models.surface import Model, device
from interp.results.heads import HeadScores
from interp.results.use import WHOLE, HeadUse, Left, Use
from interp.tasks.base import Batch
from interp.tasks.vocabulary import Vocabulary

Names = tuple[str, ...]


@checked_call
def use_of_heads(model: Model, vocabulary: Vocabulary, scores: HeadScores, batch: Batch) -> HeadUse:
    """Measure what a model still copies without its lookup heads, other heads that attend to the source, or both.

    Every query's edge to its source is cut, in the heads of a set and nowhere else; where some pattern cannot be edited
    (hidden attention, some bridges), heads write their mean instead. Single heads, and all but one, write their mean: a
    head whose edge is cut votes for another letter, which says nothing of whether it is missed. It misleads where what
    is cut makes another head act that was not found: then less is lost than the heads carry.

    >>> from interp.measure.heads.score import HeadSettings, score_heads
    >>> from interp.models.planted import planted_copier
    >>> from interp.tasks import CopyTask
    >>> model, task = planted_copier(1, 4)[0], CopyTask(4)
    >>> scores = score_heads(model, task, (14, 18), 0, HeadSettings(longest=3, strings=8))
    >>> use_of_heads(model, task.vocabulary, scores, task.sample(16, 8, 0)).use
    'all'

    Args:
        model: any.
        vocabulary: which tokens are letters.
        scores: roles and flags of the heads, from other strings.
        batch: ordinary copies.

    Raises: UserError if the scores are of other heads than the model has.
    """
    lookups = scores.of_role("lookup")
    others = tuple(head.name for head in scores.heads if head.flagged and head.role == "none" and not head.suppresses)
    sets = list(dict.fromkeys([(), lookups, others, (*lookups, *others)]))
    taken = HeadTable.of(model).parse((*lookups, *others))
    batch, edges = batch.to(device(model)), all(head.editable for head in taken)
    instead = EdgeCut(batch.source) if edges else Mean()
    alone = [*((name,) for name in (*lookups, *others)), *_all_but_one(lookups)]
    asked = [Ablation(heads, instead) for heads in sets] + [Ablation(heads, Mean()) for heads in alone]
    found = _left([*sets, *alone], sweep(model, batch, vocabulary, asked))
    left, single = dict(zip(sets, found, strict=False)), found[len(sets) :]
    use = HeadUse(
        use=None,
        edit="edges" if edges else "mean",
        chance=1 / vocabulary.n_letters,
        whole=left[()],
        lookups=left[lookups] if lookups else None,
        others=left[others] if others else None,
        both=left[*lookups, *others] if lookups and others else None,
        alone=tuple(single[: len(taken)]),
        kept=tuple(single[len(taken) :]),
    )
    attends = any(head.attends for head in scores.heads)
    return HeadUse(**{**vars(use), "use": _use(use) if attends else None})


def _all_but_one(names: Names) -> list[Names]:
    return [tuple(name for name in names if name != kept) for kept in names] if len(names) > 1 else []


def _left(sets: Sequence[Names], found: PerStringScores) -> list[Left]:
    letters, strings = found.letter_correct.double().cpu().numpy(), found.string_correct.cpu().numpy()
    intervals = share_intervals(letters)
    return [
        Left(
            heads=names,
            letters=float(letters[i].mean()),
            letters_interval=intervals[i],
            strings=float(strings[i].mean()),
            strings_interval=proportion_interval(int(strings[i].sum()), strings.shape[1]),
        )
        for i, names in enumerate(sets)
    ]


def _use(use: HeadUse) -> Use:
    """How much of the copy the lookup heads carry."""
    if use.lookups is None or not use.copies:
        return "none"
    if use.lost(use.lookups) > WHOLE:
        return "all"
    return "spare" if use.spares(use.lookups) else "part"
