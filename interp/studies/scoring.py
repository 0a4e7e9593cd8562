"""Finding the heads of a loaded model on strings that suit it: as long as those of its training, if these suffice."""

from dataclasses import replace

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.seeds import own_generator
from interp.loading import Loaded
from interp.measure.ablation.ablate import ablate
from interp.measure.ablation.sets import named_sets
from interp.measure.heads.score import HeadSettings, score_heads
from interp.models.heads import HeadTable
from interp.models.hooks.model import HookedModel
from interp.models.surface import Model, n_ctx
from interp.results.ablation import AblationResult
from interp.results.heads import HeadScores
from interp.studies.study import OnStep, silent
from interp.tasks.base import Batch, Task, need


@checked_call
def find_heads(
    loaded: Loaded, seed: int = 0, settings: HeadSettings | None = None, on_step: OnStep = silent
) -> HeadScores:
    """Score every head; its notes say where the strings of the model's training do not suffice.

    Args:
        loaded: what `interp.load` returns.
        seed: of the strings and the untrained models.
        settings: how heads are scored.
        on_step: told what is being done, and how long what takes long will take.

    Raises: UserError if the model's task does not lay out letters, or if it has no heads.
    """
    settings = settings or HeadSettings()
    longest, span = probed(loaded, settings.longest)
    generator = own_generator("heads", seed)
    fitted = replace(settings, longest=longest)
    scores = score_heads(loaded.model, loaded.task, span, generator, fitted, seed, on_step=on_step)
    short = [f"planted matches have up to {longest} letters: no longer ones fit the strings of its training"]
    beyond = beyond_training(span, loaded.trained_lengths)
    return replace(scores, notes=(*scores.notes, *beyond, *(short if longest < settings.longest else ())))


@checked_call
def head_costs(
    loaded: Loaded,
    scores: HeadScores,
    strings: Batch,
    kind: str = "mean",
    seed: int = 0,
    on_step: OnStep = silent,
) -> tuple[AblationResult, ...]:
    """What each head costs that is ablated alone, beside other heads; on bridges, which run anew for each, of the
    lookup heads only. Edges are cut in heads whose pattern can be edited.

    Args:
        loaded: a model and its task.
        scores: of its heads.
        strings: the strings that it answers.
        kind: what replaces a head's output, one of `measure.ablation.interventions.KINDS`.
        seed: of other strings' values, and of the heads that serve as controls.
        on_step: told what is being done.
    """
    model, table = loaded.model, HeadTable.of(loaded.model)
    named = table.heads if isinstance(model, HookedModel) else table.parse(scores.of_role("lookup"))
    named = [head for head in named if kind != "edges" or head.editable]
    alone = [head_set for head_set in named_sets(named) if head_set.group == "single"]
    return ablate(
        model,
        loaded.task.vocabulary,
        strings,
        alone,
        kind,
        scores.no_controls,
        seed,
        edge_control=False,
        on_step=on_step,
    )


@checked_call
def strings_to_ablate(loaded: Loaded, seed: int, strings: int, longest: int = HeadSettings.longest) -> Batch:
    """Draw strings of the longest trained length; where that is not known, of the longest that heads are probed on.

    Args:
        loaded: a model and its task, which draws them.
        seed: of the strings.
        strings: how many.
        longest: longest match that heads are probed for.
    """
    home = loaded.trained_lengths[1] if loaded.trained_lengths else probed(loaded, longest)[1][1]
    return loaded.task.sample(strings, home, own_generator("ablation", seed))


def probed(loaded: Loaded, longest: int) -> tuple[int, tuple[int, int]]:
    """Letters of the longest planted match, at most `longest`, and lengths of the strings that heads are probed on."""
    longest = longest_match(loaded.trained_lengths, longest)
    most = longest_string(loaded.model, loaded.task)
    return longest, probe_lengths(loaded.trained_lengths, longest, most)


def longest_string(model: Model, task: Task) -> int | None:
    """Letters of the longest string that fits the model's context; None where nothing bounds it."""
    need(task, "lays_out_letters")
    context = n_ctx(model)
    if context is None:
        return None
    overhead = task.sample(1, 1, 0).tokens.shape[1] - 2
    return (context - overhead) // 2


def longest_match(trained: tuple[int, int] | None, longest: int) -> int:
    """Letters of the longest match to plant: fewer than asked for where two places would not fit strings of training.

    A model that copies no longer strings would show nothing on them.
    """
    return longest if trained is None else max(1, min(longest, (trained[1] - 8) // 2))


def probe_lengths(trained: tuple[int, int] | None, longest: int, most: int | None = None) -> tuple[int, int]:
    """Choose lengths of the probes: as far as two planted places fit within the trained ones, and never one alone.

    Args:
        trained: shortest and longest trained length; None where that is not known.
        longest: longest planted match.
        most: longest string that the model reads; None: no limit.

    Raises: UserError if two places do not fit the model's context.
    """
    shortest = 2 * longest + 6  # two places of longest + 1 letters, with a letter on either side of each
    high = trained[1] if trained and trained[1] > shortest else shortest + 4
    high = high if most is None else min(high, most)
    if high <= shortest:
        raise UserError(
            f"the model's context must hold strings of more than {shortest} letters, for two places of "
            f"{longest}; got {most}. Plant shorter repeats."
        )
    return max(shortest, high - 8), high


def beyond_training(span: tuple[int, int], trained: tuple[int, int] | None) -> list[str]:
    """A word of warning where the probes are longer than any string that the model knows."""
    if trained is None or span[0] <= trained[1]:
        return []
    return [
        f"heads and effective n are measured on strings of {span[0]} to {span[1]} letters, which two planted places "
        f"need; the model was trained on {trained[0]} to {trained[1]}, and may copy longer ones badly or not at all"
    ]
