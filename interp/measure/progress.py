"""Long work says how far it is and how long it will take, after its first piece and then now and again."""

from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import TypeVar

Item = TypeVar("Item")
SECONDS = 10.0
"""Time between two announcements, at least. Work that takes less in all says nothing."""


def announced(items: Sequence[Item], what: str, on_step: Callable[[str], None]) -> Iterator[Item]:
    """Yield the items, and tell `on_step` how much of them is left whenever there is something to tell.

    Args:
        items: pieces of work that take about the same time each.
        what: what they are, as in "ablations".
        on_step: told "ablations: 3 of 40, about 120 s to go".
    """
    start = said = monotonic()
    for done, item in enumerate(items):
        now, left = monotonic(), len(items) - done
        remaining = (now - start) / max(done, 1) * left
        if (done == 1 and remaining > SECONDS) or now - said > SECONDS:
            on_step(f"{what}: {done} of {len(items)}, about {remaining:.0f} s to go")
            said = now
        yield item
