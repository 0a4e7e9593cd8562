"""A process that has imported everything, as a user's would, and forks a child for each attempt.

A start of Python with torch takes seconds, a fork milliseconds. The children run without the tests' checks of
annotations (those would refuse first what the package must refuse), with bounds on memory and time, and under an audit
hook that notes every request and every program that is started.
"""

import contextlib
import os
import pickle
import resource
import select
import signal
import struct
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

MOST_SECONDS = 60
MOST_BYTES = 6 * 2**30
TRIES = 3
"""A fork of a process in which torch has computed may lock up, once in thousands, and a crowded machine may kill for
memory: what hangs or is killed each time is the package's doing."""
REQUESTS = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "urllib.Request")
PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "pty.spawn")
OURS = ("git",)
"""Programs that the package starts itself: provenance asks git for the commit."""


@dataclass
class Ended:
    """How a child ended."""

    code: int | None = None
    """The code of a `SystemExit`; 0 where the attempt returned."""
    signal: int | None = None
    value: Any = None
    """What the attempt returned."""
    error: tuple[str, ...] = ()
    """Names of the classes of what was raised, the nearest first."""
    said: str = ""
    """Its message."""
    where: str = ""
    """Its traceback."""
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0
    """Processor time."""
    peak: int = 0
    """Bytes of memory."""
    hung: bool = False
    noted: list[str] = field(default_factory=list)
    """Requests, and programs that were started."""

    @property
    def refused(self) -> bool:
        """Whether it ended in a sentence of the package."""
        return "InterpError" in self.error

    def faults(self) -> list[str]:
        """What must never happen, whatever was tried."""
        found = [f"{'hung' if self.hung else 'killed'} by signal {self.signal}"] if self.signal else []
        found += [f"{self.peak >> 20} MiB of memory"] if self.peak > MOST_BYTES else []
        found += [f"asked for {what}" for what in self.noted]
        found += ["a traceback"] if "Traceback (most recent" in self.stderr else []
        return found

    def leaks(self) -> list[str]:
        """List what is wrong with a call from Python, which may raise what the package raises and nothing else."""
        found = self.faults()
        if self.error and not self.refused:
            found.append(f"{self.error[0]}: {self.said[:200]}\n{self.where}")
        if self.refused and len(self.said) > 1500:
            found.append(f"a sentence of {len(self.said)} letters")
        return found


class Nursery:
    """`nursery(function, *arguments)` runs a function of a module in a child and says how it ended."""

    def __init__(self) -> None:
        # Nothing of the tests' environment that a user's would not have, but no threads beside the one that forks.
        command = [sys.executable, "-W", "ignore", "-m", "tests.reliability.nursery"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, function: Callable[..., Any], *arguments: Any, seconds: float = MOST_SECONDS) -> Ended:
        assert self.process.stdin is not None and self.process.stdout is not None
        name = f"{function.__module__}:{function.__qualname__}"
        ended = Ended()
        for _ in range(TRIES):
            _send(self.process.stdin, (name, arguments, seconds))
            ended = _receive(self.process.stdout)
            if not ended.hung and ended.signal != signal.SIGKILL:
                break
            print(f"{name}{arguments}: {ended.faults()} {ended.stderr[-2000:]}")
        return ended

    def close(self) -> None:
        """End the process."""
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        self.process.wait(60)


def _send(stream: Any, value: Any) -> None:
    content = pickle.dumps(value)
    stream.write(struct.pack("<q", len(content)) + content)
    stream.flush()


def _receive(stream: Any) -> Any:
    length = stream.read(8)
    if len(length) < 8:
        raise EOFError
    return pickle.loads(stream.read(struct.unpack("<q", length)[0]))


# ---------------------------------------------------------------------- in the process that forks


