"""What is known about every head of a model: its score, its role, its n, and the numbers behind them."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from jaxtyping import Float

from interp.base.interval import Interval
from interp.results.record import Result

Role = Literal["lookup", "gather", "none"]

HeadKind = Literal["attention", "hidden attention"]

MOST = 0.5
"""A head copies, or suppresses, if it does so in at least this share of the probes: one whose edge is cut attends
elsewhere, and what it writes there meets the right letter now and then."""
LEAST_EFFECT = 0.05
"""A head copies, or suppresses, if the right letter's logit loses or gains so much when its edge is cut: less is
rounding."""


LEAST_PREFERENCE = 0.01
"""Nats by which one of two equal matches is preferred, at least: scores differ by less where they are rounded."""


@dataclass(frozen=True)
class HeadScore:
    """One head. `name` is L{layer}H{head}."""

    UNITS: ClassVar[dict[str, str]] = {"score_gain": "nats", "preference": "nats"}

    name: str
    layer: int
    head: int
    role: Role
    n: int | None
    """Lookup heads: the match length at which the response jumps."""
    score: float
    """Mean attention from the query to the place that the answer is copied from, where no other place competes."""
    interval: Interval
    chance: float
    """Mean attention to a shuffled target: another letter of the same string."""
    response: Annotated[tuple[float, ...], "match"]
    """Mean attention from q to j + 1 over pairs with match length 0, 1, 2, ... (the last: that and more)."""
    score_gain: tuple[float, ...] | None
    """Gain of the score before the softmax per further matching letter, from match length 0 to 1, 1 to 2, ...; None
    where the model has no true scores."""
    p_value: float
    q_value: float
    """Benjamini-Hochberg over all heads of its kind in the model."""
    flagged: bool
    """q below the level and, with its whole interval, attention above chance (`score` less `chance`) over the floor."""
    copying: float | None = None
    """OV circuit: share of letters whose own logit rises most when the head attends to them."""
    gather_effect: float | None = None
    """Relative change of the lookup heads' scores when this head is taken off the path to them."""
    gather_interval: Interval | None = None
    offsets: tuple[int, ...] = ()
    """Gather heads: letters back that the set can decode only with this head."""
    kind: HeadKind = "attention"
    """Attention layer, or recurrent layer, whose attention is hidden: the share of each position in what the head
    writes through its state."""
    attends: bool = False
    """Whether it attends to the place after the match, whatever it makes of what stands there."""
    matched: tuple[int, ...] = ()
    """Letters back that must agree, of a head that attends to the match: (0, 1, 2) are the last three. Of a flagged
    head that tells equal matches apart (`apart`): those that move its scores besides."""
    preference: float | None = None
    """Nats by which it prefers the later of two equal matches; below 0 the earlier. None where it has no scores."""
    preference_interval: Interval | None = None
    apart: float | None = None
    """Nats by which it tells the true place from a rival that agrees in the longest match, of a flagged head that does
    not attend by the match alone: what goes by position, or by letters further back."""
    apart_interval: Interval | None = None
    effect: float | None = None
    """What the right letter's logit, less the median of the others' (of two, less either), loses when its edge to the
    source is cut, of a head that attends to the match; below 0 for one that suppresses the letter. None where its edges
    cannot be cut."""
    effect_interval: Interval | None = None
    effect_shares: tuple[float, float] | None = None
    """Shares of the probes in which the right letter loses, and gains, at least `LEAST_EFFECT` by that."""
    written: float | None = None
    """Share of what it writes that is the source's, above another letter's, if its attention lies below the floor."""
    ordered: bool | None = None
    """Whether the order of the letters counts, of a head that matches several; None where that was not told."""
    n_interval: tuple[int, int] | None = None
    """95 % of the n found on strings drawn again from the probes, of a head that attends to the match; one more than
    the longest probe stands for none."""
    by_position: bool | None = None
    """Whether it attends to the source whatever letters have been copied, of a flagged head that does not go by the
    match."""
    backup: bool = False
    """Whether it attends to the match only while the other lookup heads are taken away: what is said of it was measured
    then."""

    @property
    def prefers(self) -> Literal["earlier", "later"] | None:
        """Which of two equal matches it prefers, if the whole interval says so, and by more than rounding."""
        ends = self.preference_interval
        if ends is None or ends.low <= 0 <= ends.high or abs(self.preference or 0.0) < LEAST_PREFERENCE:
            return None
        return "later" if ends.low > 0 else "earlier"

    @property
    def suppresses(self) -> bool:
        """Whether it takes the letter away that it attends to, with the whole interval and in most probes."""
        most = self.effect_shares is None or self.effect_shares[1] >= MOST
        return most and self.effect_interval is not None and self.effect_interval.high < -LEAST_EFFECT

    @property
    def raises(self) -> bool:
        """Whether the letter that it attends to loses when its edge is cut, with the whole interval and in most
        probes."""
        return self.raises_in(MOST)

    def raises_in(self, share: float) -> bool:
        """As `raises`, in at least a share of the probes: a head may copy some letters and not others."""
        often = self.effect_shares is None or self.effect_shares[0] >= share
        return often and self.effect_interval is not None and self.effect_interval.low > LEAST_EFFECT


