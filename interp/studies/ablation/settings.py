"""Which heads a study of ablations ablates, how, and on which strings."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from interp.base.bounds import LETTERS, STRINGS, Bounds
from interp.base.calls import checked_call
from interp.measure.heads.settings import HeadSettings


@checked_call
@dataclass(frozen=True)
class AblationSettings:
    """Which heads are ablated, and how. `tiny` is for a look at the machinery, not at a model."""

    heads: tuple[str, ...] = ()
    """Heads by name, layer and head counted from 0: L1H0 L0H4. By default the lookup heads that are found, and
    the heads that attend to the source and have no role."""
    kind: Literal["zero", "mean", "mean-per-position", "resample", "edges"] = "mean"
    """What a head does instead: write nothing; its mean output, over strings and positions or over strings alone; what
    it writes on another string; or attend anywhere but to the match (attention knockout)."""
    length: int | None = None
    """Letters per string; by default as in training, else 30."""
    strings: int = 200
    """How many strings, at least 2."""
    view_length: int = 24
    """Most letters of the string whose attention is shown."""
    scoring: HeadSettings = field(default_factory=HeadSettings)
    """How heads are scored first, so that no head with a role serves as a control."""

    BOUNDS: ClassVar[Bounds] = {"length": LETTERS, "strings": STRINGS, "view_length": (1, 10_000)}

    @classmethod
    def tiny(cls) -> "AblationSettings":
        """Few strings: a look at the machinery."""
        return cls(strings=20, scoring=HeadSettings(longest=5, strings=16))
