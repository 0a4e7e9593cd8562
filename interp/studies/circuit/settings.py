"""On which strings a circuit is looked for, and how small it is to be."""

from dataclasses import dataclass, field
from typing import ClassVar

from interp.base.bounds import LETTERS, STRINGS, Bounds
from interp.base.calls import checked_call
from interp.measure.heads.settings import HeadSettings


@checked_call
@dataclass(frozen=True)
class CircuitSettings:
    """How a circuit is looked for and tested. `tiny` is for a look at the machinery, not at a model."""

    length: int | None = None
    """Letters per string; by default as in training, else as heads are probed."""
    strings: int = 64
    """Strings on which edges are chosen; as many others test the circuit, at least 2."""
    share: float = 0.95
    """Share of the strings that the whole model gets right, that the circuit alone must get right."""
    draws: int = 10
    """Random circuits of the same size and layers beside it."""
    letters: int = 6
    """Letters back that are kept apart in the scores of lookup heads."""
    view_length: int = 24
    """Letters of the string whose attention is shown, at most; no more than those of the strings."""
    scoring: HeadSettings = field(default_factory=HeadSettings)
    """How heads are scored first."""

    BOUNDS: ClassVar[Bounds] = {
        "length": LETTERS,
        "strings": STRINGS,
        "share": (0.01, 1),
        "draws": (1, 1000),
        "letters": (1, 64),
        "view_length": (1, 10_000),
    }

    @classmethod
    def tiny(cls) -> "CircuitSettings":
        """Few strings: a look at the machinery."""
        return cls(strings=12, draws=3, letters=4, view_length=8, scoring=HeadSettings(longest=4, strings=12))
