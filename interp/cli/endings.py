"""How a command ends: done, refused in a sentence, interrupted, out of memory; what is left is a bug with a traceback.

| exit code | means |
|---|---|
| 0 | done |
| 1 | something went wrong that is not the caller's mistake |
| 2 | the caller's mistake |
| 129, 130, 143 | ended by SIGHUP, by Ctrl-C, by SIGTERM: 128 and the signal's number, as shells report it |
"""

import errno
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from interp.base.errors import InterpError
from interp.cli.streams import lasting_streams

ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Signals by which a cluster, a container or a closed window ends a process."""
OF_THE_MACHINE = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EMFILE,
    errno.ENFILE,
    errno.EIO,
)
"""Errors of files that no code of ours can cause."""


def end(work: Callable[[], object]) -> NoReturn:
    """Do the work, and leave with the exit code of how it ended and at most a sentence on stderr."""
    with lasting_streams():
        code = _code(work)
    sys.exit(code)


def _code(work: Callable[[], object]) -> int:
    with ends_as_ctrl_c() as received:
        try:
            work()
        except InterpError as error:
            return _said(str(error), error.exit_code)
        except KeyboardInterrupt as interrupt:
            number = received[0] if received else signal.SIGINT
            return _said(f"Interrupted. {interrupt}".rstrip(), 128 + number)
        except OSError as error:
            if error.errno not in OF_THE_MACHINE:
                raise
            where = f"{error.filename} cannot be used" if error.filename else "a file cannot be used"
            return _said(f"{where} ({str(error.strerror).lower()}).", InterpError.exit_code)
        except (MemoryError, RuntimeError) as error:
            if not _lacks_memory(error):
                raise
            wanted = "The work must fit into memory; got more. Use shorter or fewer strings, or a smaller model."
            why = f" ({str(error).splitlines()[0]})" if str(error) else ""
            return _said(f"{wanted}{why}", InterpError.exit_code)
    return 0


@contextmanager
def ends_as_ctrl_c() -> Iterator[list[int]]:
    """Within it, `ENDING` signals do what Ctrl-C does at that moment: a training ends after a whole step.

    Yields: their numbers, as they arrive.
    """
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(number)
        ctrl_c = signal.getsignal(signal.SIGINT)
        if not callable(ctrl_c):  # ignored, as in a shell's background jobs
            raise KeyboardInterrupt
        ctrl_c(number, frame)

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    # One that is ignored stays so: `nohup` means it.
    before = {number: signal.getsignal(number) for number in ENDING}
    before = {number: handler for number, handler in before.items() if handler is signal.SIG_DFL}
    for number in before:
        signal.signal(number, handle)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _said(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code


def _lacks_memory(error: Exception) -> bool:
    """Whether memory did not suffice: PyTorch has an error of its own for CUDA alone."""
    return isinstance(error, MemoryError) or "allocate memory" in str(error) or "out of memory" in str(error)
