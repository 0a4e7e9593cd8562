"""Which string and which heads a study of attention shows."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from interp.base.bounds import LETTERS, STRINGS, Bounds
from interp.base.calls import checked_call
from interp.measure.heads.settings import HeadSettings


@checked_call
@dataclass(frozen=True)
class AttentionSettings:
    """Which string and heads are shown, and which heads are ablated. `tiny` is for a look at the machinery, not at a
    model."""

    prompt: str | None = None
    """The string to copy, in the model's letters; for a pretrained model any text. By default a string is drawn."""
    length: int | None = None
    """Letters of the string that is drawn; by default as many as the longest of training, up to 40."""
    heads: tuple[str, ...] = ()
    """Heads to show, by layer and number (L1H0); by default all."""
    ablate: tuple[str, ...] = ()
    """Heads that are ablated in a second variant; by default the lookup heads that are found, and in a third variant
    the gather heads."""
    kind: Literal["zero", "mean", "mean-per-position", "resample", "edges"] = "mean"
    """How they are ablated."""
    plain: bool = False
    """Do not score the heads: quicker, but the page does not say what they do."""
    headvis: bool = False
    """Also write headvis/, the data tree that HeadVis opens."""
    examples: int = 0
    """Also write examples.html: so many strings, those that the model gets wrong, planted repeats, and even steps of a
    head's score (10 are about a megabyte; 0: none)."""
    strings: int = 192
    """Strings on which the cost of ablating each head is measured."""
    scoring: HeadSettings = field(default_factory=HeadSettings)
    """How heads are scored."""

    BOUNDS: ClassVar[Bounds] = {"length": LETTERS, "strings": STRINGS, "examples": (0, 40)}

    @classmethod
    def tiny(cls) -> "AttentionSettings":
        """Few strings: a look at the machinery."""
        return cls(strings=24, scoring=HeadSettings(longest=5, strings=16))
