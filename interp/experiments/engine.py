"""Carrying out plans: what is kept is taken, the rest is run, and each end is reported."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from interp.experiments.executor.base import Do, Ended, Event, Executor
from interp.experiments.kept import Found, Record
from interp.experiments.plan import RunPlan

OnEvent = Callable[[Event], None]


def unheard(event: Event) -> None:
    """Tell nobody of an event: the default of `on_event`."""


@dataclass(frozen=True)
class Agenda:
    """Runs to be done, each once, and those that have been done already."""

    plans: tuple[RunPlan, ...]
    """Different runs, in the order in which they were asked for."""
    kept: tuple[Found, ...]
    """Findings of the runs that have ended."""
    left: tuple[RunPlan, ...]
    """Runs that are still to be done."""


def agenda(plans: Sequence[RunPlan], record: Record) -> Agenda:
    """Look up what has been done. Plans that differ in their names alone are one run.

    Raises: as `Record.find`.
    """
    different = {plan.digest: plan for plan in reversed(plans)}
    different = {plan.digest: different[plan.digest] for plan in plans}
    found = {digest: record.find(digest) for digest in different}
    kept = tuple(one for one in found.values() if one is not None)
    return Agenda(tuple(different.values()), kept, tuple(different[d] for d, one in found.items() if one is None))


def carry_out_all(
    plans: Sequence[RunPlan],
    executor: Executor,
    work: Do,
    record: Record,
    on_event: OnEvent = unheard,
) -> dict[str, Found]:
    """Carry out what has not been done, and return what all have found, by digest.

    Args:
        plans: the runs.
        executor: who carries them out.
        work: how.
        record: what is done already, and where what is found goes, whatever machine finds it.
        on_event: told as each begins and ends.

    Raises: KeyboardInterrupt after Ctrl-C: what has ended is kept, what was under way goes on the next time.
    """
    todo = agenda(plans, record)
    found = {one.digest: one for one in todo.kept}
    for event in executor.run(todo.left, work):
        if isinstance(event, Ended):
            ended = event.found
            found[ended.digest] = ended
            if ended.lasting and record.find(ended.digest) is None:
                record.add(ended)
        on_event(event)
    return found
