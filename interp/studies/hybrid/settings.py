"""How much a study of a hybrid measures."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from interp.base.bounds import LETTERS, STRINGS, Bounds
from interp.base.calls import checked_call
from interp.measure.heads.settings import HeadSettings


@checked_call
@dataclass(frozen=True)
class HybridSettings:
    """How much is measured. `tiny` is for a look at the machinery, not at a model."""

    length: int | None = None
    """Letters per string; by default the longest of training, else what the planted model copies, else 12."""
    strings: int = 200
    """Strings whose memories and outputs are taken away."""
    kind: Literal["resample", "mean", "zero"] = "resample"
    """What stands in place of a memory: another string's, the mean over strings, or zeros."""
    size_strings: int = 100
    """Strings that are answered while the recurrent state is kept small."""
    calibration: int = 512
    """Strings that ranges and directions of the recurrent state are found on."""
    scoring: HeadSettings = field(default_factory=HeadSettings)
    """How heads are scored."""

    BOUNDS: ClassVar[Bounds] = {
        "length": LETTERS,
        "strings": STRINGS,
        "size_strings": STRINGS,
        "calibration": (300, STRINGS[1]),
    }

    @classmethod
    def tiny(cls) -> "HybridSettings":
        """Few strings: a look at the machinery."""
        return cls(strings=100, size_strings=8, calibration=300, scoring=HeadSettings(longest=4, strings=16))
