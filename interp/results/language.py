"""How a language model does what it is asked in words, by length."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Bool, Float

from interp.base.estimates import mean_interval, proportion_interval
from interp.base.interval import Interval
from interp.results.accuracy import StepCurve
from interp.results.heads import HeadScores
from interp.results.record import Result


@dataclass(frozen=True)
class Answered(Result):
    """One prompt as a person reads it."""

    length: int
    prompt: str
    """Its end."""
    right: str
    told: str
    """What the model wrote, or under teacher forcing what it predicted."""


@dataclass(frozen=True)
class TextAccuracy(Result):
    """One task in words, by length; a row is a length."""

    task: str
    unit: str
    """What a length counts: tokens or entries."""
    lengths: Annotated[tuple[int, ...], "length"]
    tokens: Annotated[tuple[float, ...], "length"]
    """Mean tokens of a prompt with its answer."""
    right: Bool[np.ndarray, "length string"]
    """Whether the whole answer is right."""
    share: Float[np.ndarray, "length string"]
    """How much of it is, by `measure`."""
    measure: str
    """What `share` is: the share of right tokens, or F1."""
    free: bool
    """Whether the model wrote the answer from its own output; else it was teacher-forced, which makes the same answers
    right as a whole."""
    examples: tuple[Answered, ...] = ()

    @property
    def accuracy(self) -> tuple[float, ...]:
        """Share of right answers at each length."""
        return tuple(float(share) for share in self.right.mean(axis=1))

    def interval(self, place: int) -> Interval:
        """Interval of the share of right answers at a length, by its place."""
        return proportion_interval(int(self.right[place].sum()), self.right.shape[1])


@dataclass(frozen=True)
class CopyHeads(Result):
    """Where each head looks while a model copies."""

    heads: Annotated[tuple[str, ...], "head"]
    attention: Float[np.ndarray, " head"]
    """Mean attention from each asked position to the source of its answer."""
    retrieval: Float[np.ndarray, " head"]
    """Share of rightly copied tokens whose source is the head's strongest key."""
    copied: int
    """Tokens that were copied rightly."""
    attention_by_string: Float[np.ndarray, "head string"]
    """`attention` of each string alone."""
    retrieval_by_string: Float[np.ndarray, "head string"]
    """`retrieval` of each string alone; nan where nothing was copied."""

    def ranked(self, by: str = "attention") -> tuple[str, ...]:
        """Return the heads, the highest first, by `attention` or by `retrieval`."""
        values = self.retrieval if by == "retrieval" else self.attention
        return tuple(self.heads[i] for i in np.argsort(-values, kind="stable"))


@dataclass(frozen=True)
class HeadCurve(Result):
    """Share of right tokens without the first heads of a ranking, with these alone of it, and without others."""

    ranking: tuple[str, ...]
    counts: Annotated[tuple[int, ...], "count"]
    clean: Float[np.ndarray, " string"]
    without: Float[np.ndarray, "count string"]
    """The first `count` heads ablated."""
    kept: Float[np.ndarray, "count string"]
    """All of the ranking but the first `count` ablated: whether these suffice."""
    others: Float[np.ndarray, "count draw string"]
    """As many other heads ablated, some draws of them."""
    kind: str = "mean"
    """What an ablated head writes instead: its mean, or zero."""


@dataclass(frozen=True)
class CopyLosses(Result):
    """What is left of copies without some heads: of all tokens, and apart of those that the model predicts where it
    reads the text for the first time, which need no copying."""

    copied: str
    """What is copied, in words."""
    rows: Annotated[tuple[str, ...], "row"]
    """Which heads are ablated, and what they write instead; the first row is the model as it is."""
    ablated: Annotated[tuple[tuple[str, ...], ...], "row"]
    right: Float[np.ndarray, "row string"]
    """Share of right tokens among those of the copy whose source has a token before it."""
    foreseen: Float[np.ndarray, "row string"]
    """Share of right tokens among those of `right` that the model as it is predicts where they are read for the first
    time; nan where there are none."""
    unforeseen: Float[np.ndarray, "row string"]
    """Share of right tokens among the others of `right`, which it does not predict there; nan where there are none."""
    first_reading: Float[np.ndarray, "row string"]
    """Share of tokens that are predicted where they are read for the first time, among those of `right`."""


