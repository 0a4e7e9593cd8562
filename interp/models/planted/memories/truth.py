"""`MemoryTruth`: what a memory built by hand holds of a string, what it uses, and what a study should say of it.

A deterministic state h of uniform letters x holds I(x; h) = H(h) bits, which theorem 2.7 of Jelassi et al. 2024 turns
into the strings that can be copied: |S| / D^L, where log2 |S| >= H(h). A memory with k exact slots has H = min(L, k)
log2 D, however it is coded: coding changes what a probe can read, and nothing else. Codes that are added up as real
numbers almost surely differ for different strings, so that H = L log2 D; what can be *fetched* from them is less.
"""

from dataclasses import dataclass
from math import log2

import numpy as np
from jaxtyping import Float

from interp.models.planted.memories.codes import decoding, encoding
from interp.models.planted.memories.description import Memory
from interp.models.planted.memories.mixer import CLEAR
from interp.models.planted.memory import MemoryConfig

STRINGS = 4000
"""Strings over which bits are averaged where there is no closed form."""


@dataclass(frozen=True)
class MemoryTruth:
    """What is true of a memory by its construction.

    >>> model, truth = interp.models.planted.planted_memory("codes", seed=1)
    >>> truth.kind, truth.used(4) <= 4 * truth.letter
    ('codes', True)
    """

    kind: str
    """One of `MEMORIES`."""
    memory: Memory | MemoryConfig
    scale: int
    """Letters about which strings should be measured: from a sixth to four times as many."""
    bend: float | None
    """Letters at which the bits used stop growing; None where they have no bend."""
    limit: str
    """What stops the bits that are used: one of `interp.studies.state.verdict.Limit`."""

    @property
    def alphabet(self) -> int:
        return self.memory.alphabet

    @property
    def letter(self) -> float:
        """Bits of a letter."""
        return log2(self.alphabet)

    def used(self, length: int) -> float:
        """Bits that the answer shows of strings of this length, in the mean over strings."""
        if isinstance(self.memory, MemoryConfig):
            survives = 1 - self.memory.wiping / self.alphabet
            return self.letter * sum(survives**age for age in range(min(length, self.memory.k)))
        if self.memory.code == "hashed":
            free = 1 - 1 / self.memory.hashes
            return self.letter * sum(free**place for place in self.memory.kept(length))
        if self.memory.estimates:
            return estimated_bits(self.memory, length)
        return self.letter * len(self.memory.read(length))

    def held(self, length: int) -> tuple[float, float]:
        """Compute the least and the most bits that the state holds: H(h). Equal where they are known exactly.

        There is no closed form for letters that are wiped out or rounded away: the bounds are the bits used, and all.
        """
        if isinstance(self.memory, MemoryConfig):
            return self.used(length), self.letter * min(length, self.memory.k)
        if self.memory.code == "hashed":
            known = self._hashed(length)
        elif self.memory.grid:
            return self.used(length), self.letter * length
        else:
            known = self.letter * len(self.memory.kept(length))
        return known, known

    def most(self, length: int) -> float:
        """Bits that the state holds of strings of this length, at most."""
        return self.held(length)[1]

    def _hashed(self, length: int) -> float:
        """A letter that was kept is known; of one that was not, it is known that its hash was in use, and by chance one
        of f of the n hashes. f grows by 1 with probability 1 - f / n."""
        assert isinstance(self.memory, Memory)
        n, bits = self.memory.hashes, 0.0
        in_use = np.eye(n + 1)[0]
        f = np.arange(n + 1)
        for _ in self.memory.kept(length):
            new = in_use * (1 - f / n)
            old = in_use * f / n
            bits += float(new.sum() * self.letter + (old[1:] * (log2(n) - np.log2(f[1:]))).sum())
            in_use = old + np.roll(new, 1)
        return bits


def estimated_bits(memory: Memory, length: int, strings: int = STRINGS) -> float:
    """Bits used through interference: of each letter the mean over strings of log2 D + log2 p, where it is above 0.

    p is the softmax of the matched scores.

    Each letter's certainty is its share of the state over the variance of the others in a score, as a Gaussian's is.
    """
    rng = np.random.default_rng([memory.seed, length, 1])
    letters, places = rng.integers(memory.alphabet, size=(strings, length)), np.arange(length)
    codes, asked = encoding(memory).numpy(), decoding(memory).numpy()
    h = np.zeros((strings, codes.shape[2]))
    for place in places:
        h = memory.fade * h + codes[place][letters[:, place]]
        h = np.round(h / memory.grid) * memory.grid if memory.grid else h
    left = memory.fade ** (length - 1 - places)
    pairs = (np.einsum("sln,tmn->sltm", asked[:length], codes[:length]) ** 2).mean(axis=(1, 3))
    others = (pairs * (1 - np.eye(length))) @ left**2
    certainty = left / (others + memory.grid**2 / 12 + 1 / CLEAR)
    found = (_bits(certainty[place] * (h @ asked[place].T), letters[:, place]) for place in memory.read(length))
    return sum(max(0.0, float(bits.mean())) for bits in found)


def _bits(scores: Float[np.ndarray, "string letter"], letters: np.ndarray) -> Float[np.ndarray, " string"]:
    highest = scores.max(axis=1, keepdims=True)
    total = np.log(np.exp(scores - highest).sum(axis=1)) + highest[:, 0]
    return (scores[np.arange(len(letters)), letters] - total) / np.log(2) + log2(scores.shape[1])
