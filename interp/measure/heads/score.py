"""Which heads copy by looking an n-gram up, for which n, and which heads feed them.

In this order: how every head looks at planted repeats (`lookup`), the same on untrained models of the same shape for a
null, corrected p-values and flags, n from the response to match length, what the flagged heads write (`circuit`), and
which earlier heads change the lookup heads' scores, with the offsets that they gather (`gather`). Heads of a recurrent
layer's hidden attention go through the same tests, held against their like.
"""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.stats import benjamini_hochberg, bootstrap_interval, empirical_p
from interp.measure.heads.gather import effects_on
from interp.measure.heads.lookup import Looked, look, null_statistics
from interp.measure.heads.offsets import decode_offsets
from interp.measure.heads.ov import copies_letter
from interp.measure.heads.settings import HeadSettings
from interp.models.heads import head_name
from interp.models.stack.model import StackModel
from interp.models.surface import Model, head_kinds, heads
from interp.results.heads import HeadScore, HeadScores
from interp.tasks.copy import CopyTask
from interp.tasks.probes.planted_repeats import Probe, planted_repeats


def score_heads(
    model: Model,
    task: CopyTask,
    length: int | tuple[int, int],
    generator: torch.Generator,
    settings: HeadSettings | None = None,
    seed: int = 0,
) -> HeadScores:
    """Score every head of a model and give it a role: lookup, gather or none.

    A head is *flagged* if its attention from the query to the place that the answer is copied from, less that to a
    shuffled target, is more than untrained models of the same shape show (empirical p over the pooled heads of the
    untrained models, Benjamini-Hochberg over the heads of this one, both among heads of its kind) and lies above the
    floor with its whole interval.
    It is a *lookup head* if, besides, it cannot tell the true place from a rival whose last `longest` letters are the
    same; then what it attends by is the match, and its n is the match length at which its attention jumps to the rival:
    the shortest at which the two places draw alike. An earlier head is a *gather head* if taking its output off
    the path to a lookup head changes that head's scores by more than `gather_floor`.

    A recurrent layer's heads are scored by their hidden attention: the share, by length and never by sign, of each
    position in what the head writes by way of its state (`models.hidden_attention.hidden_pattern`). `notes` says which.

    Args:
        model: one of ours, or any model with TransformerLens's surface (there the total effect finds gather heads, and
            OV circuits are not measured, as `notes` says).
        task: gives the strings; a vocabulary laid over a language model serves as well.
        length: letters of a string; give a range, so that a head that attends at a fixed distance is not mistaken.
        generator: of the strings.
        settings: see `HeadSettings`.
        seed: of the untrained models and the bootstrap.

    Raises: UserError for a model without heads, or if a string is too short for the longest planted match.
    """
    settings = settings or HeadSettings()
    heads(model)
    probe = _probes(task, length, generator, settings)
    plain = probe.rows(slice(0, settings.strings))
    looked = look(model, probe)
    null = null_statistics(model, plain, settings.null_draws, seed)
    scores = _rows(model, looked, null, settings, seed)
    none = torch.zeros(settings.strings, dtype=torch.long, device=generator.device)
    ordinary = planted_repeats(task, none, length, generator, exclusive=False, context=settings.longest)
    scores = _with_copying(model, task, ordinary, scores)
    return _with_gather_heads(model, task, length, generator, settings, scores, ordinary, seed)


def _probes(task: CopyTask, length: int | tuple[int, int], generator: torch.Generator, settings: HeadSettings) -> Probe:
    """`strings` probes for each match length, k = 0 first; about the first of the two places, before the copy itself
    holds the repeat once more."""
    k = torch.arange(settings.longest + 1, device=generator.device).repeat_interleave(settings.strings)
    return planted_repeats(task, k, length, generator, exclusive=True, context=settings.longest, place=0)


def _rows(
    model: Model, looked: Looked, null: Float[Tensor, "untrained head"], settings: HeadSettings, seed: int
) -> HeadScores:
    """Everything that attention alone says."""
    steps = settings.longest + 1
    source, rival, shuffled = (_by_match(x, steps) for x in (looked.source, looked.rival, looked.shuffled))
    attention, shuffled = source[:, 0], shuffled[:, 0]
    above, untrained = attention - shuffled, null.double().cpu().numpy()
    kinds = np.array(head_kinds(model))
    p, q = np.ones(len(kinds)), np.ones(len(kinds))
    for kind in set(kinds):
        alike = kinds == kind
        p[alike] = empirical_p(above[alike].mean(axis=1), untrained[:, alike].ravel())
        q[alike] = benjamini_hochberg(p[alike])
    low, _ = np.stack(bootstrap_interval(above, seed=seed))
    interval = np.stack(bootstrap_interval(attention, seed=seed), axis=1)
    flagged = (q < settings.level) & (low > settings.floor)

    response = rival.mean(axis=2)
    response[:, 0] = shuffled.mean(axis=1)
    response = np.concatenate([response, attention.mean(axis=1, keepdims=True)], axis=1)
    gain = _score_gain(looked, steps)
    rows, notes = [], _about_kinds(model)
    for index, (layer, head) in enumerate(heads(model)):
        n = None
        if flagged[index]:
            n = _jump(rival[index].mean(axis=1), source[index].mean(axis=1), settings.alike)
        if flagged[index] and n is None:
            notes.append(
                f"{head_name((layer, head))} attends to the source but not to a rival that agrees in "
                f"{settings.longest} letter{'s' * (settings.longest > 1)}: it goes by something else as well, or its n "
                f"is greater; it is not called a lookup head"
            )
        rows.append(
            HeadScore(
                name=head_name((layer, head)),
                layer=layer,
                head=head,
                role="none" if n is None else "lookup",
                n=n,
                score=float(attention[index].mean()),
                interval=(float(interval[index, 0]), float(interval[index, 1])),
                chance=float(shuffled[index].mean()),
                response=tuple(map(float, response[index])),
                score_gain=gain[index],
                p_value=float(p[index]),
                q_value=float(q[index]),
                flagged=bool(flagged[index]),
                copying=None,
                gather_effect=None,
                gather_interval=None,
                offsets=(),
                kind=head_kinds(model)[index],
            )
        )
    return HeadScores(
        heads=tuple(rows),
        match_lengths=tuple(range(steps + 1)),
        level=settings.level,
        floor=settings.floor,
        gather_floor=settings.gather_floor,
        set_offsets=(),
        offset_accuracy=(),
        notes=tuple(notes),
        attention=attention,
        shuffled=shuffled,
        response=response,
        null=untrained.ravel(),
    )


