"""The ground truth of a planted model: what each of its heads was built to do, and what the whole does."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["lookup", "suppressor", "finder", "copier", "gather", "marker", "decoy", "zero", "random"]
"""lookup      attends to the place after the match, and copies the letter there
suppressor  attends to it, and takes the letter there away
finder      attends to the match, and writes where it is, for a lookup head that goes there
copier      copies by position or by counting
gather      brings letters further back to where a lookup head reads them
marker      finds the separator for another head
decoy       does something that nothing reads, or that is not copying"""
Copies = Literal["copies", "suppresses", "no"]
Carries = Literal["alone", "together", "no"]
"""Whether the answer loses something if a head's edges to the source are cut: of it alone; only of all such heads
together (each can stand in for the others); or never."""
Preference = Literal["first", "last"]
Use = Literal["all", "part", "spare", "none"]
"""Whether looking up is how a model copies: wholly; partly; not needed, since something else copies as well; or not at
all, since nothing reads it."""


@dataclass(frozen=True)
class PlantedHead:
    """What one head was built to do.

    >>> model, planting = interp.planted_copier(n=2)
    >>> planting.with_role("lookup")[0].name
    'L1H3'
    """

    layer: int
    head: int
    window: int | None
    """How many positions it sees, itself included; None: all."""
    role: Role
    n: int | None = None
    """How many letters a head matches that matches the last n and no others."""
    offsets: tuple[int, ...] = ()
    """Which of the tokens 1, ..., n places back a gather head helps to write."""
    decoy: str | None = None
    """Name of a decoy."""
    matches: tuple[int, ...] = ()
    """Letters back that must agree, for a head that attends by a match."""
    attends: bool = False
    """Whether it attends to the place after the match, from which the answer is copied."""
    ordered: bool = True
    """Whether the order of the letters that must agree counts."""
    prefers: Preference | None = None
    """Which of two equal matches it prefers."""
    tilt: float = 0.0
    """Nats by which it prefers one for each position between them; above 0 the later one."""
    copies: Copies = "no"
    carries: Carries = "no"

    @property
    def name(self) -> str:
        return f"L{self.layer}H{self.head}"


@dataclass(frozen=True)
class Planting:
    """The ground truth of a planted model; accuracies are worked out from its description, on strings of `lengths`.

    >>> model, planting = interp.planted_copier(n=2)
    >>> [head.offsets for head in planting.with_role("gather")]
    [(1,), (1, 2), (2,)]
    """

    n: int | None
    """How many last letters it looks up; None where it looks none up, or others than the last."""
    alphabet: int
    heads: tuple[PlantedHead, ...]
    """Every head of the model, layer by layer."""
    offsets: tuple[int, ...] = ()
    """Which letters back decide where it looks its answer up."""
    ordered: bool = True
    use: Use | None = None
    """Whether looking up is how it copies; None where no head looks up."""
    lengths: tuple[int, int] = (24, 32)
    string_accuracy: float = 1.0
    letter_accuracy: float = 1.0
    letters_without: float | None = None
    """Letter accuracy with the edges of all lookup heads to the source cut."""
    norm_spread: float = 0.0
    """Largest share by which a norm changes scores from key to key."""

    def with_role(self, role: Role) -> tuple[PlantedHead, ...]:
        return tuple(head for head in self.heads if head.role == role)

    @property
    def feeding(self) -> tuple[PlantedHead, ...]:
        """Gather heads that bring a letter which a lookup head matches, at a query or, one further back, at a key.

        Others gather for heads that attend by a match and do not copy: no lookup head changes without them.
        """
        read = {at for head in self.with_role("lookup") for t in head.matches for at in (t, t + 1)}
        return tuple(head for head in self.with_role("gather") if read & {*head.offsets})
