"""The ground truth of a planted model: what each of its heads was built to do."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["lookup", "gather", "decoy", "zero", "random"]


@dataclass(frozen=True)
class PlantedHead:
    """What one head was built to do."""

    layer: int
    head: int
    window: int | None
    """How many positions it sees, itself included; None: all."""
    role: Role
    n: int | None = None
    """Of a lookup head: how many letters it matches."""
    offsets: tuple[int, ...] = ()
    """Of a gather head: which of the tokens 1, ..., n places back it helps to write."""
    decoy: str | None = None
    """Of a decoy: its name."""

    @property
    def name(self) -> str:
        return f"L{self.layer}H{self.head}"


@dataclass(frozen=True)
class Planting:
    """The ground truth of a planted copier."""

    n: int
    alphabet: int
    heads: tuple[PlantedHead, ...]
    """Every head of the model, layer by layer."""

    def with_role(self, role: Role) -> tuple[PlantedHead, ...]:
        return tuple(head for head in self.heads if head.role == role)
