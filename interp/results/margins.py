"""Margins of lookup heads: by how much the score of the right place exceeds those of all others."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int

from interp.base.interval import Interval
from interp.results.record import Result

QUANTILES = (0.0, 0.001, 0.01, 0.5)
"""Shares of letters below a margin, as tables show them; 0 is the least."""


@dataclass(frozen=True)
class HeadMargins(Result):
    """Margins of some heads at every letter of some strings of one length, in nats."""

    UNITS: ClassVar[dict[str, str]] = {"over_best": "nats", "over_all": "nats", "of_logits": "nats"}

    heads: Annotated[tuple[str, ...], "head"]
    """Names of the heads."""
    length: int
    """Letters of a string."""
    over_best: Float[np.ndarray, "head string letter"]
    """Score of the place that the letter is copied from, or of that so many behind it (`head_margins`), less the best
    of all other places' that the head sees; inf for first letters behind which there is no such place yet."""
    over_all: Float[np.ndarray, "head string letter"]
    """Score of that place less the score that would get as much attention as all others together: with softmax the log
    of their summed exponentials, so that this is the log-odds of the right place. Below 0 the others outweigh it; inf
    as above."""
    of_logits: Float[np.ndarray, "string letter"]
    """The model's logit of the letter due less the largest other: below 0 it writes that one."""
    shared: Int[np.ndarray, "head string letter"]
    """Tokens before the best rival that agree with those before the right place, counted back to the first that does
    not, up to `context`; of places behind the letter, tokens that end there."""
    context: int
    """Tokens that are compared, at most."""

    def quantiles(self, values: Float[np.ndarray, "head string letter"]) -> Float[np.ndarray, "head quantile"]:
        """A margin below which this many of all letters lie that have one, for each of `QUANTILES`."""
        known = [rows[np.isfinite(rows)] for rows in values.reshape(len(values), -1)]
        return np.stack(
            [np.quantile(rows, QUANTILES) if rows.size else np.full(len(QUANTILES), np.inf) for rows in known]
        )

    def without(self, letters: Bool[np.ndarray, "string letter"]) -> "HeadMargins":
        """The same with margins of inf at these letters: what goes wrong at them is counted elsewhere."""
        names = ("over_best", "over_all", "of_logits")
        return replace(self, **{name: np.where(letters, np.inf, getattr(self, name)) for name in names})


@dataclass(frozen=True)
class Limit(Result):
    """What a cause alone, and all together, leave of the string accuracy at some lengths."""

    lengths: Annotated[tuple[int, ...], "length"]
    n: int
    """Letters that the lookup heads match."""
    collisions: Annotated[tuple[float, ...], "length"]
    """Share of strings that an ideal copier of n letters copies whole: n-grams recur with other continuations."""
    crosstalk: Annotated[tuple[float, ...], "length"]
    """Share of strings in which no rival that shares fewer than n letters scores above the right place."""
    dispersion: Annotated[tuple[float, ...], "length"]
    """Share of strings in which all rivals together never outweigh the right place where each alone does not, nor is a
    letter wrong that the heads had right."""
    beginning: Annotated[tuple[float, ...], "length"]
    """Share of strings whose first n letters are all found, for which the match is cut off."""
    together: Annotated[tuple[float, ...], "length"]
    """The product of the others: the string accuracy that is predicted."""
    interval: Annotated[tuple[Interval, ...], "length"]
    """95 % interval of `together`, from a bootstrap over strings."""
    reach: dict[str, float | None]
    """Cause -> the length at which it takes the accuracy to 95 %; None if it does not within the lengths asked for."""
    palindromes: Annotated[tuple[float, ...] | None, "length"] = None
    """Share of strings in which no mirrored n-gram of the answer leads a model that writes backwards astray; None for
    one that copies."""