@dataclass(frozen=True)
class HeadScores(Result):
    """Every head of a model, in order, with the per-example numbers behind the rows."""

    heads: Annotated[tuple[HeadScore, ...], "head"]
    match_lengths: Annotated[tuple[int, ...], "match"]
    level: float
    """Corrected level (Benjamini-Hochberg) below which a head is flagged."""
    floor: float
    """Least attention to the source, above chance, that counts as an effect."""
    gather_floor: float
    set_offsets: tuple[int, ...]
    """Letters back that are decoded linearly from the whole set of gather heads."""
    offset_accuracy: tuple[float, ...]
    """Held-out accuracy of that decoding for offsets 0, 1, 2, ..."""
    notes: tuple[str, ...]
    """What was measured otherwise on this model, or not at all, and why."""
    attention: Float[np.ndarray, "head example"]
    shuffled: Float[np.ndarray, "head example"]
    response: Float[np.ndarray, "head match"]
    null: Float[np.ndarray, " draw"]
    """The statistic of every head of the untrained models: all heads of one, in order, then those of the next."""

    @property
    def plain(self) -> bool:
        """Whether every head is one of an attention layer."""
        return all(head.kind == "attention" for head in self.heads)

    @property
    def without_role(self) -> tuple[str, ...]:
        """Names of the heads that attend to the source more than untrained ones and have no role, best score first."""
        chosen = [head for head in self.heads if head.flagged and head.role == "none"]
        return tuple(head.name for head in sorted(chosen, key=lambda head: -head.score))

    @property
    def no_controls(self) -> tuple[str, ...]:
        """Names of the heads that never serve as controls: those with a role, and those that attend to the source."""
        return tuple(head.name for head in self.heads if head.role != "none" or head.flagged)

    def of_role(self, role: Role) -> tuple[str, ...]:
        """Names of the heads with a role, best score first."""
        chosen = [head for head in self.heads if head.role == role]
        key = (lambda h: -(h.gather_effect or 0.0)) if role == "gather" else (lambda h: -h.score)
        return tuple(head.name for head in sorted(chosen, key=key))


@dataclass(frozen=True)
class MovedHeads(Result):
    """How far single heads move to a rival place when one copied letter becomes the rival's: n by intervention."""

    UNITS: ClassVar[dict[str, str]] = {"moves": "nats"}

    heads: Annotated[tuple[str, ...], "head"]
    n: Annotated[tuple[int | None, ...], "head"]
    """Letters that count, where these are the last ones in a row."""
    n_interval: Annotated[tuple[tuple[int, int] | None, ...], "head"]
    """95 % of the n found on strings drawn again; one more than the offsets stands for none."""
    moves: Float[np.ndarray, "head offset string"]
    """What each letter moves a head's scores, string by string; offset 0 is the last letter."""
