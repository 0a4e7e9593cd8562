"""`Phase`: what the strings of a training are from some step on."""

from dataclasses import dataclass

from interp.base.codec import checked
from interp.base.errors import UserError, shown

MOST = 2**31 - 1
"""The largest count that a recipe may hold."""
HardLetters = int | tuple[int, ...] | None
"""Letters of hard strings: one number, several of which each string draws one, or None: there are no hard strings."""


@checked
@dataclass(frozen=True)
class Phase:
    """What changes from a step on; until the next phase, or the end.

    >>> Phase(350, length=(8, 64), hard_letters=(2, 3, 4))

    Raises: UserError for a number out of bounds.
    """

    begin: int
    """Its first step; where there are fewer, the training ends before it."""
    length: int | tuple[int, int]
    """Letters per string, or (shortest, longest)."""
    hard_letters: HardLetters = None
    """Same as in `TrainConfig`."""
    rate: float = 1.0
    """What the learning rate is multiplied by."""

    def __post_init__(self) -> None:
        if not 1 <= self.begin <= MOST:
            raise UserError(f"begin of a phase must be a step from 1 to {MOST}; got {shown(self.begin)}.")
        if not 0 < self.rate < float("inf"):
            raise UserError(f"rate of a phase must be a finite number above 0; got {shown(self.rate)}.")
        check_length(self.length)
        check_hard_letters(self.hard_letters)

    @property
    def lengths(self) -> tuple[int, int]:
        """Shortest and longest length."""
        return span(self.length)


def span(length: int | tuple[int, int]) -> tuple[int, int]:
    """A length, or a range of lengths, as (shortest, longest)."""
    return (length, length) if isinstance(length, int) else length


def check_length(length: int | tuple[int, int]) -> None:
    """Raises: UserError for lengths that no strings have."""
    low, high = span(length)
    if not 1 <= low <= high <= MOST:
        raise UserError(f"length must be a number of letters from 1 to {MOST}, or (shortest, longest); got {length}.")


def check_hard_letters(letters: HardLetters) -> None:
    """Raises: UserError for numbers of letters over which no string is hard."""
    sizes = letters if isinstance(letters, tuple) else (letters,)
    if letters is not None and not (sizes and all(size is not None and 2 <= size <= MOST for size in sizes)):
        raise UserError(f"hard_letters must be an integer from 2 to {MOST}, or a list of them; got {shown(letters)}.")
