"""One run after the other, in this process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from interp.experiments.executor.base import Do, Ended, Event, Started
from interp.experiments.plan import RunPlan


@dataclass(frozen=True)
class Serial:
    """Carries plans out in their order."""

    workers: int = 1

    def run(self, plans: Sequence[RunPlan], do: Do) -> Iterator[Event]:
        """Carry out every plan; see `Executor.run`."""
        for plan in plans:
            yield Started(plan)
            yield Ended(do(plan))