def serve() -> None:
    """Fork a child for each attempt that comes in."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    _import_everything()
    while True:
        try:
            name, arguments, seconds = _receive(requests)
        except EOFError:
            return
        _send(answers, _attempt(resolve_name(name), arguments, seconds))


def _import_everything() -> None:
    import importlib

    for name in ("interp.cli.entry", "interp.studies.ablation.run", "interp.studies.attention.run"):
        importlib.import_module(name)
    for name in ("interp.studies.heads.run", "interp.studies.state.run", "interp.experiments.state_growth.run"):
        importlib.import_module(name)
    import torch

    from tests.reliability.calls import right_calls

    torch.set_num_threads(1)
    right_calls()  # made once, for all children


def _attempt(function: Callable[..., Any], arguments: tuple[Any, ...], seconds: float) -> Ended:
    folder = Path(tempfile.mkdtemp(prefix="attempt-"))
    try:
        (folder / "work").mkdir()
        child = os.fork()
        if not child:
            _be_a_child(function, arguments, folder)
        handle = os.pidfd_open(child)
        hung = not select.select([handle], [], [], 3 * seconds)[0]  # by the clock: the machine may be busy
        if hung:
            os.kill(child, signal.SIGKILL)
        _, status, used = os.wait4(child, 0)
        os.close(handle)
        with contextlib.suppress(ProcessLookupError):  # what it started and left
            os.killpg(child, signal.SIGKILL)
        ended = Ended()
        with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
            ended = pickle.loads((folder / "ended").read_bytes())
        ended.signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        ended.hung = hung or ended.signal == signal.SIGXCPU
        ended.seconds, ended.peak = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024
        for name in ("stdout", "stderr"):
            setattr(ended, name, (folder / name).read_text(errors="backslashreplace"))
        return ended
    finally:
        subprocess.run(["rm", "-rf", folder], check=False)  # Python's own calls itself for each of a thousand levels


def _be_a_child(function: Callable[..., Any], arguments: tuple[Any, ...], folder: Path) -> None:
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (2 * MOST_BYTES, 2 * MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    for name, number in (("stdout", 1), ("stderr", 2)):
        os.dup2(os.open(folder / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND), number)
    sys.stdout, sys.stderr = (open(n, "w", encoding="utf-8", closefd=False) for n in (1, 2))  # noqa: SIM115
    os.chdir(folder / "work")
    ended = Ended()
    parent = os.getpid()
    sys.addaudithook(lambda event, values: _note(event, values, ended))
    try:
        ended.value = function(*arguments)
        ended.code = 0
    except SystemExit as left:
        ended.code = left.code if isinstance(left.code, int) else 0 if left.code is None else 1
    except BaseException as error:
        ended.error = tuple(kind.__name__ for kind in type(error).__mro__)
        ended.said = str(error)
        ended.where = "".join(traceback.format_exception(error)[-8:])
    finally:
        try:
            _lift_limits()
            if os.getpid() == parent:
                os.chdir("/")
                (folder / "ended").write_bytes(_pickled(ended))
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
        finally:
            os._exit(0)


def _lift_limits() -> None:
    """Those that an attempt has set: its end must be written."""
    for limit in (resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_AS):
        most = resource.getrlimit(limit)[1]
        resource.setrlimit(limit, (most, most))


def _pickled(ended: Ended) -> bytes:
    try:
        return pickle.dumps(ended)
    except Exception:
        ended.value = repr(ended.value)[:500]
        return pickle.dumps(ended)


def _note(event: str, values: tuple[Any, ...], ended: Ended) -> None:
    if event in REQUESTS:
        ended.noted.append(f"{event} {values[1:]!r}"[:200])
        raise ConnectionRefusedError("the attack allows no request")
    if event in PROGRAMS and Path(str(values[0])).name not in OURS:
        ended.noted.append(f"{event} {values[:2]!r}"[:200])


@contextlib.contextmanager
def nursery() -> Iterator[Nursery]:
    """A nursery that ends with the `with`."""
    here = Nursery()
    try:
        yield here
    finally:
        here.close()


if __name__ == "__main__":
    from tests.reliability.nursery import serve as serve_as_a_module  # so that what is pickled has one name

    serve_as_a_module()
