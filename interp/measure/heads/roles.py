"""From flags to roles: whether a flagged head attends to the match, which letters it matches, and whether it copies."""

from dataclasses import replace

import numpy as np

from interp.base.stats import bootstrap_interval
from interp.measure.heads.lookup import Looked, look
from interp.measure.heads.matching import COUNTS, letters_that_count, matching
from interp.measure.heads.settings import HeadSettings
from interp.measure.heads.strings import Strings
from interp.measure.heads.written import edge_effects, written_share
from interp.models.heads import HeadTable
from interp.models.stack.model import StackModel
from interp.models.surface import Model
from interp.results.heads import HeadScore, HeadScores
from interp.tasks.probes.planted_repeats import Probe

COPIES = 0.5
"""A head copies if its OV circuit raises the right letter most in at least this share of the probes."""
LEAST_EFFECT = 0.05
"""Or if the right letter's logit loses at least so much when its edge is cut: less is rounding."""
OFFSETS_NEED = 4
"""Letters that an alphabet needs for a rival place with letters of its own."""


def flag_by_writing(model: Model, scores: HeadScores, probe: Probe, settings: HeadSettings, seed: int) -> HeadScores:
    """Flag heads whose attention is more than untrained ones' but below the floor, if what they write is the source's.

    A head may rest on a place whose value is zero, and carry the whole copy with what attention is left.
    """
    table = HeadTable.of(model)
    faint = [
        table[head.name]
        for head in scores.heads
        if head.q_value < settings.level and not head.flagged and head.kind == "attention"
    ]
    if not faint or not isinstance(model, StackModel):
        return scores
    shares = written_share(model, probe, faint).double().cpu().numpy()
    low, _ = np.stack(bootstrap_interval(shares, seed=seed))
    found = {
        head.name: (float(share.mean()), bool(least > settings.floor))
        for head, share, least in zip(faint, shares, low, strict=True)
    }
    rows = (
        replace(head, written=found[head.name][0], flagged=found[head.name][1]) if head.name in found else head
        for head in scores.heads
    )
    return replace(scores, heads=tuple(rows))


def with_roles(
    model: Model, strings: Strings, settings: HeadSettings, scores: HeadScores, looked: Looked, seed: int
) -> HeadScores:
    """Say of each flagged head what it matches, prefers and copies; only one that copies is called a lookup head.

    Args:
        model: the model.
        strings: draws the strings.
        settings: what counts.
        scores: flags, and n by attention.
        looked: attention at the probes asked about the first place.
        seed: of further strings and the bootstrap.
    """
    if not any(head.flagged for head in scores.heads):
        return scores
    more, steps = strings.apart("roles of heads", seed), settings.longest + 1
    found = matching(looked, look(model, more.of_every_match(place=1)), steps)
    rows = [
        _attending(head, found.n[i], found.preference[i]) if head.flagged else head
        for i, head in enumerate(scores.heads)
    ]
    if more.task.n_letters >= OFFSETS_NEED and any(head.attends for head in rows):
        share = letters_that_count(model, *more.of_every_offset(), settings.longest)
        rows = [_matched(head, share[i]) for i, head in enumerate(rows)]
    rows, notes = _copying(model, more, rows, seed)
    kept = tuple(note for note in scores.notes if not any(h.attends and note.startswith(f"{h.name} ") for h in rows))
    return replace(scores, heads=tuple(rows), notes=(*kept, *notes))


def _attending(head: HeadScore, n: int | None, preference: float | None) -> HeadScore:
    """The head with what its scores say, where its attention says nothing."""
    n = head.n if head.n is not None else n
    if n is None:
        return head
    return replace(head, attends=True, role="lookup", n=n, matched=tuple(range(n)), preference=preference)


def _matched(head: HeadScore, share: np.ndarray) -> HeadScore:
    """The head with the letters that count; it has an n only where these are the last ones in a row.

    Args:
        head: one that attends to the match, or any other, which stays as it is.
        share: [offset bound] how far each letter moves its scores.
    """
    if not head.attends or head.preference is None or not share.any():
        return head
    counts = tuple(t for t in range(len(share)) if share[t, 0] > COUNTS)
    silent = [t for t in head.matched if t < len(share) and share[t, 1] <= COUNTS]
    if not silent or not counts:
        return head
    in_a_row = counts == tuple(range(len(counts)))
    return replace(head, matched=counts, n=len(counts) if in_a_row else None)


def _copying(model: Model, strings: Strings, rows: list[HeadScore], seed: int) -> tuple[list[HeadScore], list[str]]:
    """Take the role from heads that attend to the match and raise no letter there, and say so."""
    table = HeadTable.of(model)
    known = [head for head in rows if head.attends and table[head.name].editable]
    if not known:
        return rows, []
    sets = [(table[head.name],) for head in known]
    effects = edge_effects(model, strings.task.vocabulary, strings.ordinary(), sets).double().cpu().numpy()
    low, high = np.stack(bootstrap_interval(effects, seed=seed))
    notes = []
    for head, effect, least, most in zip(known, effects.mean(axis=1), low, high, strict=True):
        copies = (head.copying or 0.0) >= COPIES or least > LEAST_EFFECT
        interval = (float(least), float(most))
        row = replace(head, effect=float(effect), effect_interval=interval, role="lookup" if copies else "none")
        rows[rows.index(head)] = row
        if not copies:
            notes.append(
                f"{head.name} attends to the match, and is not called a lookup head: "
                + (
                    "it takes the letter there away (it suppresses)"
                    if most < -LEAST_EFFECT
                    else "it does not raise the letter there"
                )
            )
    return rows, notes
