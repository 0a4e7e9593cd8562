"""How much a study of heads measures."""

from dataclasses import dataclass, field
from typing import ClassVar

from interp.base.bounds import LETTERS, STRINGS, Bounds
from interp.base.calls import checked_call
from interp.measure.heads.settings import HeadSettings


@checked_call
@dataclass(frozen=True)
class HeadStudySettings:
    """How much is measured. `tiny` is for a look at the machinery, not at a model."""

    lengths: tuple[int, ...] | None = None
    """Lengths at which accuracy is measured; by default from the trained lengths up to ten times as long."""
    accuracy_strings: int = 128
    """Strings of each length."""
    free_up_to: int = 100
    """Longest strings that are also written freely, each letter read from the model's own output."""
    ideal: tuple[int, ...] = (3, 4, 5, 6)
    """The n of the ideal copiers shown beside the model; its own n is added."""
    heads: HeadSettings = field(default_factory=HeadSettings)
    """How heads are scored."""
    n_strings: int = 96
    """Strings for each point of the two curves of effective n."""
    ablation_strings: int = 192
    """Strings that heads are ablated on."""
    ablation_kind: str = "mean"
    """What an ablated head writes instead: zero, mean, mean-per-position or resample."""
    view_length: int = 24
    """Letters of the string whose attention is shown; at most those of the longest string of training."""

    BOUNDS: ClassVar[Bounds] = {
        "lengths": LETTERS,
        "accuracy_strings": (1, STRINGS[1]),
        "free_up_to": (0, LETTERS[1]),
        "ideal": (1, 1000),
        "n_strings": STRINGS,
        "ablation_strings": STRINGS,
        "view_length": (1, 10_000),
    }

    @classmethod
    def tiny(cls) -> "HeadStudySettings":
        """Few strings: a look at the machinery."""
        heads = HeadSettings(longest=5, strings=16)
        return cls(lengths=(10, 20), accuracy_strings=16, heads=heads, n_strings=16, ablation_strings=24)
