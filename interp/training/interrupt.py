"""Ctrl-C during a training: it ends after a whole step, when what it leaves can be resumed."""

import signal
import threading
from types import FrameType
from typing import Any


class Interruption:
    """Within it, the first Ctrl-C only sets `asked`; a second one ends at once, as ever."""

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():  # no other thread may set a handler, or gets Ctrl-C
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
