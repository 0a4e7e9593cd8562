"""One thread at a time in a model: hooks are attached to the model itself, so that a second run would meet them."""

import threading
from typing import Any


class ModelLock:
    """A lock that its thread may take again, `with lock: ...`. A copy of a model, or a pickle of it, has its own.

    Held while hooks are attached and while the model runs; another thread waits until both have ended.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: Any) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[type["ModelLock"], tuple[()]]:
        return ModelLock, ()
