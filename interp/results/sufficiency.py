"""Whether a circuit is enough: how a model fares with a share of its edges alone, and the smallest set that will do."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Bool, Float

from interp.base.estimates import percentile_interval, resampled, share_interval
from interp.base.interval import Interval
from interp.results.record import Result

Measure = Literal["logit_difference", "loss", "letters", "strings"]
MEASURES: tuple[Measure, ...] = ("logit_difference", "loss", "letters", "strings")


@dataclass(frozen=True)
class EdgeScores:
    """How strings fare with some sets of edges."""

    strings: Bool[np.ndarray, "set string"]
    """Whether each is right as a whole."""
    letters: Float[np.ndarray, "set string"]
    """Share of right letters."""
    loss: Float[np.ndarray, "set string"]
    """Nats per letter."""
    logit_difference: Float[np.ndarray, "set string"]
    """Right letter's logit less the mean of the others'."""

    def of(self, measure: Measure) -> Float[np.ndarray, "set string"]:
        """One of the four, as numbers."""
        return np.asarray(getattr(self, measure), dtype=np.float64)


@dataclass(frozen=True)
class CircuitCurve(Result):
    """What is left of a model's behaviour with the best edges alone, share by share, beside random circuits.

    Faithfulness is (m(circuit) - m(none)) / (m(all) - m(none)) of a measure m: 1 with all edges, 0 with none.
    """

    edges: tuple[str, ...]
    """All edges, best first."""
    shares: Annotated[tuple[float, ...], "share"]
    """Share of the edges that is kept."""
    kept: Annotated[tuple[int, ...], "share"]
    """How many edges that is."""
    value: str
    """What stands on the other edges: `mean-per-position`, ..., or `corrupted`."""
    none_and_all: EdgeScores
    """With no edge kept, and with all."""
    best: EdgeScores
    """With the best edges, for each share."""
    random: EdgeScores
    """With as many random edges between the same layers: all draws of the first share, then of the next."""

    def faithfulness(self, measure: Measure = "logit_difference") -> Float[np.ndarray, " share"]:
        """Faithfulness at each share."""
        return self._faithful(self.best.of(measure), measure, None)

    def random_faithfulness(self, measure: Measure = "logit_difference") -> Float[np.ndarray, "share draw"]:
        """Faithfulness of each random circuit."""
        return self._faithful(self.random.of(measure), measure, None).reshape(len(self.shares), -1)

    def cpr(self, measure: Measure = "logit_difference") -> float:
        """Area under faithfulness, from the smallest share to all edges (circuit performance ratio)."""
        return self._area(self.faithfulness(measure))

    def cmd(self, measure: Measure = "logit_difference") -> float:
        """Area between faithfulness and 1 (circuit-model distance): 0 is best."""
        return self._area(np.abs(1 - self.faithfulness(measure)), end=0.0)

    def random_cpr(self, measure: Measure = "logit_difference") -> float:
        """Mean `cpr` of the random circuits."""
        return float(np.mean([self._area(row) for row in self.random_faithfulness(measure).T]))

    def random_cmd(self, measure: Measure = "logit_difference") -> float:
        """Mean `cmd` of the random circuits."""
        rows = np.abs(1 - self.random_faithfulness(measure).T)
        return float(np.mean([self._area(row, end=0.0) for row in rows]))

    def intervals(self, measure: Measure = "logit_difference", seed: int = 0) -> dict[str, Interval]:
        """Intervals of `cpr` and `cmd` over strings: those of resampled strings."""
        weights = resampled(self.best.strings.shape[1], seed)
        drawn = self._faithful(self.best.of(measure), measure, weights)
        return {
            "cpr": percentile_interval(np.array([self._area(row) for row in drawn])),
            "cmd": percentile_interval(np.array([self._area(np.abs(1 - row), end=0.0) for row in drawn])),
        }

    def _faithful(self, values: np.ndarray, measure: Measure, weights: np.ndarray | None) -> np.ndarray:
        none, everything = self.none_and_all.of(measure)
        if weights is None:
            weights = np.full((1, values.shape[1]), 1 / values.shape[1])
            return self._faithful(values, measure, weights)[0]
        low, high = weights @ none, weights @ everything
        gap = np.where(np.abs(high - low) > 1e-9, high - low, np.nan)
        return (weights @ values.T - low[:, None]) / gap[:, None]

    def _area(self, values: np.ndarray, end: float = 1.0) -> float:
        """Trapezoids over the shares, up to all edges, over the width."""
        x, y = np.array([*self.shares, 1.0]), np.append(values, end)
        return float(((x[1:] - x[:-1]) * (y[1:] + y[:-1]) / 2).sum() / (x[-1] - x[0]))


@dataclass(frozen=True)
class CircuitTest(Result):
    """A circuit alone, without each of its edges, and beside random circuits of its size and layers."""

    edges: Annotated[tuple[str, ...], "edge"]
    n_edges: int
    """Edges of the model."""
    value: str
    none_and_all: EdgeScores
    alone: EdgeScores
    """With the circuit's edges and no others: one set."""
    without: EdgeScores
    """What is left without each of its edges."""
    random: EdgeScores
    """With random circuits."""

    @property
    def accuracy(self) -> float:
        """Share of strings right with the circuit alone."""
        return float(self.alone.strings.mean())

    @property
    def interval(self) -> Interval:
        """Its interval over strings."""
        return share_interval(self.alone.strings[0].astype(np.float64))

    @property
    def whole(self) -> float:
        """Share of strings right with the whole model."""
        return float(self.none_and_all.strings[1].mean())

    def needed(self, share: float = 0.95) -> tuple[bool, ...]:
        """Whether, without each edge, less than this share of what the whole model copies is left."""
        return tuple(bool(x) for x in self.without.strings.mean(axis=1) < share * self.whole)

    def __str__(self) -> str:
        """What was found, as a sentence."""
        least = float(self.without.strings.mean(axis=1).max()) if len(self.edges) else 0.0
        low, high = self.interval
        return (
            f"{len(self.edges)} of {self.n_edges} edges copy: with them alone {self.accuracy:.1%} of strings "
            f"({low:.1%} to {high:.1%}), without any one of them at most {least:.1%}"
        )
