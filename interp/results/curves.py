"""Learning curves of several trainings as one result: by group, mean and band over seeds, and examples needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float, Int

from interp.base.censored import Needed, Ratio, ratio
from interp.base.errors import UserError
from interp.base.estimates import student_intervals
from interp.results.record import Result
from interp.results.training import TrainLog

PARTS = ("model", "task", "training")


@dataclass(frozen=True)
class Band:
    """A group's curve: the mean over its runs, and the ends of its interval, where two runs or more were evaluated."""

    examples: Float[np.ndarray, " evaluation"]
    mean: Float[np.ndarray, " evaluation"]
    low: Float[np.ndarray, " evaluation"]
    """The interval by Student's t over runs, within 0 and 1; nan where one run alone was evaluated."""
    high: Float[np.ndarray, " evaluation"]


@dataclass(frozen=True)
class LearningCurves(Result):
    """String accuracy of some trainings at one length, by examples seen. Runs that differ in the seed are a group."""

    runs: Annotated[tuple[str, ...], "run"]
    group: Annotated[tuple[str, ...], "run"]
    """What sets a run's group apart from the others, as `learning_rate=0.004`; or the name of its first run."""
    seed: Annotated[tuple[int, ...], "run"]
    length: int
    """Letters of the strings."""
    evaluated_at: Int[np.ndarray, " evaluation"]
    """Examples seen, of all evaluations of all runs."""
    string_accuracy: Float[np.ndarray, "run evaluation"]
    """nan where a run was not evaluated."""

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups, in the order of their first runs."""
        return tuple(dict.fromkeys(self.group))

    def band(self, group: str) -> Band:
        """The curve of a group, at the evaluations that all of its runs share.

        >>> curves.band("learning_rate=0.004").mean
        array([0.  , 0.31, 0.98])
        """
        rows = self.string_accuracy[[name == group for name in self.group]]
        at = ~np.isnan(rows).any(axis=0)
        values, none = rows[:, at], np.full(int(at.sum()), np.nan)
        low, high = none, none
        if len(rows) > 1 and at.any():
            found = student_intervals(values.T)
            low, high = np.clip(found.low, 0, 1), np.clip(found.high, 0, 1)
        return Band(self.evaluated_at[at].astype(float), values.mean(axis=0), low, high)

    def needed(self, share: float) -> dict[str, tuple[Needed, ...]]:
        """Examples that each run of each group needed until this share of strings was right; infinite at most for a run
        that never got there (censored)."""
        found: dict[str, list[Needed]] = {}
        for name, row in zip(self.group, self.string_accuracy, strict=True):
            at = np.flatnonzero(~np.isnan(row))
            reached = at[row[at] >= share]
            first = int(np.searchsorted(at, reached[0])) if len(reached) else len(at)
            least = float(self.evaluated_at[at[first - 1]]) if first else 0.0
            most = float(self.evaluated_at[reached[0]]) if len(reached) else float("inf")
            found.setdefault(name, []).append(Needed(least, most))
        return {name: tuple(each) for name, each in found.items()}

    def ratio(self, slower: str, faster: str, share: float) -> Ratio:
        """How many times more examples one group needs than another, censored runs among them.

        Raises: UserError for a group of fewer than two runs.
        """
        needed = self.needed(share)
        return ratio(needed[slower], needed[faster])


def curves_of(
    runs: Sequence[str], recipes: Sequence[Mapping[str, Any]], logs: Sequence[TrainLog], length: int | None = None
) -> LearningCurves:
    """Put the logs of some trainings side by side.

    Args:
        runs: their names.
        recipes: model, task and training of each, as a run's config.json holds them.
        logs: of each.
        length: of the strings, one at which all were evaluated; None: the longest such length.

    Raises: UserError for no run, a name twice, or no length that all have.
    """
    if not runs or len(set(runs)) < len(runs):
        raise UserError(f"runs must hold at least one run, and none twice; got {', '.join(runs) or 'none'}.")
    shared = set.intersection(*(set(log.lengths) for log in logs))
    if not shared or length not in (None, *shared):
        raise UserError(
            f"length must be one at which all runs were evaluated ({', '.join(map(str, sorted(shared))) or 'none'}); "
            f"got {length}. Leave out the runs that lack it."
        )
    length = max(shared) if length is None else length
    at = np.unique(np.concatenate([log.evaluated_at for log in logs]))
    accuracy = np.full((len(runs), len(at)), np.nan)
    for row, log in zip(accuracy, logs, strict=True):
        row[np.searchsorted(at, log.evaluated_at)] = log.string_accuracy[:, log.lengths.index(length)]
    seeds = tuple(int(recipe["training"]["seed"]) for recipe in recipes)
    return LearningCurves(tuple(runs), _groups(runs, recipes), seeds, length, at, accuracy)


def _groups(runs: Sequence[str], recipes: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The name of each run's group: the options in which groups differ, if these are few; else its first run's."""
    flat = [
        {f"{part}.{name}": str(value) for part in PARTS for name, value in recipe[part].items()} for recipe in recipes
    ]
    keys = [tuple(sorted((name, value) for name, value in each.items() if name != "training.seed")) for each in flat]
    options = sorted({name for each in flat for name in each} - {"training.seed"})
    apart = [name for name in options if len({each.get(name) for each in flat}) > 1]
    first = {key: index for index, key in reversed(list(enumerate(keys)))}

    def called(index: int) -> str:
        words = ", ".join(f"{name.partition('.')[2]}={flat[index].get(name, 'default')}" for name in apart)
        return words if words and len(apart) <= 3 and len(words) <= 48 else runs[index]

    return tuple(called(first[key]) for key in keys)