@dataclass(frozen=True)
class LossTable(Result):
    """`CopyLosses` of several texts and lengths."""

    losses: tuple[CopyLosses, ...]


@dataclass(frozen=True)
class Likeness(Result):
    """How alike two rankings of the same heads are."""

    one: str
    other: str
    correlation: float | None
    """Spearman's rank correlation over all heads; None where one ranking has all heads alike."""
    interval: Interval | None
    """Over the strings of both: bootstrap."""
    shared: tuple[str, ...]
    """Heads that are among the first of both, in the order of the first."""


@dataclass(frozen=True)
class ProbeRankings(Result):
    """All heads ranked on the key-value probe by attention, while decoding and by ablation, and how alike these are."""

    UNITS: ClassVar[dict[str, str]] = {"cost": "nats"}

    probe: CopyHeads
    random: CopyHeads
    """The same on random tokens."""
    cost: Float[np.ndarray, "head string"]
    """Log-probability that the answer's tokens lose, on average, without one head."""
    likeness: tuple[Likeness, ...]


@dataclass(frozen=True)
class LanguageHeads(Result):
    """Which heads copy on random tokens, on text and in look-ups, what each costs, and how alike the rankings are."""

    tasks: tuple[str, ...]
    """Names of what heads were scored on, as in `scores`."""
    scores: tuple[CopyHeads, ...]
    cost: Float[np.ndarray, "head string"]
    """Log-probability (nats) in the key-value probe that the answer's tokens lose, on average, without one head."""
    curve: HeadCurve
    """Text, with the heads ablated in the order of random tokens."""
    first: int
    """How many of a ranking are called its first."""
    likeness: tuple[Likeness, ...]
    stay: tuple[str, ...]
    """Heads that are among the first, by attention, on every task."""
    causal: StepCurve | None = None
    """How far answers move to a rival place when the token t back becomes the rival's, on random tokens."""
    detector: HeadScores | None = None
    """The detector on random tokens: for which n each head attends."""

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of all heads."""
        return self.scores[0].heads

    def on(self, task: str) -> CopyHeads:
        """Return the scores on a task. Raises: KeyError for a task that was not asked."""
        return dict(zip(self.tasks, self.scores, strict=True))[task]


@dataclass(frozen=True)
class TextBits(Result):
    """What reading a text is worth to a model when the text comes again, by length; a row is a length."""

    UNITS: ClassVar[dict[str, str]] = {name: "bits" for name in ("prior", "used", "other", "interval")}

    lengths: Annotated[tuple[int, ...], "length"]
    """Tokens of a text."""
    prior: Float[np.ndarray, "length string"]
    """What each text costs the model by itself: its conditional entropy, as the model sees it."""
    used: Float[np.ndarray, "length string"]
    """What is saved when the model has read the text."""
    other: Float[np.ndarray, "length string"]
    """What is saved when it has read another text of the same source: the null."""
    interval: Annotated[tuple[Interval, ...], "length"]
    """Interval of the mean of `used`."""
    other_interval: Annotated[tuple[Interval, ...], "length"]
    """Interval of the mean of `other`."""

    @property
    def share(self) -> tuple[float, ...]:
        """Share of the prior's bits that are saved, at each length."""
        return tuple(float(x) for x in self.used.sum(axis=1) / self.prior.sum(axis=1))

    def share_interval(self, place: int) -> Interval:
        """Interval of `share` at a length, by its place: that of a mean, as a ratio of two sums is linearised."""
        used, prior, share = self.used[place], self.prior[place], self.share[place]
        return mean_interval(share + (used - share * prior) / prior.mean())


@dataclass(frozen=True)
class TextTransplants(Result):
    """What is predicted after the state behind one text was put into the run on another; a row is what was put there.

    Bits that each text costs less than in the host's own run: of the whole state, the donor's text gains what reading
    it is worth, and the host's loses as much.
    """

    parts: Annotated[tuple[str, ...], "part"]
    """Nothing, the whole state, or one layer's."""
    donor: Float[np.ndarray, "part string"]
    """Bits saved on the donor's text."""
    host: Float[np.ndarray, "part string"]
    """Bits saved on the host's own text; below 0 they are lost."""
    length: int = 0
    """Tokens of a text."""
