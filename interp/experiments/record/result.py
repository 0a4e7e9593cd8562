"""What was found: each arm's trainings, how far each copies, its margins, and what they had predicted."""

from dataclasses import dataclass
from typing import Annotated, Any

from interp.base.interval import Interval
from interp.results.margins import Limit
from interp.results.record import Result
from interp.studies.study import Verdict


@dataclass(frozen=True)
class Training:
    """One trained copier, measured."""

    arm: str
    seed: int
    n_parameters: int
    cpu_seconds: float | None
    """Processor time of its training; None if it was kept from before."""
    lookups: tuple[str, ...]
    """Heads that look letters up (`run.lookups.lookup_heads`)."""
    lengths: Annotated[tuple[int, ...], "measured"]
    strings: Annotated[tuple[int, ...], "measured"]
    """Strings of each length."""
    right: Annotated[tuple[int, ...], "measured"]
    """How many of them were copied whole."""
    interval: Annotated[tuple[Interval, ...], "measured"]
    """95 % interval of their share."""
    first_errors: tuple[tuple[int, ...], ...]
    """Letters of each length (counted from 0) at which the others went wrong."""
    least_margins: Annotated[tuple[float, ...], "margin"]
    """Margin below which one letter in a thousand lies, in the best head."""
    margin_lengths: Annotated[tuple[int, ...], "margin"]
    predicted: Limit | None
    """What the margins said before; None where it is not known how many letters the heads match, where these are not
    fewer than the letters of the shortest strings with margins, or where a head that looks backwards matches one."""
    learning_rate: float | None = None
    """Peak of its learning rate where one was asked for; None: its recipe's."""

    @property
    def inside(self) -> int | None:
        """Number of predicted lengths at which the measured share's interval meets the predicted one."""
        if self.predicted is None:
            return None
        return sum(
            low <= b and a <= high for (low, high), (a, b) in zip(self.predicted.interval, self.interval, strict=True)
        )


@dataclass(frozen=True)
class RecordResult(Result):
    """Copiers trained on short strings, followed to the length at which they stop."""

    verdict: Verdict
    provenance: dict[str, Any]
    arms: dict[str, str]
    """Arm -> what distinguishes it, and what it was trained on."""
    trained: tuple[int, int]
    """Shortest and longest strings of training, in the first arm."""
    examples: int
    """Strings of each of its trainings."""
    alphabet: int
    """Letters of its task."""
    trainings: tuple[Training, ...]
