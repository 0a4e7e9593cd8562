"""What a study is: one question that is asked of one model, in the same form whatever the question.

A study is a folder of `interp.studies` whose `__init__.py` registers a `Study`; the command line, the pages and the
documentation find it in `STUDIES`. Nothing here imports torch, numpy or plotly, so that `--help` is fast: a study names
the functions that do its work, and they are imported when they are called.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal

from interp.base.errors import UserError
from interp.base.interval import Interval
from interp.base.registry import Registry

if TYPE_CHECKING:
    import interp.loading
    import interp.studies.result

Answer = Literal["yes", "no", "partly", "unsure"]
OnStep = Callable[[str], None]
"""Is told what is being done, a few words a step."""


def silent(step: str) -> None:
    """Say nothing of a step: the default of `on_step`."""


@dataclass(frozen=True)
class Evidence:
    """One number that an answer rests on."""

    quantity: str
    """What was measured, as an identifier: `string_accuracy`, `saturation_length`."""
    value: float | None
    """None where it could not be measured, or where there is no such value."""
    interval: Interval | None = None
    """Interval at 95 %, with the name of its method."""
    threshold: float | None = None
    """What the value was compared with."""
    n: int | None = None
    """Examples that the value comes from."""
    about: tuple[str, ...] = ()
    """What it was measured of: names of heads, a length, a kind of ablation."""


@dataclass(frozen=True)
class Verdict:
    """What a study answers, and why. Printed, it is English; nothing may branch on these words."""

    answer: Answer
    because: tuple[Evidence, ...] = ()
    caveats: tuple[str, ...] = ()
    """What limits the answer, each a clause without a full stop."""
    says: str = ""
    """The answer in English, rendered from the result by the study's `verdict` room when the study ends."""

    def __str__(self) -> str:
        return self.says

    def evidence(self, quantity: str) -> Evidence:
        """The first evidence of that name. Raises: KeyError if there is none."""
        for found in self.because:
            if found.quantity == quantity:
                return found
        raise KeyError(quantity)


UNDECIDED = Verdict("unsure")
"""Stands in a result while its numbers are complete and its verdict is still to be drawn from them."""


@dataclass(frozen=True)
class Table:
    """Rows for a terminal: every cell is text."""

    title: str
    columns: tuple[str, ...]
    """The first is aligned to the left, the others to the right."""
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    """Stands below: by which methods the intervals are."""


@dataclass(frozen=True)
class Study:
    """One question of one model. Functions are named as `module:function`; see `docs/how-to/add-a-study.md`."""

    name: str
    """The subcommand: heads."""
    question: str
    """One sentence, with its question mark."""
    Settings: type[Any]
    """A light frozen dataclass: every field has a default and a docstring; `Settings.tiny()` is for a quick look."""
    runs: str
    """The function behind `run`, called with (loaded, seed, settings, on_step)."""
    reports: str
    """The function behind `report`, called with (result, folder)."""
    prints: str
    """The function behind `tables`, called with (result)."""
    draws: str = ""
    """The function behind a result's `figures`, called with (result); empty where its page has no figures."""
    compares: str = ""
    """The function behind `compare`, called with (results, folder); empty where a page shows one model alone."""

    def run(
        self,
        loaded: "interp.loading.Loaded | str | Path",
        settings: Any = None,
        seed: int = 0,
        on_step: OnStep = silent,
    ) -> "interp.studies.result.StudyResult":
        """Ask the question of a model.

        Args:
            loaded: what `interp.load` returns, or a model specification, which is loaded.
            settings: an instance of `Settings`; None: the default ones.
            seed: of everything that is drawn at random.
            on_step: told what is being done.

        Raises: UserError for a model that the question cannot be asked of, or settings that do not fit it.
        """
        return resolve_name(self.runs)(loaded, seed=seed, settings=settings, on_step=on_step)

    def report(self, result: "interp.studies.result.StudyResult", folder: str | Path) -> Path:
        """Write the page, its figures and tables, and the result itself: all or none.

        Returns: the path of the page.

        Raises: InterpError if the files cannot be written.
        """
        return resolve_name(self.reports)(result, folder)

    def compare(self, results: "Sequence[interp.studies.result.StudyResult]", folder: str | Path) -> Path:
        """Write one page of several models' results.

        Returns: the path of the page.

        Raises: UserError for several results of a study whose page shows one model alone; InterpError if the files
            cannot be written.
        """
        if self.compares:
            return resolve_name(self.compares)(results, folder)
        if len(results) == 1:
            return self.report(results[0], folder)
        raise UserError(
            f"results must be one result; got {len(results)}. Write a page for each: {self.name} compares no models."
        )

    def tables(self, result: "interp.studies.result.StudyResult") -> Sequence[Table]:
        """What a terminal shows of a result, above its verdict."""
        return resolve_name(self.prints)(result)


STUDIES: Registry[Study] = Registry("study", "interp.studies")
"""Name -> study, of every folder of `interp.studies` that registers one."""
