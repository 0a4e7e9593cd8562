"""Several runs at a time, in processes of this machine; one that is killed takes no run with it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import BaseContext

from interp.base.errors import UserError
from interp.experiments.executor.base import ATTEMPTS, Do, Ended, Event, Started, lost
from interp.experiments.kept import Found
from interp.experiments.plan import RunPlan


@dataclass(frozen=True)
class Processes:
    """Carries plans out in so many processes. Raises: UserError for less than one."""

    workers: int = 2

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise UserError(f"workers must be an integer from 1 on; got {self.workers}.")

    def run(self, plans: Sequence[RunPlan], do: Do) -> Iterator[Event]:
        """Carry out every plan; see `Executor.run`. A plan whose process died is begun anew in another."""
        waiting, begun = list(plans), Counter[str]()
        while waiting:
            # A dead process breaks its whole pool: what it had in hand is given to the next one.
            again: list[RunPlan] = []
            with ProcessPoolExecutor(self.workers, mp_context=_context()) as pool:
                running: dict[Future[Found], RunPlan] = {}
                broken = False
                while running or (waiting and not broken):
                    while waiting and not broken and len(running) < self.workers:
                        plan = waiting.pop(0)
                        begun[plan.digest] += 1
                        running[pool.submit(do, plan)] = plan
                        yield Started(plan)
                    for done in wait(running, return_when=FIRST_COMPLETED).done:
                        plan = running.pop(done)
                        try:
                            yield Ended(done.result())
                        except BrokenProcessPool:
                            broken = True
                            if begun[plan.digest] < ATTEMPTS:
                                again.append(plan)
                            else:
                                yield Ended(lost(plan))
            waiting = [*again, *waiting]


def _context() -> BaseContext:
    """How processes begin: as copies of one that has imported what a run needs, where the system knows such."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(["interp.experiments.work"])
    return context
