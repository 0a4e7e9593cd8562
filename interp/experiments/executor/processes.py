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
        # A dead process breaks its whole pool: each has one of its own, so that it is known which run it died of.
        free = [_pool() for _ in range(min(self.workers, len(waiting)))]
        running: dict[Future[Found], tuple[RunPlan, ProcessPoolExecutor]] = {}
        try:
            while waiting or running:
                while waiting and free:
                    plan, pool = waiting.pop(0), free.pop()
                    begun[plan.digest] += 1
                    running[pool.submit(do, plan)] = plan, pool
                    yield Started(plan)
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    plan, pool = running.pop(done)
                    try:
                        yield Ended(done.result())
                    except BrokenProcessPool:
                        pool.shutdown()
                        pool = _pool()
                        if begun[plan.digest] < ATTEMPTS:
                            waiting.insert(0, plan)
                        else:
                            yield Ended(lost(plan))
                    free.append(pool)
        finally:
            for pool in [*free, *(pool for _, pool in running.values())]:
                pool.shutdown()


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=_context())


def _context() -> BaseContext:
    """How processes begin: as copies of one that has imported what a run needs, where the system knows such."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(["interp.experiments.work"])
    return context
