"""Heads that look a string up backwards: where they look, and what must agree for it."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float

from interp.results.record import Result


@dataclass(frozen=True)
class BackwardHead:
    """One head, at letters that are written backwards."""

    name: str
    flagged: bool
    """Whether it looks behind the letter that is due, more than untrained heads do and more than the floor, and writes
    that letter: what it does is induction backwards."""
    offset: int
    """Places behind that letter at which it looks most, 1 or more."""
    attention: float
    """Mean attention to that place."""
    chance: float
    """Mean attention to another letter of the string."""
    writing: float
    """The logit that it gives the letter that is due over what it gives the one it raises most, both above the mean of
    all letters; averaged over strings. 1: it writes that letter. Heads that look forwards find such places, too, one
    behind a shorter match, and carry on what stands there."""
    matches: tuple[int, ...]
    """Written letters back, 0 the last one, that it tells a place from its rivals by; () where it is not flagged."""
    p_value: float
    q_value: float
    """Benjamini-Hochberg over all heads of its kind in the model."""

    @property
    def n(self) -> int | None:
        """Letters that it matches, if they are the last ones without a gap."""
        return len(self.matches) if self.matches and self.matches == tuple(range(len(self.matches))) else None

    @property
    def first(self) -> int:
        """The first written letter, from 1, that it can serve: of the k-th, the place o behind stands no later than the
        query from k = (o + 1) / 2 on, as string and answer mirror each other about the separator."""
        return self.offset // 2 + 1


@dataclass(frozen=True)
class BackwardHeads(Result):
    """Every head of a model, asked at letters of strings that are written backwards."""

    heads: Annotated[tuple[BackwardHead, ...], "head"]
    level: float
    floor: float
    above_chance: Float[np.ndarray, "head offset"]
    """Mean attention to the place 0, 1, 2, ... behind the letter that is written, less chance."""
    rival: Float[np.ndarray, "head letter"]
    """Attention to a rival that is unlike a head's own place in the letter 0, 1, ... back alone, as a share of that to
    a rival like it in all; 1 where that one draws none, as it is not letters that the head goes by."""

    @property
    def flagged(self) -> tuple[str, ...]:
        """Names of the heads that do induction backwards."""
        return tuple(head.name for head in self.heads if head.flagged)


@dataclass(frozen=True)
class WrittenLetters(Result):
    """Each written letter: whether it is right without some heads, and where the heads look for it."""

    sets: Annotated[tuple[str, ...], "set"]
    """What was ablated: nothing first, then sets of heads by the names that their ablations have."""
    right: Bool[np.ndarray, "set string letter"]
    heads: Annotated[tuple[str, ...], "head"]
    attention: Float[np.ndarray, "head offset early"]
    """Mean attention to the place 0, 1, 2, ... behind the letter due, for the first written letters; 0 where that place
    comes later than the query."""

    def of(self, name: str) -> Bool[np.ndarray, "string letter"]:
        """Whether each letter is right under the ablation of a name. Raises: ValueError for one that there is not."""
        return self.right[self.sets.index(name)]
