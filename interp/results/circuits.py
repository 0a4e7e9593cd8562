"""Why lookup heads look where they look, what a letter's logit is made of, and who makes up for a head that goes."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float

from interp.base.estimates import mean_interval, percentile_interval, resampled
from interp.base.interval import Interval
from interp.results.record import Result


@dataclass(frozen=True)
class HeadTables(Result):
    """One lookup head, taken apart: its score by writers and by letters back, and the letter's logit by who wrote it.

    The score is that of the source less the mean of the other letters that the head sees: a softmax knows no more. Its
    entries add up to it exactly, with the norm held at the scale that it had on each string.
    """

    head: str
    writers: Annotated[tuple[str, ...], "writer"]
    """What wrote to query and key: names of nodes, positions, biases."""
    by_writer: Float[np.ndarray, "example writer writer"]
    """Entries, query's writer by key's writer."""
    query_letters: Annotated[tuple[str, ...], "query_letter"]
    """Letters back from the query, then `rest`."""
    key_letters: Annotated[tuple[str, ...], "key_letter"]
    """The key's own letter, letters back from the position before it, then `rest`."""
    by_letter: Float[np.ndarray, "example query_letter key_letter"]
    position: Float[np.ndarray, " example"]
    """What distance adds to the score (ALiBi)."""
    score: Float[np.ndarray, " example"]
    """The score, as the run has it."""
    logit_writers: Annotated[tuple[str, ...], "logit_writer"]
    logit_parts: Float[np.ndarray, "example logit_writer"]
    """The copied letter's logit by who wrote it."""
    from_source: Float[np.ndarray, "example writer"]
    """What the head adds to that logit from the source, by what wrote there."""
    from_elsewhere: Float[np.ndarray, " example"]
    """What it adds from all other positions."""

    @property
    def diagonal(self) -> Float[np.ndarray, "example offset"]:
        """Letter t back at the query meeting letter t back at the key: the hash."""
        n = len(self.query_letters) - 1
        return np.diagonal(self.by_letter[:, :n, 1 : n + 1], axis1=1, axis2=2)

    @property
    def diagonal_share(self) -> float:
        """Share of the mean score that is on the diagonal."""
        return self._share(self.diagonal.sum(axis=1))

    def diagonal_interval(self, seed: int = 0) -> Interval:
        """Interval of `diagonal_share` over strings."""
        return self._interval(self.diagonal.sum(axis=1), seed)

    @property
    def recurrent_share(self) -> float:
        """Share of the mean score in which a recurrent layer wrote to query, key or both; 0 where there is none.

        Such a layer mixes letters, so that part is not taken apart by letters: it stands in the last row and column.
        """
        return self._share(self._through_recurrence)

    def recurrent_interval(self, seed: int = 0) -> Interval:
        """Interval of `recurrent_share` over strings."""
        return self._interval(self._through_recurrence, seed)

    @property
    def _through_recurrence(self) -> Float[np.ndarray, " example"]:
        mixers = [i for i, name in enumerate(self.writers) if name.endswith(".mixer")]
        others = np.delete(np.delete(self.by_writer, mixers, axis=1), mixers, axis=2)
        return self.by_writer.sum(axis=(1, 2)) - others.sum(axis=(1, 2)) if mixers else np.zeros(len(self.score))

    def _share(self, part: Float[np.ndarray, " example"]) -> float:
        """Mean of a part of the score over that of the score."""
        whole = float(self.score.mean())
        return float(part.mean()) / whole if whole else float("nan")

    def _interval(self, part: Float[np.ndarray, " example"], seed: int) -> Interval:
        weights = resampled(len(self.score), seed)
        whole = weights @ self.score
        return percentile_interval(weights @ part / np.where(whole != 0, whole, np.nan))

    @property
    def error(self) -> float:
        """Largest difference between the sum of entries and the score, over the sum of the entries' sizes."""
        left = np.abs(self.by_writer.sum(axis=(1, 2)) + self.position - self.score)
        return float((left / np.maximum(np.abs(self.by_writer).sum(axis=(1, 2)), 1e-30)).max())

    def largest(self, n: int) -> list[tuple[str, str, float, Interval]]:
        """The entries of the table by writers with the largest means: query's writer, key's writer, mean, interval."""
        means = self.by_writer.mean(axis=0)
        order = np.argsort(-np.abs(means), axis=None)[:n]
        places = zip(*np.unravel_index(order, means.shape), strict=True)
        return [
            (self.writers[i], self.writers[j], float(means[i, j]), mean_interval(self.by_writer[:, i, j]))
            for i, j in places
        ]


