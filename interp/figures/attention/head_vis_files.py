"""The file of one head in HeadVis's data tree: its strings by decile, sparse, and what it looks at."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

KEYS, LEAST = 8, 0.005
"""How many of the strongest keys are kept for a query, and the least weight that is kept."""
BINS, TOP = 20, 10
"""Bins of the histogram of largest weights; tokens that are named."""

Pattern = Float[np.ndarray, "query key"]
Tokens = Int[np.ndarray, " pos"]


@dataclass(frozen=True)
class Kept:
    """One string as a head sees it."""

    labels: tuple[str, ...]
    index: Int[np.ndarray, " entry"]
    """query times length plus key, in reading order."""
    weight: Float[np.ndarray, " entry"]
    largest: float


@dataclass
class Token:
    """How a token looks, and is looked at, wherever it stands."""

    label: str
    places: int = 0
    sharpest: float = 0.0
    """Sum over its places of the largest weight that it gives."""
    drawn: float = 0.0
    """Sum of the weights that it gets."""


class HeadFile:
    """What is kept of one head while strings go by, and its file in the end."""

    def __init__(self) -> None:
        self.strings: list[Kept] = []
        self.tokens: dict[int, Token] = {}
        self.by_distance = np.zeros(0)
        self.queries = 0

    def add(self, pattern: Pattern, tokens: Tokens, labels: tuple[str, ...]) -> None:
        """Take the pattern of one more string.

        Args:
            pattern: of this head.
            tokens: the string.
            labels: its tokens as text.
        """
        index, weight = _sparse(pattern)
        self.strings.append(Kept(labels, index, weight, largest(pattern)))
        n_pos = len(pattern)
        sums = np.array([np.diagonal(pattern, -distance).sum() for distance in range(n_pos)], dtype=float)
        longer = np.zeros(max(n_pos, len(self.by_distance)))
        longer[: len(self.by_distance)] = self.by_distance
        longer[:n_pos] += sums
        self.by_distance, self.queries = longer, self.queries + n_pos
        gives, gets = pattern.max(axis=1), pattern.sum(axis=0)
        for place, token in enumerate(tokens.tolist()):
            of = self.tokens.setdefault(token, Token(labels[place]))
            of.places += 1
            of.sharpest += float(gives[place])
            of.drawn += float(gets[place])

    def content(self, intervals: int, per_interval: int, generator: np.random.Generator) -> dict[str, Any]:
        """Return the file.

        Args:
            intervals: into how many parts the strings are cut, by their largest weight; the highest number is the
                highest part.
            per_interval: strings that are kept of each, at most.
            generator: draws them.
        """
        found = np.array([kept.largest for kept in self.strings])
        parts = np.array_split(np.argsort(found, kind="stable"), intervals)
        chosen = [
            self._sequence(int(place), number)
            for number, part in enumerate(parts, 1)
            for place in sorted(generator.permutation(part)[:per_interval].tolist())
        ]
        counts, edges = np.histogram(found.clip(0, 1), bins=BINS, range=(0, 1))
        by_distance = (self.by_distance / self.queries).tolist()
        return {
            "sequences": chosen,
            "qk_distance_histogram": {
                "bin_edges": list(range(len(by_distance) + 1)),
                "bin_values": [rounded(value) for value in by_distance],
            },
            "top_query_tokens": _top([(of, of.sharpest / of.places) for of in self.tokens.values()]),
            "top_key_tokens": _top([(of, of.drawn / self.queries) for of in self.tokens.values()]),
            "histogram": {"bin_edges": [rounded(edge) for edge in edges], "bin_values": counts.tolist()},
            "statistics": {"n_samples": len(self.strings), "mean_max_activation": rounded(found.mean())},
        }

    def _sequence(self, place: int, interval: int) -> dict[str, Any]:
        kept = self.strings[place]
        return {
            "sequence_id": place,
            "interval": interval,
            "tokens": list(kept.labels),
            "attention_indices": kept.index.tolist(),
            "attention_values": [rounded(weight) for weight in kept.weight],
            "seq_len": len(kept.labels),
            "max_activation": rounded(kept.largest),
        }


def largest(pattern: Pattern) -> float:
    """Return the largest weight from and to any position but the first, on which many heads rest; as HeadVis does."""
    return float(pattern[1:, 1:].max(initial=0.0))


def rounded(value: Any) -> float:
    """Return a number with the digits that the tree has."""
    return round(float(value), 4)


def _sparse(pattern: Pattern) -> tuple[Int[np.ndarray, " entry"], Float[np.ndarray, " entry"]]:
    """The weights that are written, in reading order."""
    strongest = np.argsort(-pattern, axis=1, kind="stable")[:, :KEYS]
    chosen = np.zeros(pattern.shape, dtype=bool)
    np.put_along_axis(chosen, strongest, True, axis=1)
    query, key = np.nonzero(chosen & (pattern >= LEAST))
    return query * len(pattern) + key, pattern[query, key]


def _top(found: list[tuple[Token, float]]) -> list[dict[str, Any]]:
    """The tokens with the most; two that read alike are two."""
    best = sorted(found, key=lambda pair: -pair[1])[:TOP]
    return [{"token": of.label, "weight": rounded(weight), "count": of.places} for of, weight in best]
