"""Runs as tasks of Ray (an extra, `pip install 'interp[ray]'`), on this machine or a cluster."""

import logging
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from interp.base.errors import InterpError, UserError
from interp.experiments.executor.base import ATTEMPTS, Do, Ended, Event, Started, lost
from interp.experiments.kept import Found
from interp.experiments.plan import RunPlan

PATIENCE = 20
"""Seconds after which a cluster that does not answer is given up."""


@dataclass(frozen=True)
class OnRay:
    """Carries plans out as tasks of Ray, each with its own share of CPUs and GPUs.

    A task whose worker dies is begun anew, by Ray, up to three times in all. Use as a context: leaving it lets go of
    the cluster, and ends one that was started here.
    """

    address: str | None = None
    """Address of a cluster, such as `ray://HOST:10001` or `auto`; None starts one on this machine."""
    workers: int = 2
    """CPUs of a cluster that is started here; runs at the same time on any."""
    cpus: float = 1.0
    """CPUs of a run."""
    gpus: float = 0.0
    """GPUs of a run, which may be a share of one."""

    def run(self, plans: Sequence[RunPlan], do: Do) -> Iterator[Event]:
        """Carry out every plan; see `Executor.run`.

        Raises: UserError where Ray is not installed, or a cluster that does not answer or lacks this package.
        """
        ray = _ray()
        _connect(ray, self)
        try:
            _check_package(ray, self.cpus)
            remote = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=ATTEMPTS - 1)(_carry)
            waiting, running = list(plans), {}
            while waiting or running:
                while waiting and len(running) < self.workers:
                    plan = waiting.pop(0)
                    running[remote.remote(do, plan)] = plan
                    yield Started(plan)
                done, _ = ray.wait(list(running), num_returns=1)
                for reference in done:
                    yield Ended(_result(ray, reference, running.pop(reference)))
        finally:
            ray.shutdown()


def _carry(do: Do, plan: RunPlan) -> Found:
    return do(plan)


def _result(ray: Any, reference: Any, plan: RunPlan) -> Found:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        return Found(plan.digest, plan, failed=str(error.cause or error).splitlines()[-1], lasting=False)
    except ray.exceptions.RayError:
        return lost(plan)


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise UserError("Ray must be installed to run on it; got none here. Run pip install 'interp[ray]'.") from error
    return ray


def _connect(ray: Any, executor: OnRay) -> None:
    if executor.address is None:
        _start(ray, executor.workers)
        return
    try:
        _knock(executor.address)
        ray.init(address=executor.address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, OverflowError, OSError) as error:
        first = str(error).strip().splitlines()
        raise UserError(
            f"--ray-address must be a cluster that answers; got {executor.address} "
            f"({first[0][:120] if first else type(error).__name__}). Start one with ray start --head."
        ) from error


def _start(ray: Any, workers: int) -> None:
    """Start a cluster on this machine. On a busy one Ray's own parts can miss each other: it is tried again.

    Raises: InterpError if it does not start.
    """
    for attempt in range(ATTEMPTS):
        try:
            ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # Ray raises plain ones here
            ray.shutdown()
            if attempt == ATTEMPTS - 1:
                first = (str(error).splitlines() or [type(error).__name__])[0][:120]
                raise InterpError(
                    f"Ray must start on this machine; got an error ({first}). Run without it: --workers 2."
                ) from error
        else:
            return


def _knock(address: str) -> None:
    """Raises: OSError where nothing listens: Ray itself would wait for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()


def _check_package(ray: Any, cpus: float) -> None:
    """Raises: UserError for workers that cannot import this package; InterpError for another version there."""
    from interp import __version__

    try:
        there = ray.get(ray.remote(num_cpus=cpus)(_version).remote())
    except ray.exceptions.RayError as error:  # the function is known by its name, which nobody there knows
        raise UserError(
            "the workers of the cluster must have this package; got none there. Install interp on them."
        ) from error
    if there != __version__:
        raise InterpError(f"the workers of the cluster must have interp {__version__}, as here; got {there}.")


def _version() -> str:
    """The version of this package, wherever this runs."""
    from interp import __version__

    return __version__
