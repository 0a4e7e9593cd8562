"""Attention as a person looks at it: patterns of heads on one string, as the model is and with parts of it ablated.

A view knows the string and where each letter of its answer is copied from, what was found about every head before, on
other strings, and under each variant the patterns and what the model answers.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float, Int

from interp.base.interval import Interval
from interp.results.heads import HeadKind, HeadScore
from interp.results.record import Result

GOES_ON = "\N{MIDLINE HORIZONTAL ELLIPSIS}"
"""Before the bytes of a token with which a character goes on that began in the token before."""


@dataclass(frozen=True)
class HeadCost:
    """What ablating one head costs, measured on other strings than the one that is viewed."""

    kind: str
    """zero, mean, resample, ..."""
    before: float
    """String accuracy of the whole model."""
    after: float
    interval: Interval
    """Interval of the drop."""
    control: float | None
    """String accuracy without as many other heads; None where there are none to ablate."""


@dataclass(frozen=True)
class ViewedHead:
    """One head, and what is known about it."""

    name: str
    kind: HeadKind
    found: HeadScore | None = None
    """Role, n, response, q-value; None where heads were not scored."""
    cost: HeadCost | None = None


@dataclass(frozen=True)
class Strip:
    """A number at each position, drawn under the token axis."""

    name: str
    value: Float[np.ndarray, " pos"]


@dataclass(frozen=True)
class Variant:
    """The model on the string: as it is, or with some heads ablated."""

    name: str
    of: int
    """Index of the variant that it is compared with: the model as it is, seen in the same way (for which it is its own
    index)."""
    ablated: tuple[str, ...]
    kind: str
    """How they were ablated; empty where none were."""
    signed: bool
    """Whether weights can be negative, as those of hidden attention summed over channels: from -1 to 1."""
    pattern: Float[np.ndarray, "head pos pos"]
    """[head query key], 0 above the diagonal."""
    probability: Float[np.ndarray, " pos"]
    """Given to the token that follows each position; nan at a last position that nothing follows."""
    predicted: Annotated[tuple[str, ...], "pos"]
    """The likeliest token after each position."""
    strips: tuple[Strip, ...] = ()


@dataclass(frozen=True)
class AttentionView(Result):
    """Everything that a page about attention shows."""

    provenance: dict[str, Any]
    model: dict[str, Any]
    tokens: Int[np.ndarray, " pos"]
    labels: Annotated[tuple[str, ...], "pos"]
    """The tokens as text."""
    following: str | None
    """The token that follows the last position, as text, if there is one."""
    source: Int[np.ndarray, " pos"]
    """For each position the one that the next token is copied from; -1 where none."""
    heads: Annotated[tuple[ViewedHead, ...], "head"]
    variants: tuple[Variant, ...]
    """The model as it is first."""
    notes: tuple[str, ...]
    """What to mind about this view."""
    least: float = 0.0
    """Weights below this are left out (0), so that a page of very many stays small."""

    @property
    def text(self) -> str:
        """The string as it reads: its labels one after the other, without bytes with which a character goes on."""
        return "".join(re.sub(f"^{GOES_ON}([0-9A-F]{{2}})+", "", label) for label in self.labels)

    def on_source(self, variant: int = 0) -> tuple[float, ...]:
        """Mean attention of each head to the place that the answer is copied from, on this string; of strings without
        such a place nan."""
        asked = np.flatnonzero(self.source >= 0)
        if not len(asked):
            return (float("nan"),) * len(self.heads)
        pattern = self.variants[variant].pattern
        return tuple(float(of_head[asked, self.source[asked]].mean()) for of_head in pattern)


@dataclass(frozen=True)
class AttentionExample:
    """One string of a page of examples."""

    group: str
    """Why it was chosen: wrong, planted, by score."""
    says: str
    """What there is to see, in a few words."""
    view: AttentionView
    query: int = -1
    """Where to look first; -1: in the middle of the answer."""


@dataclass(frozen=True)
class AttentionExamples(Result):
    """Attention on strings that were chosen by what the model does with them: one page, of which one is shown."""

    provenance: dict[str, Any]
    model: dict[str, Any]
    head: str
    """The one whose attention to the source ordered the strings."""
    strings: int
    """How many were drawn to choose from."""
    wrong: int
    """How many of those the model gets wrong."""
    examples: Annotated[tuple[AttentionExample, ...], "example"]
