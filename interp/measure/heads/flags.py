"""Everything that attention alone says of a head: is it more than an untrained one's, and what does the head match?"""

import numpy as np
from jaxtyping import Float
from torch import Tensor

from interp.base.estimates import difference_intervals, share_intervals
from interp.base.stats import benjamini_hochberg, empirical_p
from interp.measure.heads.lookup import Looked
from interp.measure.heads.null import Null, of_kind
from interp.measure.heads.settings import HeadSettings
from interp.models.heads import HeadTable
from interp.results.heads import HeadScore, HeadScores

NOTHING = 1e-3
"""Attention above chance that is not told from none."""


def flag_heads(table: HeadTable, looked: Looked, null: Null, settings: HeadSettings) -> HeadScores:
    """Say which heads are flagged, and which of them look a match up: of which n.

    Args:
        table: the model's heads.
        looked: their attention at `settings.strings` probes for each match length, k = 0 first.
        null: attention above chance of heads that learned nothing.
        settings: what counts.

    Returns: scores of all heads; who feeds them, and what they write, is not known yet.
    """
    steps = settings.longest + 1
    source, rival, shuffled = (by_match(x, steps) for x in (looked.source, looked.rival, looked.shuffled))
    attention, chance = source[:, 0], shuffled[:, 0]
    p, q = _tested(table, _plain(looked, settings).surely_above_chance().cpu().numpy(), null)
    flagged = (q < settings.level) & (difference_intervals(chance, attention).low > settings.floor)
    response = np.concatenate([rival.mean(axis=2), attention.mean(axis=1, keepdims=True)], axis=1)
    response[:, 0] = chance.mean(axis=1)
    interval, gain = share_intervals(attention), _score_gain(looked, steps)
    found = [jump(rival[i].mean(axis=1), source[i].mean(axis=1), settings.alike) for i in range(len(table))]
    n = [found[i] if flagged[i] else None for i in range(len(table))]
    rows = tuple(
        HeadScore(
            name=head.name,
            layer=head.layer,
            head=head.index,
            kind=head.kind,
            role="none" if n[i] is None else "lookup",
            n=n[i],
            flagged=bool(flagged[i]),
            interval=interval[i],
            response=tuple(map(float, response[i])),
            score_gain=gain[i],
            score=float(attention[i].mean()),
            chance=float(chance[i].mean()),
            p_value=float(p[i]),
            q_value=float(q[i]),
        )
        for i, head in enumerate(table)
    )
    return HeadScores(
        heads=rows,
        match_lengths=tuple(range(steps + 1)),
        level=settings.level,
        floor=settings.floor,
        gather_floor=settings.gather_floor,
        set_offsets=(),
        offset_accuracy=(),
        notes=_notes(table, rows, settings, null),
        attention=attention,
        shuffled=chance,
        response=response,
        null=null.ravel(),
    )


def by_match(values: Float[Tensor, "head example"], steps: int) -> Float[np.ndarray, "head match strings"]:
    """Give probes that stand in order of their match length an axis for it."""
    return values.double().cpu().numpy().reshape(len(values), steps, -1)


def _plain(looked: Looked, settings: HeadSettings) -> Looked:
    """Attention at the probes without a rival, which stand first."""
    return Looked(**{name: values[:, : settings.strings] for name, values in vars(looked).items()})


def _tested(
    table: HeadTable, above: Float[np.ndarray, " head"], null: Null
) -> tuple[Float[np.ndarray, " head"], Float[np.ndarray, " head"]]:
    """p and q of every head, held against its like and corrected among them; less than `NOTHING` is alike in all."""
    above, null = np.maximum(above, NOTHING), np.maximum(null, NOTHING)
    kinds = np.array(table.kinds)
    p, q = np.ones(len(kinds)), np.ones(len(kinds))
    for kind in set(table.kinds):
        alike = kinds == kind
        p[alike] = empirical_p(above[alike], of_kind(null, table.kinds, kind))
        q[alike] = benjamini_hochberg(p[alike])
    return p, q


def jump(rival: Float[np.ndarray, " match"], source: Float[np.ndarray, " match"], alike: float) -> int | None:
    """The shortest match at which the rival draws at least `alike` of what the true place does.

    None where a rival with the longest match draws less: the head tells the two apart by something else.
    """
    drawn = np.flatnonzero(rival[1:] >= alike * source[1:])
    return int(drawn[0]) + 1 if len(drawn) and rival[-1] >= alike * source[-1] else None


def _score_gain(looked: Looked, steps: int) -> list[tuple[float, ...] | None]:
    """What the first, second, ... matching letter adds to each head's score; 0 where both places are hidden.

    None for a head without scores.
    """
    source, rival = by_match(looked.source_score, steps), by_match(looked.rival_score, steps)
    with np.errstate(invalid="ignore"):
        behind = np.where(np.isfinite(source) & np.isfinite(rival), source - rival, 0.0).mean(axis=2)
    gains = -np.diff(behind, axis=1)
    rows = zip(source, gains, strict=True)
    return [None if np.isnan(scores).all() else tuple(map(float, gain)) for scores, gain in rows]


def _notes(table: HeadTable, rows: tuple[HeadScore, ...], settings: HeadSettings, null: Null) -> tuple[str, ...]:
    """How attention is to be read where it is not a softmax; heads that are flagged without an n; a null too small."""
    notes = []
    if hidden := [head.name for head in rows if head.kind != "attention"]:
        notes.append(
            f"the attention of {', '.join(hidden)} is hidden attention of recurrent layers: the share of each position "
            f"in what the head writes to the stream by way of its state, with convolution and gate; shares are lengths "
            f"of vectors, so that their signs play no part, and sum to 1"
        )
    for kind in dict.fromkeys(table.kinds):
        alike, draws = table.of_kind(kind), len(of_kind(null, table.kinds, kind))
        if len(alike) / (1 + draws) >= settings.level:
            notes.append(
                f"the null holds {draws} heads ({kind}), too few for one of {len(alike)} alone to be flagged at the "
                f"level {settings.level}"
            )
    return tuple(notes)
