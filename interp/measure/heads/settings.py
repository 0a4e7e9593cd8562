"""How heads are scored: a module of its own, so that command lines can show the settings without importing torch."""

from dataclasses import dataclass
from typing import ClassVar

from interp.base.bounds import STRINGS, Bounds
from interp.base.calls import checked_call


@checked_call
@dataclass(frozen=True)
class HeadSettings:
    """How heads are scored and what counts."""

    longest: int = 8
    """Longest planted match; a head with a greater n cannot be told from one that goes by position."""
    strings: int = 96
    """Probes for each match length 0, ..., `longest`."""
    level: float = 0.05
    """Corrected level at which a head is flagged (false discovery rate over all heads of its kind in the model)."""
    floor: float = 0.1
    """Least attention above chance that counts as an effect; the interval's lower end must lie above it."""
    gather_floor: float = 0.25
    """Least relative change of a lookup head's scores that makes an earlier head a gather head. In planted copiers up
    to n = 6 the least is 0.3; in trained ones, heads that carry no letter reach 0.2."""
    alike: float = 0.75
    """A rival that draws at least this share of the true place's attention counts as not distinguished from it."""
    untrained: int | None = None
    """Untrained models for the null; by default 1 / `level`, the fewest with which one head alone can be flagged."""

    BOUNDS: ClassVar[Bounds] = {
        "longest": (1, 256),
        "strings": STRINGS,
        "level": (0.001, 0.999),  # it takes 1 / level untrained models
        "floor": (0.0, 1.0),
        "gather_floor": (0.0, 1e6),
        "alike": (0.01, 1.0),
        "untrained": (1, 10_000),
    }

    @property
    def null_draws(self) -> int:
        return self.untrained if self.untrained is not None else round(1 / self.level)
