"""What heads that attend to the source match: how many letters, which ones, in which order, and how sure that is."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import log

import numpy as np

from interp.measure.heads.flags import by_match, jump
from interp.measure.heads.lookup import Looked, look
from interp.measure.heads.matching import (
    COUNTS,
    NATS,
    alike_from,
    least_that_counts,
    matching,
    moved,
    shares,
    weightiest,
)
from interp.measure.heads.n_interval import n_interval
from interp.measure.heads.settings import HeadSettings
from interp.measure.heads.strings import Strings
from interp.models.hooks.model import Hook
from interp.models.surface import Model
from interp.results.heads import HeadScore

OFFSETS_NEED = 4
"""Letters that an alphabet needs for a rival place with letters of its own."""
FAR = 2
"""A head that tells equal matches apart has letters, too, if the weightiest moves it by so many times `NATS`."""


@dataclass(frozen=True)
class Asking:
    """A model, the strings that it is shown, and the edits that are in force meanwhile."""

    model: Model
    strings: Strings
    settings: HeadSettings
    seed: int
    hooks: tuple[Hook, ...] = ()

    def look(self, probe: object) -> Looked:
        """Return the attention of all heads at a probe."""
        return look(self.model, probe, self.hooks)  # pyright: ignore[reportArgumentType]


def matched(asking: Asking, rows: Sequence[HeadScore], names: Collection[str], first: Looked) -> list[HeadScore]:
    """Say of some heads whether they attend to the match, which letters they match, and what they prefer.

    Args:
        asking: what is asked.
        rows: every head of the model.
        names: those of interest.
        first: attention at the probes of every match, asked about the first place.
    """
    rows = _by_length(asking, rows, names, first)
    if asking.strings.task.n_letters < OFFSETS_NEED or not names:
        return rows
    steps = asking.settings.longest
    plain, edited = asking.strings.of_every_offset()
    found = moved(asking.look(plain), asking.look(edited), steps)
    whole = weightiest(found)
    share = shares(found, least_that_counts(whole))
    for i, head in enumerate(rows):
        if head.attends and head.name in names:
            rows[i] = _by_letter(head, share[i], found[i], steps, asking.seed)
        elif head.name in names and whole[i] > FAR * NATS:  # what hardly moves has no letters, only noise
            rows[i] = replace(head, matched=tuple(t for t in range(steps) if share[i, t, 0] > 1))
    return _by_order(asking, rows, names, whole)


def _by_length(asking: Asking, rows: Sequence[HeadScore], names: Collection[str], first: Looked) -> list[HeadScore]:
    """The heads with the n that their attention or, where a preference hides it, their scores show."""
    settings, steps = asking.settings, asking.settings.longest + 1
    found = matching(first, asking.look(asking.strings.of_every_match(place=1)), steps)
    source, rival = by_match(first.source, steps), by_match(first.rival, steps)
    by_attention, done = partial(jump, alike=settings.alike), []
    for i, head in enumerate(rows):
        if head.name not in names:
            done.append(head)
            continue
        preference, n = found.preference[i], jump(rival[i].mean(axis=1), source[i].mean(axis=1), settings.alike)
        score_n, interval = alike_from(found.ahead[i].mean(axis=1)), partial(n_interval, most=settings.longest)
        hidden = n is None or abs(preference or 0.0) > -log(settings.alike)
        if score_n is not None and hidden:
            n, ends = score_n, interval(alike_from, found.ahead[i], seed=asking.seed)
        else:
            ends = interval(by_attention, rival[i], source[i], seed=asking.seed)
        if n is None:
            apart = {"apart": found.apart[i], "apart_interval": found.apart_interval[i]}
            done.append(replace(head, attends=False, role="none", **apart))
            continue
        told = {"preference": preference, "preference_interval": found.preference_interval[i]}
        done.append(replace(head, attends=True, role="lookup", n=n, n_interval=ends, matched=tuple(range(n)), **told))
    return done


def _by_letter(head: HeadScore, share: np.ndarray, found: np.ndarray, steps: int, seed: int) -> HeadScore:
    """The head with the letters that count; it has an n only where these are the last ones in a row.

    Args:
        head: one that attends to the match.
        share: [offset bound] how far each letter moves its scores, as a share of the least that counts.
        found: [offset string] the same, string by string, in nats.
        steps: number of offsets.
        seed: of the bootstrap.
    """
    counts = tuple(t for t in range(len(share)) if share[t, 0] > 1)
    silent = [t for t in head.matched if t < len(share) and share[t, 1] <= 1]
    if not silent or not counts:
        return head
    interval = n_interval(in_a_row, found, most=steps, seed=seed)
    return replace(head, matched=counts, n=len(counts) if in_a_row(found.mean(axis=1)) else None, n_interval=interval)


def in_a_row(moves: np.ndarray) -> int | None:
    """Return how many letters count, if some do and these are the last ones in a row.

    Args:
        moves: [offset] how far each letter moves a head.
    """
    counts = [t for t, move in enumerate(moves) if move > least_that_counts(moves.max())]
    return len(counts) if counts and counts == list(range(len(counts))) else None


def _by_order(asking: Asking, rows: list[HeadScore], names: Collection[str], whole: np.ndarray) -> list[HeadScore]:
    """The heads with whether it counts in which order their letters stand: two at a time are exchanged."""
    known = [head for head in rows if head.attends and head.name in names]
    pairs = sorted({pair for head in known for pair in _pairs(head) if pair[1] < asking.settings.longest})
    if not pairs:
        return rows
    plain, edited = asking.strings.of_every_order(pairs)
    found = moved(asking.look(plain), asking.look(edited), len(pairs))
    share, place = shares(found, whole), {head.name: i for i, head in enumerate(rows)}
    for head in known:
        asked = [i for i, pair in enumerate(pairs) if pair in _pairs(head)]
        low, high = share[place[head.name], asked].T if asked else (np.array([]), np.array([]))
        told = True if (low > COUNTS).any() else False if len(asked) and (high <= COUNTS).all() else None
        rows[place[head.name]] = replace(head, ordered=told)
    return rows


def _pairs(head: HeadScore) -> list[tuple[int, int]]:
    """Letters next to each other among those that a head matches."""
    return list(zip(head.matched, head.matched[1:], strict=False))
