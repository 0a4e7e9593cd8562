"""Ctrl-C, or a request to end (SIGTERM, as Slurm and Docker send it): a training ends after a whole step.

What it leaves can be resumed.
"""

import signal
import threading
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Within it, the first signal only sets `asked`; a second one ends at once, as Ctrl-C ever does."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():  # no other thread may set a handler, or gets Ctrl-C
            self._before = {number: signal.signal(number, self._ask) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler or signal.SIG_DFL)

    def _ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.asked = True
        for each in SIGNALS:
            signal.signal(each, signal.default_int_handler)  # raises KeyboardInterrupt
