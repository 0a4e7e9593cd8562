"""How many strings probes are fitted and tested on; apart, so that command lines show it without importing torch."""

from dataclasses import dataclass
from typing import ClassVar

from interp.base.bounds import STRINGS, Bounds
from interp.base.calls import checked_call
from interp.base.errors import UserError

EACH = 4
"""Training strings per letter, at least."""


@checked_call
@dataclass(frozen=True)
class ProbeSettings:
    """How many strings probes are fitted on; different ones for each purpose and each length."""

    train: int = 2048
    """Strings that the probes are trained on."""
    temper: int = 1024
    """Strings that choose each probe's penalty, temperature and mixture with the uniform distribution."""
    test: int = 1024
    """Strings that the probes are tested on."""
    by_layer: bool = True
    """Whether probes also read single layers."""
    joint: bool = True
    """Whether letters are also read jointly: each given the letters before it."""

    BOUNDS: ClassVar[Bounds] = {"train": STRINGS, "temper": STRINGS, "test": STRINGS}

    @classmethod
    def tiny(cls) -> "ProbeSettings":
        return cls(train=128, temper=64, test=64)

    @property
    def strings(self) -> tuple[int, int, int]:
        return self.train, self.temper, self.test

    def check(self, alphabet: int) -> None:
        """Raises: UserError for too few strings."""
        if self.train < EACH * alphabet or min(self.temper, self.test) < max(2, alphabet):
            raise UserError(
                f"train must be at least {EACH * alphabet} strings for probes of {alphabet} letters, temper and "
                f"test at least {alphabet} each; got {self.train}, {self.temper} and {self.test}."
            )
