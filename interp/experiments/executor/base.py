"""What an executor is: plans in, events out, in whatever order they end."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from interp.experiments.kept import Found
from interp.experiments.plan import RunPlan

ATTEMPTS = 3
"""How often a run is begun whose worker dies; each goes on from the last checkpoint where that can be read."""


@dataclass(frozen=True)
class Started:
    """A run has been given to a worker."""

    plan: RunPlan


@dataclass(frozen=True)
class Ended:
    """A run has ended, well or not."""

    found: Found


Event = Started | Ended
Do = Callable[[RunPlan], Found]
"""Carries a plan out; travels to other processes. `interp.experiments.work.Work` is one."""


@runtime_checkable
class Executor(Protocol):
    """Carries plans out."""

    @property
    def workers(self) -> int:
        """How many run at the same time."""
        ...

    def run(self, plans: Sequence[RunPlan], do: Do) -> Iterator[Event]:
        """Carry out every plan once; one that fails stops no other.

        Args:
            plans: different ones.
            do: carries one out.

        Yields: an event as a run begins and as it ends.
        """
        ...


def lost(plan: RunPlan) -> Found:
    """What is left of a run whose worker died each time."""
    reason = f"its worker died {ATTEMPTS} times: killed, or out of memory."
    return Found(plan.digest, plan, failed=reason, lasting=False)
