"""Which string and which heads a study of attention shows."""

from dataclasses import dataclass, field
from typing import Literal

from interp.base.calls import checked_call
from interp.measure.heads.settings import HeadSettings


@checked_call
@dataclass(frozen=True)
class AttentionSettings:
    """Which string is shown, which heads, and without which. `tiny` is for a look at the machinery, not at a model."""

    prompt: str | None = None
    """The string to copy, of the model's letters; for a pretrained model any text. By default one is drawn."""
    length: int | None = None
    """Letters of the string that is drawn; by default of the longest of training, up to 40."""
    heads: tuple[str, ...] = ()
    """Heads to show, by layer and number (L1H5); by default all."""
    ablate: tuple[str, ...] = ()
    """Heads that a second variant goes without; by default the lookup heads that are found, and in a third one the
    gather heads."""
    kind: Literal["zero", "mean", "mean-per-position", "resample", "edges"] = "mean"
    """How they are ablated."""
    plain: bool = False
    """Do not score the heads: quicker, and the page does not say what they do."""
    headvis: bool = False
    """Also write headvis/, the data tree that HeadVis opens."""
    strings: int = 192
    """Strings on which it is measured what each head costs."""
    scoring: HeadSettings = field(default_factory=HeadSettings)
    """How heads are scored."""

    @classmethod
    def tiny(cls) -> "AttentionSettings":
        """Few strings: a look at the machinery."""
        return cls(strings=24, scoring=HeadSettings(longest=5, strings=16))
