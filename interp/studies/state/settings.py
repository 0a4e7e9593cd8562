"""How much a study of a state measures."""

from dataclasses import dataclass, field
from typing import ClassVar

from interp.base.bounds import LETTERS, STRINGS, Bounds
from interp.base.calls import checked_call
from interp.measure.state.probe_settings import ProbeSettings


@checked_call
@dataclass(frozen=True)
class SaturationSettings:
    """How much is measured. `tiny` is for a look at the machinery, not at a model."""

    lengths: tuple[int, ...] | None = None
    """Letters of the strings; by default from a sixth of the longest trained length to four times as many."""
    accuracy_strings: int = 256
    """Strings of each length whose answers are scored, teacher-forced and free-running."""
    used_strings: int = 512
    """Strings of each length that bits used are measured on."""
    probes: ProbeSettings = field(default_factory=ProbeSettings)
    """How the probes of the bits held are fitted."""
    movie_probes: ProbeSettings = field(default_factory=lambda: ProbeSettings(train=1024, temper=512, test=256))
    """How the probes of the string that is watched step by step are fitted."""
    size_strings: int = 128
    """Strings of each length whose state is quantised and projected."""
    geometry_strings: int = 512
    """Strings of each length from whose states rank and norm are computed."""
    remembrance_strings: int = 64
    """Strings of each length in which letters are replaced, one at a time."""
    pairs: int = 128
    """Pairs of donor and host for the transplants; strings for the ablations."""
    ablations: tuple[str, ...] = ("zero", "mean", "resample")
    """What replaces the part of the state that is ablated: zero, mean, resample."""

    BOUNDS: ClassVar[Bounds] = {
        "lengths": LETTERS,
        "accuracy_strings": (1, STRINGS[1]),
        "used_strings": STRINGS,
        "size_strings": STRINGS,
        "geometry_strings": (4, STRINGS[1]),
        "remembrance_strings": STRINGS,
        "pairs": STRINGS,
    }

    @classmethod
    def tiny(cls) -> "SaturationSettings":
        """Few strings, three lengths: a look at the machinery."""
        return cls(
            lengths=(2, 4, 8),
            accuracy_strings=16,
            used_strings=32,
            probes=ProbeSettings.tiny(),
            movie_probes=ProbeSettings.tiny(),
            size_strings=16,
            geometry_strings=32,
            remembrance_strings=8,
            pairs=8,
            ablations=("mean",),
        )
