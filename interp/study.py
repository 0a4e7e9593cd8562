"""The whole question asked of one model: does it copy, by which heads, for which n, and is that really how?

In this order: accuracy by length, head scores and roles, the model's effective n from behaviour and by intervention,
ablation of the heads on strings of their own, attention on one short string, and a verdict in words.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import nn

from interp.errors import UserError
from interp.loading import Loaded
from interp.measure.ablate import ablation_study
from interp.measure.effective_n import behavioural_n, causal_n
from interp.measure.heads import HeadSettings, score_heads
from interp.measure.patterns import pattern_of
from interp.models.hooked import HookedModel
from interp.models.surface import Model, head_shape, n_ctx
from interp.provenance import provenance
from interp.results import AblationResult, AttentionExample, EffectiveN, HashHeadStudy, HeadScores, LengthAccuracy
from interp.tasks.copy import CopyTask
from interp.training.evaluate import accuracy_by_length


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
    """The n of the ideal copiers that stand beside it."""
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
    generator = torch.Generator(device).manual_seed(seed)
    longest = settings.heads.longest
    most = longest_string(model, task)
    span = probe_lengths(loaded.trained_lengths, longest, most)

    say("accuracy by length")
    lengths = settings.lengths or accuracy_lengths(loaded.trained_lengths, most)
    accuracy = accuracy_by_length(
        cast("nn.Module", model),  # a bridge is one, too
        task,
        lengths,
        settings.accuracy_strings,
        generator,
        trained=loaded.trained_lengths,
        ideal=settings.ideal,
        free_running=isinstance(model, HookedModel),
        free_up_to=settings.free_up_to,
    )
    say("scoring heads")
    scores = score_heads(model, task, span, generator, settings.heads, seed)
    say("effective n")
    behavioural = behavioural_n(model, task, span, longest, settings.n_strings, generator)
    causal = causal_n(model, task, span, longest, settings.n_strings, generator)
    say("ablations")
    strings = task.sample(settings.ablation_strings, span[1], generator)
    ablations = ablation_study(model, task.vocabulary, scores, strings, settings.ablation_kind, seed)
    n = EffectiveN(behavioural.n, causal.n, _common_n(scores))
    return HashHeadStudy(
        verdict=verdict(scores, accuracy, n, ablations),
        provenance=provenance(device, seed),
        model=loaded.description,
        accuracy_by_length=accuracy,
        effective_n=n,
        behavioural=behavioural,
        causal=causal,
        scores=scores,
        ablations=ablations,
        attention=_example(model, task, scores, settings.example_length, generator),
        training=loaded.training,
    )


def longest_string(model: Model, task: CopyTask) -> int | None:
    """Letters of the longest string that fits the model's context; None where nothing bounds it."""
    context = n_ctx(model)
    if context is None:
        return None
    overhead = task.sample(1, 1, torch.Generator()).tokens.shape[1] - 2
    return (context - overhead) // 2


def probe_lengths(trained: tuple[int, int] | None, longest: int, most: int | None = None) -> tuple[int, int]:
    """Lengths of the probes: as far as two planted places fit within the trained ones, and never one length alone.

    Raises: UserError if two places do not fit the model's context.
    """
    shortest = 2 * longest + 4
    high = max(trained[1] if trained else 0, shortest + 4)
    high = high if most is None else min(high, most)
    if high <= shortest:
        raise UserError(
            f"two places of {longest} letters take strings of more than {shortest}; this model's context holds {most}: "
            f"plant shorter repeats."
        )
    return max(shortest, high - 8), high


def accuracy_lengths(trained: tuple[int, int] | None, most: int | None = None) -> tuple[int, ...]:
    """From the trained lengths up to ten times as long, as far as the context goes."""
    top = trained[1] if trained else 30
    grid = (*(trained or ()), top, top * 5 // 3, top * 10 // 3, top * 20 // 3, top * 10)
    return tuple(sorted({max(1, min(length, most or length)) for length in grid}))


def verdict(scores: HeadScores, accuracy: LengthAccuracy, n: EffectiveN, ablations: tuple[AblationResult, ...]) -> str:
    """What was found, in words that the numbers bear."""
    at = accuracy.at_home
    copied = f"It copies {_share(accuracy.string_correct[at].mean())} of strings of {accuracy.lengths[at]} letters."
    lookups = scores.of_role("lookup")
    if not lookups:
        return f"No lookup head. {copied} {_why_none(scores)}"
    gathers = scores.of_role("gather")
    sentences = [copied, f"{_list(lookups)} look{'s' if len(lookups) == 1 else ''} up the last {_keys(scores)}."]
    if gathers:
        sentences.append(f"{_list(gathers)} gather{'s' if len(gathers) == 1 else ''} them.")
    together = next((a for a in ablations if a.group == "all"), None)
    if together is not None:
        fall = f"from {_share(together.string_accuracy_before)} to {_share(together.string_accuracy_after)}"
        edges = next((a for a in ablations if a.group == "edges"), None)
        sentences.append(f"Without the lookup heads, string accuracy goes {fall}{_controls(together, edges)}.")
    measured = f"behaviour {_or_none(n.behavioural)}, intervention {_or_none(n.causal)}"
    return " ".join([*sentences, f"Effective n of the whole model: {measured}."])


def _keys(scores: HeadScores) -> str:
    """How many letters the lookup heads look up: they need not agree."""
    found = sorted({head.n for head in scores.heads if head.role == "lookup" and head.n is not None})
    return "letter" if found == [1] else f"{' or '.join(map(str, found))} letters"


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
    _, n_heads = head_shape(model)
    pattern = torch.stack([whole[head.layer * n_heads + head.head] for head in shown])
    return AttentionExample(
        labels=tuple(task.vocabulary.decode(token[None]) for token in batch.tokens[0]),
        names=tuple(head.name for head in shown),
        roles=tuple(head.role for head in shown),
        source=batch.source[0].cpu().numpy(),
        pattern=pattern.float().cpu().numpy(),
    )


def _why_none(scores: HeadScores) -> str:
    flagged = tuple(head.name for head in scores.heads if head.flagged)
    if not flagged:
        return (
            f"None of its {len(scores.heads)} heads attends to the place that the answer is copied from more than "
            f"untrained models do (corrected level {scores.level:g}, effect above {scores.floor:g})."
        )
    return (
        f"{_list(flagged)} attend{'s' if len(flagged) == 1 else ''} to the place that the answer is copied from, but "
        f"not to a rival whose last {len(scores.match_lengths) - 2} letters are the same: by position, or by more."
    )


def _controls(together: AblationResult, edges: AblationResult | None) -> str:
    """What the same string accuracy is under the controls that could be drawn."""
    parts = []
    if together.control_mean is not None:
        parts.append(f"without as many other heads it is {_share(together.control_mean)}")
    if edges is not None and edges.control_mean is not None:
        parts.append(
            f"with only their attention to the match cut it is {_share(edges.string_accuracy_after)}, "
            f"with attention elsewhere cut instead{_taken(edges)} {_share(edges.control_mean)}"
        )
    return "".join(f"; {part}" for part in parts)


def _taken(edges: AblationResult) -> str:
    """How much the control could take, where sharp heads leave less than was wanted."""
    amounts = next((control.attention for control in edges.controls if control.attention is not None), None)
    if amounts is None or amounts[1] > 0.9 * amounts[0]:
        return ""
    return f" (all there is: {amounts[1]:.2g} against {amounts[0]:.2g})"


def _share(value: float) -> str:
    return f"{value:.1%}".replace(".0%", "%")


def _list(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _or_none(value: Any) -> str:
    return "none" if value is None else str(value)
