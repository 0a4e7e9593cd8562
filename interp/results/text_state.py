"""What is known about a language model's state behind a text: bits, size, how far back tokens count, shape, swaps."""

from dataclasses import dataclass

from interp.results.language import TextBits, TextTransplants
from interp.results.record import Result
from interp.results.state import Geometry, Knee, Remembrance, StateSize


@dataclass(frozen=True)
class TextState(Result):
    """What a language model keeps of texts; what its state cannot be asked is None, and said in `not_measured`."""

    bits: TextBits
    """What reading a text is worth, by length, beside the model's own prior."""
    saturation: Knee | None
    """The length from which on the bits stop growing, in tokens; None for fewer than three lengths."""
    remembrance: Remembrance
    """How much each token of a text still moves the distributions of the copy, when it is replaced."""
    size: StateSize | None
    """How many numbers the state has."""
    geometry: Geometry | None
    """Rank, norm and decays of the states behind texts, part by part."""
    transplants: TextTransplants | None
    """Whose text is predicted after the state of another was put in place, whole and layer by layer."""
    not_measured: tuple[str, ...] = ()

    @property
    def share_of_state(self) -> tuple[float, ...] | None:
        """Bits used as a share of the bits that the state has room for, at each length."""
        if self.size is None:
            return None
        used = self.bits.used.mean(axis=1)
        return tuple(float(bits / room) for bits, room in zip(used, self.size.bits, strict=True))
