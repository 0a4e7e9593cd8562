"""What was found about a family of models that differ in the size of their state: how much more a larger one holds."""

from dataclasses import dataclass
from typing import Any

from interp.base.interval import Interval
from interp.results.attention import AttentionView
from interp.results.record import Result
from interp.results.state import Bits, Knee
from interp.studies.study import Verdict


@dataclass(frozen=True)
class Member:
    """One model of a family, trained at the learning rate that served it best."""

    name: str
    config: dict[str, Any]
    state_floats: int
    """Numbers that its recurrent layers carry, windows of convolutions with them."""
    window_floats: int
    """How many of these are in windows: tokens just read, rather than a state."""
    n_parameters: int
    rates: tuple[float, ...]
    """Learning rate of each training run, at equal numbers of examples."""
    seeds: tuple[int, ...]
    """Seed of each run."""
    rate_accuracy: tuple[float, ...]
    """Letter accuracy over all lengths at the end of each, on strings that the bits are not measured on."""
    rate: float
    """Learning rate of the best run, the one measured."""
    used: Bits
    saturation_length: Knee
    most_bits: float
    """The most bits used at any measured length."""
    most_bits_interval: Interval
    """Interval of the most bits, at the length at which they are used."""


@dataclass(frozen=True)
class StateGrowth(Result):
    """How the saturation length grows with the size of the state, over a family of models."""

    verdict: Verdict
    provenance: dict[str, Any]
    alphabet: int
    trained: tuple[int, int]
    examples: int
    """Strings that each was trained on, at each learning rate."""
    lengths: tuple[int, ...]
    members: tuple[Member, ...]
    swept: str
    """What differs between the members."""
    exponent: float | None
    """Exponent of the saturation length as a power of the numbers of state, by least squares on logarithms."""
    exponent_interval: Interval | None
    """Interval from how far the members lie from that line (Student's t)."""
    bare_exponent: float | None
    """Exponent when the windows are left out of the numbers of state; None for models without windows."""
    bare_exponent_interval: Interval | None
    bits_exponent: float | None
    """Exponent of the most bits used as a power of the numbers of state, over the members whose bits stop growing."""
    bits_exponent_interval: Interval | None
    notes: tuple[str, ...]
    attention: tuple[AttentionView, ...] = ()
    """Where the smallest and the largest member look on the same string; empty for models without heads."""
