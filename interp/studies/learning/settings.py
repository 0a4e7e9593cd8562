"""How much is measured of a training that is over."""

from dataclasses import dataclass, field
from typing import ClassVar

from interp.base.bounds import LETTERS, STRINGS, Bounds
from interp.base.calls import checked_call
from interp.measure.heads.settings import HeadSettings


@checked_call
@dataclass(frozen=True)
class LearningSettings:
    """How much is measured. `tiny` is for a look at the machinery."""

    lengths: tuple[int, ...] | None = None
    """Lengths at which accuracy is measured; by default from the trained ones up to three times as long."""
    strings: int = 128
    """Strings of each length."""
    ideal: tuple[int, ...] = (3, 4, 5)
    """The n of the ideal copiers shown beside the model."""
    share: float = 0.5
    """The share of right strings whose first evaluation is named."""
    heads: HeadSettings = field(default_factory=lambda: HeadSettings(strings=32))
    """How heads are scored at each kept step: on few strings, as there may be many steps."""

    BOUNDS: ClassVar[Bounds] = {"lengths": LETTERS, "strings": STRINGS, "ideal": (1, 1000), "share": (0.001, 1.0)}

    @classmethod
    def tiny(cls) -> "LearningSettings":
        """Few strings: a look at the machinery."""
        return cls(strings=16, heads=HeadSettings(longest=3, strings=8))
