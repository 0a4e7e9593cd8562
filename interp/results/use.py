"""Whether looking up is how a model copies: what is left of its copies without the attention of some heads."""

from dataclasses import dataclass
from typing import Literal

from interp.base.interval import Interval
from interp.results.record import Result

Use = Literal["all", "part", "spare", "none"]
"""all    without the lookup heads' attention to the source (nearly) nothing is copied: that is how the model copies
part   some of it is lost, and some is not
spare  nothing is lost, of letters or strings: the model copies by something else, whether or not they could alone
none   heads attend to the match, and none of them raises the letter there"""

WHOLE, SOME = 0.9, 0.1
"""Shares of the letters that a model copies above chance: more than `WHOLE` is all of them. Up to `SOME` is nothing,
unless that large a share of strings is no longer right: a string goes wrong with its first letter."""


@dataclass(frozen=True)
class Left:
    """What a model still copies without some heads, teacher-forced."""

    heads: tuple[str, ...]
    """Heads that are taken away; () is the model as it is."""
    letters: float
    letters_interval: Interval
    strings: float
    strings_interval: Interval


@dataclass(frozen=True)
class HeadUse(Result):
    """What is left without the lookup heads, without other heads that attend to the source, and without both."""

    use: Use | None
    """None where no head attends to the source by a match."""
    edit: Literal["edges", "mean"]
    """What is taken away of sets: attention to the source alone or, where it cannot be edited, all but the mean output.
    Of heads in `alone` and `kept` it is always the output."""
    chance: float
    """Share of letters that guessing gets right."""
    whole: Left
    """The model as it is."""
    lookups: Left | None
    """Result without all lookup heads."""
    others: Left | None
    """Result without the heads that attend to the source more than untrained ones, and have no role."""
    both: Left | None
    """Result without both sets."""
    alone: tuple[Left, ...] = ()
    """Results without each of all these heads alone."""
    kept: tuple[Left, ...] = ()
    """Results without all lookup heads but one, for each of several; `heads` are those ablated."""

    def lost(self, left: Left) -> float:
        """Return the share of what is copied above chance that is lost; 0 where nothing is copied."""
        above = self.whole.letters - self.chance
        return (self.whole.letters - left.letters) / above if self.copies else 0.0

    def spares(self, left: Left) -> bool:
        """Return whether nothing is lost: of the letters above chance, and of the strings."""
        return self.lost(left) <= SOME and self.whole.strings - left.strings <= SOME

    @property
    def copies(self) -> bool:
        """Whether more letters are right than by guessing, with the whole interval."""
        return self.whole.letters_interval.low > self.chance

    @property
    def redundant(self) -> bool:
        """Whether several lookup heads stand in for each other: none alone is missed, and together they are."""
        if self.lookups is None or len(self.lookups.heads) < 2:
            return False
        single = [left for left in self.alone if left.heads[0] in self.lookups.heads]
        return not self.spares(self.lookups) and all(map(self.spares, single))

    @property
    def enough(self) -> tuple[str, ...]:
        """Lookup heads that are enough alone: with it alone, of several, nothing is lost."""
        if self.lookups is None:
            return ()
        lacking = [set(left.heads) for left in self.kept if self.spares(left)]
        return tuple(head for head in self.lookups.heads if any(head not in without for without in lacking))
