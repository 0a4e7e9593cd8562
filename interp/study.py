"""The whole question asked of one model: does it copy, by which heads, for which n, and is that really how?

In this order: head scores and roles, the model's effective n from behaviour and by intervention, accuracy by length,
ablation of the heads on strings of their own, attention on one short string, and a verdict in words.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

import torch
from torch import nn

from interp.errors import UserError
from interp.loading import Loaded
from interp.measure.ablate import ablation_study
from interp.measure.effective_n import behavioural_n, causal_n
from interp.measure.heads import HeadSettings, score_heads
from interp.measure.patterns import pattern_of
from interp.models.hooked import HookedModel
from interp.models.surface import Model, heads, n_ctx
from interp.provenance import provenance
from interp.results import AttentionExample, EffectiveN, HashHeadStudy, HeadScores
from interp.seeds import own_generator
from interp.tasks.copy import CopyTask
from interp.training.evaluate import accuracy_by_length
from interp.verdict import verdict


@dataclass(frozen=True)
class StudySettings:
    """How much is measured. `tiny` is for a look at the machinery, not at a model."""

    lengths: tuple[int, ...] | None = None
    """Lengths at which accuracy is measured; None: from the trained lengths up to ten times as long."""
    accuracy_strings: int = 128
    """Strings for each length."""
    free_up_to: int = 100
    """Longest strings that our own models also write freely, each letter read from their own output."""
    ideal: tuple[int, ...] = (3, 4, 5, 6)
    """The n of the ideal copiers that stand beside it; the model's own is added."""
    heads: HeadSettings = field(default_factory=HeadSettings)
    n_strings: int = 96
    """Strings for each point of the two curves of effective n."""
    ablation_strings: int = 192
    ablation_kind: str = "mean"
    example_length: int = 12

    @classmethod
    def tiny(cls) -> "StudySettings":
        heads = HeadSettings(longest=5, strings=16)
        return cls(lengths=(10, 20), accuracy_strings=16, heads=heads, n_strings=16, ablation_strings=24)


def hash_head_study(
    loaded: Loaded, seed: int = 0, settings: StudySettings | None = None, say: Callable[[str], None] = lambda _: None
) -> HashHeadStudy:
    """Ask everything of a model.

    Args:
        loaded: from `interp.load`.
        seed: of all strings, of the untrained models and of the bootstrap.
        settings: how much is measured.
        say: told what is being done.

    Raises: UserError if the model's task is not the copy task.
    """
    settings = settings or StudySettings()
    model, task = loaded.model, loaded.copy_task
    device = str(model.cfg.device)
    draws = partial(own_generator, seed=seed, device=device)
    longest = longest_match(loaded.trained_lengths, settings.heads.longest)
    most = longest_string(model, task)
    span = probe_lengths(loaded.trained_lengths, longest, most)

    say("scoring heads")
    scores = score_heads(model, task, span, draws("heads"), replace(settings.heads, longest=longest), seed)
    beyond = _beyond_training(span, loaded.trained_lengths)
    short = [f"planted matches have up to {longest} letters: no longer ones fit the strings of its training"]
    scores = replace(scores, notes=(*scores.notes, *beyond, *(short if longest < settings.heads.longest else ())))
    say("effective n")
    behavioural = behavioural_n(model, task, span, longest, settings.n_strings, draws("behaviour"))
    causal = causal_n(model, task, span, longest, settings.n_strings, draws("intervention"))
    n = EffectiveN(behavioural.n, causal.n, _common_n(scores))
    say("accuracy by length")
    lengths = settings.lengths or accuracy_lengths(loaded.trained_lengths, most)
    accuracy = accuracy_by_length(
        cast("nn.Module", model),  # a bridge is one, too
        task,
        lengths,
        settings.accuracy_strings,
        draws("accuracy"),
        trained=loaded.trained_lengths,
        ideal=sorted({*settings.ideal, *(x for x in (n.behavioural, n.causal, n.heads) if x is not None)}),
        free_running=isinstance(model, HookedModel),
        free_up_to=settings.free_up_to,
    )
    say("ablations")
    home = loaded.trained_lengths[1] if loaded.trained_lengths else span[1]
    strings = task.sample(settings.ablation_strings, home, draws("ablation"))
    ablations = ablation_study(model, task.vocabulary, scores, strings, settings.ablation_kind, seed)
    return HashHeadStudy(
        verdict=" ".join([verdict(scores, accuracy, n, ablations), *(f"But {note}." for note in beyond)]),
        provenance=provenance(device, seed, model),
        model=loaded.description,
        accuracy_by_length=accuracy,
        effective_n=n,
        behavioural=behavioural,
        causal=causal,
        scores=scores,
        ablations=ablations,
        attention=_example(model, task, scores, settings.example_length, draws("example")),
        training=loaded.training,
    )


