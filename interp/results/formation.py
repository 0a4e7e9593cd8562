"""How a circuit formed: its heads as they were at steps that the training kept, and the moment of each change.

The heads are those of the last step, followed back: so that what is under way before the loss falls is seen, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float, Int

from interp.base.errors import UserError
from interp.base.estimates import student_interval
from interp.base.interval import Interval
from interp.results.record import Result

LEAST = 0.05
"""Share of a lookup head's score that a letter must make at the end for its moment to be asked for."""


@dataclass(frozen=True)
class Formation(Result):
    """A circuit along its training, one row for each kept step and the last, in order."""

    steps: Annotated[tuple[int, ...], "step"]
    examples: Int[np.ndarray, " step"]
    """Examples seen by then."""
    lookups: Annotated[tuple[str, ...], "head"]
    """Lookup heads of the last step."""
    gathers: Annotated[tuple[str, ...], "gather"]
    """Gather heads of the last step."""
    string_correct: Bool[np.ndarray, "step string"]
    letter_correct: Float[np.ndarray, "step string"]
    """Share of right letters."""
    loss: Float[np.ndarray, "step string"]
    """Nats per letter of the answer."""
    attention: Float[np.ndarray, "step head probe"]
    """Attention of each lookup head to the source."""
    score: Float[np.ndarray, "step head probe"]
    """Its score of the source less the mean of the other letters, before the softmax."""
    by_letter: Float[np.ndarray, "step head query_letter key_letter"]
    """That score by letters back at the query and at the key, mean over probes; the last row and column are the rest,
    the first column the key's own letter."""
    diagonal: Float[np.ndarray, "step head offset probe"]
    """What the letter t back at the query, meeting the letter t back at the key, makes of it."""
    written: Float[np.ndarray, "step gather head probe"]
    """What a gather head wrote of it, to the query or the key."""
    profile: Float[np.ndarray, "step gather offset"]
    """Attention of each gather head to the place t back, mean over queries."""

    def curves(self) -> dict[str, Float[np.ndarray, " step"]]:
        """Each quantity by step, as one number: means over heads, strings and probes; what a moment is read from."""
        first, last = self.profile[:1], self.profile[-1:]
        far = np.abs(self.profile - last).sum(axis=(1, 2))
        found = {
            "loss": -self.loss.mean(axis=1),
            "letters right": self.letter_correct.mean(axis=1),
            "strings right": self.string_correct.mean(axis=1),
        }
        if self.lookups:
            found["lookup heads: attention to the source"] = self.attention.mean(axis=(1, 2))
            found |= {f"hash: letter {t} back": self.diagonal[:, :, t].mean(axis=(1, 2)) for t in self.matched}
        if self.gathers:
            if np.abs(first - last).sum() > LEAST:  # else they look the same from the first step to the last
                found["gather heads: attention"] = -far
            if self.lookups:
                found["gather heads: what lookup heads read of them"] = self.written.sum(axis=1).mean(axis=(1, 2))
        return found

    @property
    def matched(self) -> tuple[int, ...]:
        """Letters back that make at least `LEAST` of the lookup heads' scores at the end."""
        if not self.lookups:
            return ()
        ends, whole = self.diagonal[-1].mean(axis=(0, 2)), float(self.score[-1].mean())
        return tuple(t for t, value in enumerate(ends) if whole > 0 and value > LEAST * whole)

    def moments(self) -> dict[str, float]:
        """Examples at which each quantity was half of the way from its first value to its last, for good.

        Between two kept steps on a straight line. nan where first and last are the same.

        >>> formation.moments()["hash: letter 0 back"] < formation.moments()["loss"]
        True
        """
        return {name: moment(self.examples, values) for name, values in self.curves().items()}


def moment(examples: Int[np.ndarray, " step"], values: Float[np.ndarray, " step"]) -> float:
    """When a curve last crossed the middle between its first value and its last, on straight lines between steps.

    >>> moment(np.array([0, 10, 20]), np.array([0.0, 0.0, 1.0]))
    15.0
    """
    half, rise = (values[0] + values[-1]) / 2, float(values[-1] - values[0])
    below = np.flatnonzero((values - half) * rise < 0)
    if not rise or not len(below):
        return float("nan")
    at = int(below[-1])  # the last step is not among them
    part = (half - values[at]) / (values[at + 1] - values[at])
    return float(examples[at] + part * (examples[at + 1] - examples[at]))


@dataclass(frozen=True)
class Order(Result):
    """The moments of several trainings that differ in their seed: which change comes first."""

    runs: Annotated[tuple[str, ...], "run"]
    changes: Annotated[tuple[str, ...], "change"]
    """What changed, by the mean of its moments; changes that some run lacks are left out."""
    moment: Float[np.ndarray, "change run"]
    """Examples seen when it was half done."""

    def interval(self, change: str) -> Interval:
        """Interval of a moment's mean over runs (Student t)."""
        return student_interval(self.moment[self.changes.index(change)])

    def lag(self, earlier: str, later: str) -> tuple[float, Interval]:
        """Examples by which one change came before another in the same run: mean, and its interval over runs."""
        apart = self.moment[self.changes.index(later)] - self.moment[self.changes.index(earlier)]
        return float(apart.mean()), student_interval(apart)


def order_of(formations: Mapping[str, Formation] | Sequence[Formation]) -> Order:
    """Put the moments of some trainings in order.

    Args:
        formations: name of a run -> how its circuit formed; or without names.

    Raises: UserError for fewer than two.
    """
    named = formations if isinstance(formations, Mapping) else {str(i): each for i, each in enumerate(formations)}
    if len(named) < 2:
        raise UserError(f"formations must be of at least two trainings, for an interval; got {len(named)}.")
    found = [each.moments() for each in named.values()]
    shared = [name for name in found[0] if all(np.isfinite(each.get(name, np.nan)) for each in found)]
    means = {name: float(np.mean([each[name] for each in found])) for name in shared}
    changes = tuple(sorted(shared, key=lambda name: means[name]))
    rows = np.array([[each[name] for each in found] for name in changes]).reshape(len(changes), len(named))
    return Order(tuple(named), changes, rows)
