"""Roles from flags: whether a flagged head attends to the match, which letters it matches, and whether it copies."""

from collections.abc import Collection
from dataclasses import replace

from interp.base import words
from interp.base.estimates import mean_intervals
from interp.measure.heads.attending import Asking, matched
from interp.measure.heads.lookup import Looked, look
from interp.measure.heads.settings import HeadSettings
from interp.measure.heads.strings import Strings
from interp.measure.heads.written import edge_effects, written_share
from interp.models.heads import HeadTable
from interp.models.surface import Model
from interp.results.heads import LEAST_EFFECT, HeadScore, HeadScores
from interp.tasks.probes.probe import Probe

COPIES = 0.5
"""A head copies if its OV circuit raises the right letter most in at least this share of the probes."""
SOME = 0.25
"""It copies some letters and not others if both its OV circuit and its effect say so in at least this share of them,
and in twice what guessing has."""


def flag_by_writing(model: Model, scores: HeadScores, probe: Probe, settings: HeadSettings) -> HeadScores:
    """Flag heads whose attention is more than untrained ones' but below the floor, if what they write is the source's.

    A head may rest on a place whose value is zero, and carry the whole copy with what attention is left.
    """
    table = HeadTable.of(model)
    faint = [
        table[head.name]
        for head in scores.heads
        if head.q_value < settings.level and not head.flagged and head.kind == "attention"
    ]
    shares = written_share(model, probe, faint) if faint else None
    if shares is None:
        return scores
    shares = shares.double().cpu().numpy()
    low = mean_intervals(shares).low
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
        scores: flags.
        looked: attention at the probes asked about the first place.
        seed: of further strings and the bootstrap.
    """
    flagged = {head.name for head in scores.heads if head.flagged}
    if not flagged:
        return scores
    more = strings.apart("roles of heads", seed)
    rows = matched(Asking(model, more, settings, seed), scores.heads, flagged, looked)
    rows, notes = copying(model, more, rows, flagged)
    rows = _by_position(model, more, rows, settings)
    other = (_other_match(head, settings) for head in rows if head.flagged and not head.attends)
    return replace(scores, heads=tuple(rows), notes=(*scores.notes, *other, *notes))


def copying(
    model: Model, strings: Strings, rows: list[HeadScore], names: Collection[str], beside: tuple = ()
) -> tuple[list[HeadScore], list[str]]:
    """Take the role from heads that attend to the match and raise no letter there, and say so.

    Args:
        model: the model.
        strings: draws the questions.
        rows: every head of the model.
        names: those of interest.
        beside: `Head`s that lose their edges, too, before and after.
    """
    table = HeadTable.of(model)
    known = [head for head in rows if head.name in names and head.attends and table[head.name].editable]
    if not known:
        return rows, []
    sets = [(table[head.name],) for head in known]
    effects = edge_effects(model, strings.task.vocabulary, strings.ordinary(), sets, beside).double().cpu().numpy()
    found, loses, gains = mean_intervals(effects), effects >= LEAST_EFFECT, effects <= -LEAST_EFFECT
    some = max(SOME, 2 / strings.task.n_letters)
    notes = []
    for i, head in enumerate(known):
        shares = float(loses[i].mean()), float(gains[i].mean())
        row = replace(head, effect=float(effects[i].mean()), effect_interval=found[i], effect_shares=shares)
        ov = head.copying or 0.0
        copies = ov >= COPIES or row.raises or (ov >= some and row.raises_in(some))
        row = replace(row, role="lookup" if copies else "none")
        rows[rows.index(head)] = row
        if not copies:
            notes.append(
                f"{head.name} attends to the match, and is not called a lookup head: "
                + ("it takes the letter there away" if row.suppresses else "it does not raise the letter there")
            )
    return rows, notes


def _by_position(model: Model, strings: Strings, rows: list[HeadScore], settings: HeadSettings) -> list[HeadScore]:
    """Say of flagged heads that do not go by the match whether they attend there whatever has been copied."""
    if not any(head.flagged and not head.attends for head in rows):
        return rows
    probe = strings.ordinary()
    before, after = (look(model, asked).source.mean(dim=1).tolist() for asked in (probe, strings.scrambled(probe)))
    return [
        replace(head, by_position=after[i] >= settings.alike * before[i]) if head.flagged and not head.attends else head
        for i, head in enumerate(rows)
    ]


def _other_match(head: HeadScore, settings: HeadSettings) -> str:
    if head.by_position:
        return f"{head.name} attends to the source whatever letters have been copied: it goes by position"
    same = f"{settings.longest} letter{'s' * (settings.longest > 1)}"
    if head.matched and head.apart is not None:
        letters, one = words.names([str(t) for t in head.matched]), len(head.matched) == 1
        return (
            f"the letter{'s' * (not one)} {letters} back move{'s' * one} {head.name}, and something else tells places "
            f"apart that agree in {same}, by {words.number(head.apart, 1)} nats: it is not called a lookup head"
        )
    return (
        f"{head.name} attends to the source but not to a rival that agrees in {same}: it goes by something else as "
        f"well, or its n is greater; it is not called a lookup head"
    )