def longest_string(model: Model, task: CopyTask) -> int | None:
    """Letters of the longest string that fits the model's context; None where nothing bounds it."""
    context = n_ctx(model)
    if context is None:
        return None
    overhead = task.sample(1, 1, torch.Generator()).tokens.shape[1] - 2
    return (context - overhead) // 2


def longest_match(trained: tuple[int, int] | None, longest: int) -> int:
    """Letters of the longest match to plant: fewer than asked for where two places would not fit strings of training.

    A model that copies no longer strings would show nothing on them.
    """
    return longest if trained is None else max(1, min(longest, (trained[1] - 8) // 2))


def probe_lengths(trained: tuple[int, int] | None, longest: int, most: int | None = None) -> tuple[int, int]:
    """Lengths of the probes: as far as two planted places fit within the trained ones, and never one length alone.

    Raises: UserError if two places do not fit the model's context.
    """
    shortest = 2 * longest + 6  # two places of longest + 1 letters, with a letter on either side of each
    high = trained[1] if trained and trained[1] > shortest else shortest + 4
    high = high if most is None else min(high, most)
    if high <= shortest:
        raise UserError(
            f"two places of {longest} letters take strings of more than {shortest}; this model's context holds {most}: "
            f"plant shorter repeats."
        )
    return max(shortest, high - 8), high


def _beyond_training(span: tuple[int, int], trained: tuple[int, int] | None) -> list[str]:
    """A word of warning where the probes are longer than any string that the model knows."""
    if trained is None or span[0] <= trained[1]:
        return []
    return [
        f"heads and effective n are measured on strings of {span[0]} to {span[1]} letters, which two planted places "
        f"need; the model was trained on {trained[0]} to {trained[1]}, and may copy longer ones badly or not at all"
    ]


def accuracy_lengths(trained: tuple[int, int] | None, most: int | None = None) -> tuple[int, ...]:
    """From the trained lengths up to ten times as long, as far as the context goes."""
    top = trained[1] if trained else 30
    grid = (*(trained or ()), top, top * 5 // 3, top * 10 // 3, top * 20 // 3, top * 10)
    return tuple(sorted({max(1, min(length, most or length)) for length in grid}))


def _common_n(scores: HeadScores) -> int | None:
    counts = Counter(head.n for head in scores.heads if head.role == "lookup")
    return counts.most_common(1)[0][0] if counts else None


def _example(
    model: Model, task: CopyTask, scores: HeadScores, length: int, generator: torch.Generator
) -> AttentionExample:
    """The heads with a role on one short string (without any: the best by score)."""
    batch = task.sample(1, length, generator)
    ranked = sorted(scores.heads, key=lambda head: (head.role == "none", head.role != "lookup", -head.score))
    shown = [head for head in ranked if head.role != "none"] or ranked[:4]
    whole = pattern_of(model, batch.tokens)
    index = {head: i for i, head in enumerate(heads(model))}
    pattern = torch.stack([whole[index[head.layer, head.head]] for head in shown])
    return AttentionExample(
        labels=tuple(task.vocabulary.decode(token[None]) for token in batch.tokens[0]),
        names=tuple(head.name for head in shown),
        roles=tuple(head.role for head in shown),
        kinds=() if scores.plain else tuple(head.kind for head in shown),
        source=batch.source[0].cpu().numpy(),
        pattern=pattern.float().cpu().numpy(),
    )
