"""What is known about a model's state: how much it holds and uses, by string length, and its size and shape.

The state is what the model carries from the string to its copy, taken just before the separator: of a recurrent layer
its state and convolution window, of an attention layer its keys and values. Bits are base 2; an `interval` is at 95 %,
over strings, and names its method.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import numpy as np
from jaxtyping import Float

from interp.base.interval import Interval, Method
from interp.results.record import Result

FALLEN = 0.9
"""Bits at the longest strings below this share of the most: they fall, which a full state does not explain."""


def falls(bits: "Bits") -> bool:
    """Whether fewer bits are there at the longest strings than at shorter ones, with the whole interval: no plateau."""
    return bits.interval[-1].high < FALLEN * max(bits.total)


KneeKind = Literal["bend", "unclear", "unsure", "smooth", "late", "early", "falls", "nothing"]
"""What a curve over lengths does: bends; fits a bend and a smooth curve alike; bends, but not in some resamples; slows
down without a bend; bends, if at all, beyond the longest length, or before the shortest; falls; has nothing to bend."""


@dataclass(frozen=True)
class Knee:
    """Where min(a L, c), fitted to a curve over lengths, stops growing."""

    value: float | None
    """c / a, letters; None where there is no bend within what was measured."""
    interval: Interval | None
    slope: float
    """a, bits per letter."""
    plateau: float
    """c, bits."""
    kind: KneeKind = "bend"
    note: str = ""
    """Why there is no value, or what to mind, in English."""


@dataclass(frozen=True)
class Bits(Result):
    """Information about the string that was recovered, by length."""

    UNITS: ClassVar[dict[str, str]] = {name: "bits" for name in ("total", "interval", "by_position", "draws")}

    lengths: Annotated[tuple[int, ...], "length"]
    total: Annotated[tuple[float, ...], "length"]
    """Bits, summed over the letters of the string that are shown (`interp.measure.state.bits.bits_of`)."""
    interval: Annotated[tuple[Interval, ...], "length"]
    by_position: Float[np.ndarray, "length pos"]
    """Bits of each letter, 0 or near it where it is not shown; nan after the string's end."""
    draws: Float[np.ndarray, "length resample"]
    """The total over bootstrap resamples of the strings: intervals of whatever is computed from it."""


@dataclass(frozen=True)
class HeldBits(Result):
    """What probes read from the state just before the separator."""

    held: Bits
    shuffled: Bits
    """Bits read when letters are permuted over the strings: 0, if the probe is honest."""
    untrained: Bits | None
    """Bits read from an untrained model of the same shape: what any recurrence and its window hold."""
    by_layer: Mapping[str, Bits] = field(default_factory=dict)
    """Bits held by the states of single layers."""
    strings: tuple[int, int, int] = (0, 0, 0)
    """Strings that trained, tempered and tested each probe."""
    joint: Bits | None = None
    """Bits that probes read which also know the letters before the one that they read: the state may hold letters that
    cannot be read one by one. In long strings some letters are read and the bits between them interpolated."""

    @property
    def most(self) -> Bits:
        """The larger of the two readings at each length; both are lower bounds."""
        if self.joint is None:
            return self.held
        one, other = self.held, self.joint
        larger = [b > a for a, b in zip(one.total, other.total, strict=True)]
        choose = np.array(larger)[:, None]
        return Bits(
            lengths=one.lengths,
            total=tuple(b if x else a for a, b, x in zip(one.total, other.total, larger, strict=True)),
            interval=tuple(b if x else a for a, b, x in zip(one.interval, other.interval, larger, strict=True)),
            by_position=np.where(choose, other.by_position, one.by_position),
            draws=np.where(choose, other.draws, one.draws),
        )


@dataclass(frozen=True)
class StateSize:
    """How large the state is."""

    parts: Mapping[str, int]
    """blocks.0.h, blocks.0.window, ... -> numbers that it carries for a string; of attention layers at the longest
    measured length."""
    dtype_bits: int
    """Bits of one number."""
    floats: Annotated[tuple[int, ...], "length"]
    """Numbers in all, by length."""
    bits: Annotated[tuple[float, ...], "length"]


