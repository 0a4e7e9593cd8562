"""How the benchmarks of a CPU take time: contestants in turns, medians of processor time, a limit that is reported.

Processor time is taken because other work on the machine disturbs it less than the clock's; turns, because a machine
that grows slow under one contestant would be held against it.
"""

import multiprocessing
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median
from typing import Any

Run = Callable[[], Any]
INSTALL = ".venv/bin/python -m pip install -c constraints.txt -e '.[benchmark]'"


@dataclass(frozen=True)
class Clock:
    """Seconds that one contestant took, the medians over its rounds."""

    processor: float
    wall: float


def at_hand(name: str, package: str) -> bool:
    """Whether a contestant's package is installed; if not, says that it is left out."""
    if find_spec(package) is not None:
        return True
    print(f"{name} is left out: {package} is not installed. To have it: {INSTALL}")
    return False


def measure(contestants: dict[str, Run], repeats: int) -> dict[str, Clock]:
    """Median seconds of each; they take turns in an order that changes. The first round does not count."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for turn in range(repeats + 1):
        for name in sorted(contestants, reverse=turn % 2 == 1):
            processor, wall = time.process_time(), time.perf_counter()
            contestants[name]()
            times[name].append((time.process_time() - processor, time.perf_counter() - wall))
    medians = {name: [median(clock) for clock in zip(*taken[1:], strict=True)] for name, taken in times.items()}
    return {name: Clock(processor, wall) for name, (processor, wall) in medians.items()}


def measure_within(contestants: dict[str, Run], repeats: int, limit: float) -> dict[str, Clock | None]:
    """As `measure`, but who needs more than `limit` seconds of the clock for one run is None.

    Each is first tried in a process of its own, which is stopped at the limit. It must not have used threads before.
    """
    able = {name: run for name, run in contestants.items() if ends_within(run, limit)}
    times = measure(able, repeats)
    return {name: times.get(name) for name in contestants}


def ends_within(run: Run, limit: float) -> bool:
    """Whether one run ends in time, and without an error."""
    trial = multiprocessing.get_context("fork").Process(target=run)
    trial.start()
    trial.join(limit)
    if trial.exitcode is None:
        trial.kill()
        trial.join()
        return False
    if trial.exitcode:
        raise RuntimeError(f"a contestant failed with exit code {trial.exitcode}; its message stands above.")
    return True


def times_ours(clocks: Mapping[str, Clock | None], name: str, limit: float = 0) -> float | None:
    """How many times our processor time a contestant took: at least, if it was stopped; None if it was left out."""
    own = clocks["ours"]
    assert own is not None
    if name not in clocks:
        return None
    clock = clocks[name]
    return round((limit if clock is None else clock.processor) / own.processor, 3)


def table(title: str, rows: Mapping[str, Mapping[str, Clock | None]], ours: str = "ours", limit: float = 0) -> str:
    """Milliseconds and ratios to ours, one line for each contestant of each part."""
    lines = [f"{title:34}{'':30}{'processor':>11}{'/ ours':>9}{'wall':>11}{'/ ours':>9}"]
    for part, clocks in rows.items():
        own = clocks[ours]
        assert own is not None
        for name, clock in clocks.items():
            if clock is None:
                lines.append(f"{part:34}{name:30}{f'over {limit:.0f} s':>11}")
                continue
            figures = [(clock.processor, own.processor), (clock.wall, own.wall)]
            lines.append(f"{part:34}{name:30}" + "".join(f"{x * 1e3:11.1f}{x / y:9.2f}" for x, y in figures))
    return "\n".join(lines)