def _about_kinds(model: Model) -> list[str]:
    """How attention is to be read where it is not a softmax."""
    hidden = [head_name(h) for h, kind in zip(heads(model), head_kinds(model), strict=True) if kind != "attention"]
    if not hidden:
        return []
    return [
        f"the attention of {', '.join(hidden)} is hidden attention of recurrent layers: the share of each position in "
        f"what the head writes to the stream by way of its state, with convolution and gate; shares are lengths of "
        f"vectors, so that their signs play no part, and sum to 1"
    ]


def _with_copying(model: Model, task: CopyTask, ordinary: Probe, scores: HeadScores) -> HeadScores:
    """Add the OV circuit: does an attention head raise the letter that it attends to?"""
    if not isinstance(model, StackModel):
        return replace(scores, notes=(*scores.notes, "OV circuits are measured on this package's own models only"))
    if model.attention is None:
        return scores
    copies = copies_letter(model, task.vocabulary, ordinary).double().cpu().numpy().mean(axis=1)
    found = iter(copies)
    rows = (replace(h, copying=float(next(found))) if h.kind == "attention" else h for h in scores.heads)
    return replace(scores, heads=tuple(rows))


def _with_gather_heads(
    model: Model,
    task: CopyTask,
    length: int | tuple[int, int],
    generator: torch.Generator,
    settings: HeadSettings,
    scores: HeadScores,
    ordinary: Probe,
    seed: int,
) -> HeadScores:
    """Add which heads feed the lookup heads, and which letters back these bring."""
    rows, notes = list(scores.heads), scores.notes
    lookups = [(head.layer, head.head) for head in rows if head.role == "lookup"]
    if not lookups:
        return scores
    effects, by_way = effects_on(model, ordinary, lookups)
    notes = (*notes, *by_way)
    effects = effects.double().cpu().numpy()
    low, high = np.stack(bootstrap_interval(effects, seed=seed))
    for i, head in enumerate(rows):
        role = "gather" if head.role == "none" and low[i] > settings.gather_floor else head.role
        interval = (float(low[i]), float(high[i]))
        rows[i] = replace(head, role=role, gather_effect=float(effects[i].mean()), gather_interval=interval)
    gathers = [(head.layer, head.head) for head in rows if head.role == "gather"]
    if not gathers:
        return replace(scores, heads=tuple(rows), notes=notes)
    batch, chance = task.sample(2 * settings.strings, length, generator), 1 / task.alphabet
    decoded = decode_offsets(model, task.vocabulary, batch, gathers, settings.longest + 1)
    accuracy, without = (x.mean(dim=-1).cpu().numpy() for x in (decoded.together, decoded.without))
    covered = tuple(t for t, a in enumerate(accuracy) if a > (1 + chance) / 2)
    for (layer, number), rest in zip(gathers, without, strict=True):
        index = heads(model).index((layer, number))
        lost = tuple(t for t in covered if accuracy[t] - rest[t] > (accuracy[t] - chance) / 4)
        rows[index] = replace(rows[index], offsets=lost)
    curve = tuple(map(float, accuracy))
    return replace(scores, heads=tuple(rows), notes=notes, set_offsets=covered, offset_accuracy=curve)


def _by_match(values: Float[Tensor, "head example"], steps: int) -> Float[np.ndarray, "head match strings"]:
    """The probes stand in order of their match length."""
    return values.double().cpu().numpy().reshape(len(values), steps, -1)


def _jump(rival: Float[np.ndarray, " match"], source: Float[np.ndarray, " match"], alike: float) -> int | None:
    """The shortest match at which the rival draws at least `alike` of what the true place does.

    None where a rival with the longest match draws less: the head tells the two apart by something else.
    """
    drawn = np.flatnonzero(rival[1:] >= alike * source[1:])
    return int(drawn[0]) + 1 if len(drawn) and rival[-1] >= alike * source[-1] else None


def _score_gain(looked: Looked, steps: int) -> list[tuple[float, ...] | None]:
    """What the first, second, ... matching letter adds to each head's score; 0 where both places are hidden.

    None for a head without scores.
    """
    source, rival = _by_match(looked.source_score, steps), _by_match(looked.rival_score, steps)
    with np.errstate(invalid="ignore"):
        behind = np.where(np.isfinite(source) & np.isfinite(rival), source - rival, 0.0).mean(axis=2)
    gains = -np.diff(behind, axis=1)
    rows = zip(source, gains, strict=True)
    return [None if np.isnan(scores).all() else tuple(map(float, gain)) for scores, gain in rows]
