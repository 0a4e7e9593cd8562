"""`StateProfile`: everything that a study of one model's state found.

The state is what the model carries from the string to its copy, taken just before the separator: of a recurrent layer
its state and convolution window, of an attention layer its keys and values.
"""

from dataclasses import dataclass

from interp.results.accuracy import LengthAccuracy
from interp.results.attention import AttentionView
from interp.results.state import (
    Bits,
    EffectiveSize,
    Geometry,
    HeldBits,
    Knee,
    Remembrance,
    StateAblation,
    StateMovie,
    StateSize,
    Transplant,
    falls,
)
from interp.results.training import TrainLog
from interp.studies.result import StudyResult


@dataclass(frozen=True)
class StateProfile(StudyResult):
    """Everything that was measured about one model's state."""

    alphabet: int
    lengths: tuple[int, ...]
    behaviour: LengthAccuracy
    accuracy: tuple[float, ...]
    """String accuracy, by length."""
    expected_accuracy: tuple[float, ...]
    """The probability that an answer drawn letter by letter is right to the end: rates too small to count."""
    accuracy_bound: tuple[float, ...]
    """The most that any model can reach that has a state of this many bits (for a planted memory: this many states that
    strings can reach): min(1, |S| / D^L), theorem 2.7 of Jelassi et al. 2024."""
    half_length: Knee
    """Where letter accuracy crosses a half, from a fitted curve (`slope` and `plateau` are the curve's)."""
    used: Bits
    """log2 D less the teacher-forced cross-entropy of each answer letter."""
    used_untrained: Bits | None
    """Bits used by an untrained model of the same shape: 0."""
    held: HeldBits
    bits_recovered: tuple[float, ...]
    """`used.total`."""
    bits_probe: tuple[float, ...]
    """`held.held.total`."""
    bits_needed: tuple[float, ...]
    """L log2 D."""
    state_size: StateSize
    state_bits: tuple[float, ...]
    reachable_bits: tuple[float, ...] | None
    """log2 of the most states that strings of a length can reach, for a planted memory; else None."""
    utilisation: tuple[float, ...]
    """Bits recovered / min(bits needed, state bits)."""
    saturation_length: Knee
    """Where the bits used stop growing."""
    saturation_held: Knee
    """Where the bits held stop growing."""
    effective_size: EffectiveSize
    effective_rank: Geometry
    remembrance: Remembrance
    transplant: tuple[Transplant, ...]
    state_ablations: tuple[StateAblation, ...]
    movie: StateMovie | None
    """One string, step by step."""
    training: TrainLog | None
    notes: tuple[str, ...]
    """What could not be measured on this model, and why."""
    attention: AttentionView | None = None
    """Where its heads look on one string; None for a model without heads."""

    @property
    def used_falls(self) -> bool:
        """Whether fewer bits are used at the longest strings than at shorter ones: there is no plateau, so that the
        saturation length means nothing."""
        return falls(self.used)

    @property
    def peak(self) -> int:
        """Index of the length at which most bits are used; the first, where several are."""
        return max(range(len(self.lengths)), key=lambda i: self.used.total[i])

    @property
    def at_home(self) -> int:
        """Index of the longest length that is not beyond training; where that is not known, of the longest strings
        that are copied whole more often than not, else of the shortest."""
        if self.behaviour.trained is not None:
            return self.behaviour.at_home
        return max((i for i, right in enumerate(self.accuracy) if right > 0.5), default=0)
