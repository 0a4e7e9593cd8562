"""How much a study of writing backwards measures."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from interp.base.bounds import STRINGS, Bounds
from interp.base.calls import checked_call
from interp.measure.heads.settings import HeadSettings


@checked_call
@dataclass(frozen=True)
class BackwardsSettings:
    """How much is measured. `tiny` is for a look at the machinery, not at a model."""

    length: int | None = None
    """Letters per string, at least 2 more than twice the longest match; by default the longest of training, else 24 or
    as many as that takes."""
    strings: int = 200
    """Strings that are written with heads and without."""
    kind: Literal["zero", "mean", "mean-per-position", "resample"] = "mean"
    """What a head does instead: write nothing; its mean output, over strings and positions or over strings alone; or
    what it writes on another string."""
    scoring: HeadSettings = field(default_factory=HeadSettings)
    """How heads are found."""

    BOUNDS: ClassVar[Bounds] = {"length": (4, 1_000_000), "strings": STRINGS}

    @classmethod
    def tiny(cls) -> "BackwardsSettings":
        """Few strings: a look at the machinery."""
        return cls(length=16, strings=20, scoring=HeadSettings(longest=4, strings=16))