@dataclass(frozen=True)
class EffectiveSize(Result):
    """The fewest bits per number, and principal directions, that keep the accuracy, by length."""

    lengths: Annotated[tuple[int, ...], "length"]
    bits_per_number: Annotated[tuple[int, ...], "quantisation"]
    """Quantisations that were tried."""
    quantised: Float[np.ndarray, "length quantisation"]
    """Letter accuracy when the state is quantised so."""
    directions: Annotated[tuple[int, ...], "kept"]
    """Numbers of leading principal directions that were kept."""
    projected: Float[np.ndarray, "length kept"]
    """Letter accuracy when only these are kept."""
    clean: Annotated[tuple[float, ...], "length"]
    """Letter accuracy with the state as it is."""
    fewest_bits: Annotated[tuple[int | None, ...], "length"]
    """The fewest bits per number within a tolerance of `clean`; None where none of those tried suffices."""
    fewest_directions: Annotated[tuple[int | None, ...], "length"]


@dataclass(frozen=True)
class Geometry(Result):
    """The states of many strings just before the separator, layer by layer."""

    UNITS: ClassVar[dict[str, str]] = {"time_constants": "positions"}

    lengths: Annotated[tuple[int, ...], "length"]
    layers: Annotated[tuple[str, ...], "layer"]
    participation_ratio: Float[np.ndarray, "layer length"]
    """(sum of variances)^2 / sum of squared variances, over principal directions."""
    entropy_rank: Float[np.ndarray, "layer length"]
    """exp of the entropy of the normalised variances (Roy & Vetterli 2007)."""
    norm: Float[np.ndarray, "layer length"]
    """Mean Euclidean norm of the state."""
    saturated: Float[np.ndarray, "layer length"]
    """Share of channels whose decay is saturated: A_bar above .999 or below .001 on average; nan where a layer has no
    decay."""
    time_constants: Float[np.ndarray, "layer length quantile"]
    """Time constants of the numbers of each part, -1 / mean log A_bar in positions: quantiles 0, .01, ..., 1; nan where
    a part has no decay."""


@dataclass(frozen=True)
class Remembrance(Result):
    """Effective memory: how much an earlier letter still moves the output, as the total variation of the answer's
    distributions when it is replaced, by how far back it stands from the separator."""

    lengths: Annotated[tuple[int, ...], "length"]
    effect: Float[np.ndarray, "length pos"]
    """Mean total variation at the answer letter that copies it; nan after the end."""
    elsewhere: Float[np.ndarray, "length pos"]
    """Mean total variation at the other answer letters."""
    interval: Float[np.ndarray, "length pos bound"]
    """Two ends of the interval of `effect`."""
    method: Method
    """Method of the interval."""


@dataclass(frozen=True)
class Transplant(Result):
    """Part of the state of string x, transplanted into the run on string y before it answers (activation patching)."""

    name: str
    """whole, layer 0, window, slow half, directions 1-8, ..."""
    kind: str
    """whole, layer, band, subspace, window, control."""
    length: int
    size: int
    """How many numbers were transplanted."""
    follows_donor: float
    """Share of free-running answer letters that are x's (at places where x and y differ)."""
    follows_host: float
    """Share that are still y's."""
    donor_interval: Interval
    """Interval over pairs; for a control, over its random sets and pairs."""
    host_interval: Interval
    by_position: Float[np.ndarray, " pos"]
    """Share of x's letters at each place of the answer."""
    largest_difference: float | None = None
    """Largest absolute difference between its logits and those of x's own run; for the whole state only rounding
    error."""


@dataclass(frozen=True)
class StateAblation(Result):
    """Channels of the state set to zero, to their mean or to another string's, beside as many at random."""

    name: str
    kind: str
    length: int
    size: int
    letter_accuracy_before: float
    letter_accuracy_after: float
    interval: Interval
    """Interval of the drop, over strings."""
    control_mean: float | None
    """Letter accuracy after as many random channels."""
    control_interval: Interval | None
    letter_correct: Float[np.ndarray, " string"] | None = None
    by_position: Float[np.ndarray, " pos"] | None = None
    """Letter accuracy afterwards at each place of the answer."""


@dataclass(frozen=True)
class StateMovie(Result):
    """One string read letter by letter: numbers of the state, and what probes read from it, after each letter."""

    letters: Annotated[tuple[str, ...], "pos"]
    chance: float
    """1 / D."""
    parts: Annotated[tuple[str, ...], "part"]
    """blocks.0.h, ...: what is carried and does not grow with the string."""
    states: Annotated[tuple[Float[np.ndarray, "_ step"], ...], "part"]
    """Some numbers of each part, from fast to slow where they have time constants."""
    time_constants: Annotated[tuple[tuple[float, ...] | None, ...], "part"]
    """Time constants of those numbers, in positions."""
    readable: Float[np.ndarray, "step pos"]
    """Probability that a probe of the state after each letter gives to every letter so far; nan for those to come."""
    average: Float[np.ndarray, "step pos"]
    """Mean of `readable` over other strings that the probes were not trained on."""