@dataclass(frozen=True)
class SelfRepair(Result):
    """What becomes of the answer when heads go: their own share of it, what is lost, and who wins some of it back.

    All in nats of the right letter's logit less the mean of the others', averaged over a string's letters.
    """

    heads: Annotated[tuple[str, ...], "head"]
    others: Annotated[tuple[str, ...], "other"]
    """Nodes after the first of them that write to the stream."""
    clean: Float[np.ndarray, " example"]
    """With nothing taken away."""
    direct: Float[np.ndarray, "head example"]
    """Lost when what a head writes is replaced by its mean in the logits alone, and nothing else can answer to it."""
    total: Float[np.ndarray, "head example"]
    """Lost when its output is replaced everywhere."""
    won_back: Float[np.ndarray, "head other example"]
    """What another node wins back: lost besides if that node is held at what it wrote before. Below 0 for one
    that makes the loss worse; 0 for nodes before the head."""
    together: Float[np.ndarray, " example"]
    """Lost when all of the heads are replaced at once."""

    @property
    def repaired(self) -> Float[np.ndarray, "head example"]:
        """Direct effect less total effect: what the rest makes up for; below 0 where it adds to the loss."""
        return self.direct - self.total

    @property
    def redundancy(self) -> float:
        """1 less the sum of what each head costs alone, over what all cost together.

        0 where heads add up, 1 where each can stand in for the others, below 0 where each is needed by the others.
        """
        return self._redundancy(np.full((1, len(self.together)), 1 / len(self.together)))[0]

    def redundancy_interval(self, seed: int = 0) -> Interval:
        """Interval of the redundancy over strings."""
        return percentile_interval(self._redundancy(resampled(len(self.together), seed)))

    def _redundancy(self, weights: Float[np.ndarray, "resample example"]) -> Float[np.ndarray, " resample"]:
        whole = weights @ self.together
        return 1 - (weights @ self.total.sum(axis=0)) / np.where(np.abs(whole) > 1e-9, whole, np.nan)


@dataclass(frozen=True)
class LetterCircuits(Result):
    """QK and OV circuits of one head over letters, multiplied out of the weights: norms and biases are left out."""

    head: str
    letters: Annotated[tuple[str, ...], "letter"]
    writers: Annotated[tuple[str, ...], "writer"]
    """What brings a letter to the query or the key: its own embedding, or a head of an earlier layer."""
    qk: Float[np.ndarray, "writer key_writer letter key_letter"]
    """Score: query's writer by key's writer, query's letter by key's letter."""
    ov: Float[np.ndarray, "letter raised_letter"]
    """Logit: letter that is attended to by letter that is raised."""

    def strongest(self, most: int = 4) -> tuple[tuple[str, str], ...]:
        """The pairs of query's and key's writer that tell equal letters from others best: by the mean score of a letter
        with itself, less that with another one."""
        n = len(self.letters)
        same = np.trace(self.qk, axis1=2, axis2=3) / n
        other = (self.qk.sum(axis=(2, 3)) - n * same) / max(1, n * (n - 1))
        order = np.argsort(-(same - other), axis=None)[:most]
        return tuple((self.writers[i // len(self.writers)], self.writers[i % len(self.writers)]) for i in order)
