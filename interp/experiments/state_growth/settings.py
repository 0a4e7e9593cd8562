"""Which family is trained, how, and how it is measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from interp.base.bounds import STRINGS, Bounds


@dataclass(frozen=True)
class GrowthSettings:
    """Which family, how it is trained, how it is measured. `tiny` is for a look at the machinery."""

    kind: str = "mamba"
    """Kind of model: a recurrent family such as mamba, gla or lstm, or a preset with layers of one and of attention,
    such as hybrid. What is not varied comes from the preset of that name or, if there is none, from the defaults of its
    config."""
    vary: str = "d_state"
    """The field of its config in which the members differ: d_state, d_key, d_model, n_layers, ...; of a hybrid's
    recurrent layers, mamba.d_state."""
    values: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    """Values of what varies, one for each member. These reach a plateau; from 8 on, these Mambas use more bits if they
    are trained on longer strings."""
    others: Mapping[str, Any] = field(default_factory=dict)
    """Fields of its config that all members share, where they are not those of the kind's preset. Of Mamba these have
    mimetic first weights: from the authors' some trainings never begin to copy, whatever the size."""
    rates: tuple[float, ...] = (0.004, 0.008)
    """Learning rates that each member is trained at."""
    seeds: int = 2
    """Trainings at each rate; the best of all is measured, since the question is what the state can hold."""
    steps: int = 1200
    """Steps of each training."""
    batch: int = 64
    """Strings of each step."""
    longest: int = 24
    """Letters of the longest strings of training; the shortest have one. Up to 16, the larger of these Mambas copy
    nearly all, so that their bits do not stop."""
    strings: int = 512
    """Strings of each length that is measured."""
    alphabet: int = 26
    """Letters that strings are drawn from."""

    BOUNDS: ClassVar[Bounds] = {
        "values": (1, 1_000_000),
        "rates": (1e-12, 1e3),
        "seeds": (1, 1000),
        "steps": (1, 10_000_000),
        "batch": (1, 1_000_000),
        "longest": (1, 10_000),
        "strings": STRINGS,
        "alphabet": (2, 100_000),
    }

    @classmethod
    def tiny(cls) -> "GrowthSettings":
        """Two members, a few steps, few strings: a look at the machinery."""
        return cls(values=(1, 2), rates=(0.01,), seeds=1, steps=8, longest=6, strings=16)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Measured lengths: every second one."""
        return tuple(range(2, self.longest + 1, 2))
