"""Where a planted head looks: one small value for each way of choosing places, with everything that its weights need.

Even        evenly over its window
Back        a fixed distance back (learned or rotary positions)
AtToken     to BOS, or to the separator once it has passed
Match       to the place after an earlier one whose letters at some offsets are those of the query: the lookup
Found       to the place whose position another head has written down
Count       to the letter with the number that the copy has come to
Anywhere    by random weights

A score is given in letters times `gain`: what one matching letter adds, in nats.
"""

from dataclasses import dataclass

from interp.base.errors import UserError, shown


@dataclass(frozen=True)
class Even:
    """Evenly over what it sees; with ALiBi's slope, by that alone."""


@dataclass(frozen=True)
class Back:
    """The place `distance` positions back; in the first positions of a string, wherever."""

    distance: int
    gain: float = 30.0
    """Nats by which it beats every other distance, at least."""

    def __post_init__(self) -> None:
        if self.distance < 0 or not self.gain > 0:
            raise UserError(f"Back must have a distance of at least 0 and a positive gain; got {self}.")


@dataclass(frozen=True)
class AtToken:
    """The token of this name; the separator's head looks at BOS while no separator has passed."""

    token: str = "bos"
    """"bos" or "separator"."""
    gain: float = 30.0
    behind: int | None = None
    """Only from the place that stands so many behind the separator; from elsewhere BOS. None: from everywhere."""

    def __post_init__(self) -> None:
        if self.behind is not None and (self.token != "separator" or self.behind < 0):
            raise UserError(
                f"behind must be at least 0, and the token the separator; got {self}. Leave it out for BOS."
            )
        if self.token not in ("bos", "separator"):
            raise UserError(f"token must be 'bos' or 'separator'; got {shown(self.token)}. Name one of them.")


@dataclass(frozen=True)
class Match:
    """The place after an earlier one that has the query's letters at `offsets`.

    The separator in the query agrees with BOS in the key, at every offset up to the largest, so that the i-th letter
    after the one finds the i-th after the other.
    """

    offsets: tuple[int, ...]
    """Letters back that must agree, 0 being the query's own: (0, 1, 2) is a 3-gram, (0, 2) a skip-gram."""
    gain: float = 30.0
    """Nats that a matching letter adds."""
    weights: tuple[float, ...] | None = None
    """What each offset's letter counts, in letters; None: 1 each."""
    ordered: bool = True
    """Whether a letter must stand at the same offset on both sides; if not, the two are compared as bags: the score
    counts pairs of equal letters."""
    after: bool = True
    """The place after the match; False: the match's last letter itself."""
    tilt: float = 0.0
    """Nats that each position further on in the string adds: above 0 later matches are preferred, below 0 earlier."""
    rest: float | None = None
    """Score of BOS, in letters: where the head rests if less agrees. None: BOS is never looked at."""
    reach: int | None = None
    """How many offsets the keys hold; None: up to the largest of `offsets`. Heads that share keys share it."""
    unless: bool = False
    """Whether the head rests at BOS wherever the flag says that an answer stands there already."""
    first_copy: bool = False
    """Whether places after the separator are left out."""
    mirrored: bool = False
    """Whether the letters stand at the key in the order in which they are read backwards: that of the offset t at
    `depth` - 1 - t, so that the key is the place at which they end. Separator and BOS then do not agree; but with keys
    on both sides of the separator, it counts as a letter."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "offsets", tuple(sorted(self.offsets)))
        if not self.offsets or self.offsets[0] < 0 or len(set(self.offsets)) < len(self.offsets):
            raise UserError(
                f"offsets must be different numbers of at least 0; got {self.offsets}. Name each letter once."
            )
        if self.weights is not None and (len(self.weights) != len(self.offsets) or min(self.weights) <= 0):
            raise UserError(f"weights must be positive, one for each offset; got {self.weights}. Leave them out for 1.")
        if not self.gain > 0:
            raise UserError(f"gain must be positive, in nats for each matching letter; got {self.gain}.")
        if self.reach is not None and self.reach <= self.offsets[-1]:
            raise UserError(f"reach must exceed the largest offset {self.offsets[-1]}; got {self.reach}. Raise it.")
        if self.mirrored and (self.after or self.offsets != tuple(range(len(self.offsets))) or not self.ordered):
            raise UserError(f"mirrored must be False but for ordered letters 0, 1, ... not after; got {self}.")
        if self.unless and self.rest is None:
            raise UserError("rest must be given with unless; got None. Say where the head rests.")

    @property
    def depth(self) -> int:
        """Offsets that the keys hold: 0, ..., depth - 1."""
        return self.offsets[-1] + 1 if self.reach is None else self.reach

    @property
    def crosses(self) -> bool:
        """Whether a match may reach across the separator, which then must stand at the same place on both sides."""
        return self.mirrored and not self.first_copy

    @property
    def shuns_itself(self) -> bool:
        """Whether the query's own position, which always agrees with itself, must be kept out by its code."""
        return not self.after and not self.first_copy and not self.mirrored

    @property
    def worth(self) -> tuple[float, ...]:
        """What each offset's letter counts."""
        return (1.0,) * len(self.offsets) if self.weights is None else self.weights

    @property
    def most(self) -> float:
        """No score of letters is larger, in letters; the same for heads that share their keys."""
        return max(sum(self.worth) if self.ordered else sum(self.worth) ** 2, float(self.reach or 0))


@dataclass(frozen=True)
class Found:
    """The place `step` after the one whose position stands in the query's slot `found`."""

    step: int = 1
    gain: float = 30.0


@dataclass(frozen=True)
class Count:
    """The letter of the string whose number is that of the letter to be written: copying without looking at letters.

    The slot `start` must hold where the separator stands.
    """

    gain: float = 30.0
    """Nats by which it beats its neighbours."""


@dataclass(frozen=True)
class Anywhere:
    """Attends by random weights to whatever is in the stream; nothing reads what it writes."""

    loudness: float = 1.0
    """Times as much is written."""


Look = Even | Back | AtToken | Match | Found | Count | Anywhere
