"""What runs, what is left and when it will end: a table that is drawn anew on a terminal, lines elsewhere."""

import sys
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table

from interp.base.words import count
from interp.cli.streams import say
from interp.experiments.executor.base import Ended, Event, Started

if TYPE_CHECKING:
    from interp.experiments.engine import Agenda


class Watch(AbstractContextManager["Watch"]):
    """Shows how runs go.

    Args:
        todo: what there is to run.
        workers: how many run at the same time.
        quiet: show nothing.
    """

    def __init__(self, todo: "Agenda", workers: int, quiet: bool) -> None:
        self.todo, self.workers, self.quiet = todo, workers, quiet
        self.running: dict[str, tuple[str, float]] = {}
        self.done, self.failed, self.began = 0, 0, time.monotonic()
        self.live = Live(console=Console(), refresh_per_second=2) if sys.stdout.isatty() and not quiet else None

    def __enter__(self) -> "Watch":
        if not self.quiet and self.live is None:
            say(f"{count(len(self.todo.plans), 'run')}: {len(self.todo.kept)} kept, {len(self.todo.left)} to do.")
        if self.live is not None:
            self.live.__enter__()
            self.live.update(self.table())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live is not None:
            self.live.__exit__(kind, error, trace)

    def on_event(self, event: Event) -> None:
        """Take note of a run that began or ended, and show it."""
        if isinstance(event, Started):
            self.running[event.plan.digest] = (event.plan.name, time.monotonic())
        else:
            self._ended(event)
        if self.live is not None:
            self.live.update(self.table())

    def _ended(self, event: Ended) -> None:
        found = event.found
        self.running.pop(found.digest, None)
        self.done += 1
        self.failed += found.failed is not None
        if not self.quiet and self.live is None:
            how = f"failed: {found.failed}" if found.failed else f"{sum(found.seconds.values()):.1f} s"
            say(f"  {self.done}/{len(self.todo.left)} {found.plan.name}: {how}; {self.ends()}")

    def ends(self) -> str:
        """When all will have ended, if what is left takes as long as what is done."""
        left = len(self.todo.left) - self.done
        if not self.done or not left:
            return f"{left} left"
        seconds = (time.monotonic() - self.began) / self.done * left
        return f"{left} left, {seconds / 60:.0f} min"

    def table(self) -> Table:
        """The table of a terminal."""
        title = f"{len(self.todo.kept)} kept, {self.done} done, {self.failed} failed, {self.ends()}"
        table = Table("running", "for", title=title, title_justify="left")
        now = time.monotonic()
        for name, since in self.running.values():
            table.add_row(name, f"{now - since:.0f} s")
        return table
