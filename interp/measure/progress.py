"""Long work says how far it is and how long it will take, after its first piece and then now and again."""

from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import TypeVar

Item = TypeVar("Item")
OnStep = Callable[[str], None]
SECONDS = 10.0
"""Time between two announcements, at least. Work that takes less in all says nothing."""


class Progress:
    """Tells `on_step` how much of some work is left, whenever there is something to tell.

    Args:
        what: pieces of work that take about the same time each, as in "ablations".
        total: how many there are.
        on_step: told "ablations: 3 of 40, about 120 s to go".
    """

    def __init__(self, what: str, total: int, on_step: OnStep) -> None:
        self.what, self.total, self.on_step = what, total, on_step
        self.done, self.told = 0, False
        self.start = self.last = monotonic()

    def update(self, pieces: int = 1) -> None:
        """Count pieces that are done."""
        self.done += pieces
        now = monotonic()
        remaining = (now - self.start) / self.done * (self.total - self.done)
        if (not self.told and remaining > SECONDS) or (now - self.last > SECONDS and self.done < self.total):
            self.on_step(f"{self.what}: {self.done} of {self.total}, about {remaining:.0f} s to go")
            self.told, self.last = True, now


def announced(items: Sequence[Item], what: str, on_step: OnStep) -> Iterator[Item]:
    """Yield the items, and tell `on_step` how far their work is."""
    progress = Progress(what, len(items), on_step)
    for item in items:
        yield item
        progress.update()
