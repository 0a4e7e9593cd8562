"""What a model's own answer costs it when it writes backwards: mirrored n-grams in it, palindromes among them.

A head that looks n letters behind the one that is due knows its place by the last n written letters, mirrored. The
answer so far holds them mirrored, too, where the n letters that end m - n places earlier are theirs reversed. Up to
m = 2n - 1 the two overlap and together form a palindrome of m letters, which takes m // 2 equal pairs; from 2n on it
takes n. So palindromes cost in proportion to the length, and the rest with its square.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.measure.heads.palindromes import PalindromeEffect, palindrome_effect
from interp.models.stack.model import StackModel
from interp.tasks.reverse import ReverseCopy

ASKED = 3
"""Palindromes of n, n + 1 and n + 2 letters are asked of; longer ones, which are rarer, count as the last of them."""


@dataclass(frozen=True)
class PalindromeCost:
    """How often a mirrored n-gram in the answer leads a model astray, and what that costs at any length."""

    n: int
    """Letters that its heads match."""
    alphabet: int
    effects: tuple[PalindromeEffect, ...]
    """Effects of palindromes of n letters, n + 1, ..."""

    @classmethod
    def measure(
        cls, model: StackModel, task: ReverseCopy, n: int, length: int, strings: int, generator: torch.Generator
    ) -> "PalindromeCost":
        """Ask the model after palindromes of n letters and somewhat more (`palindrome_effect`)."""
        asked = range(n, n + ASKED)
        effects = (palindrome_effect(model, task, letters, length, strings, generator) for letters in asked)
        return cls(n, task.n_letters, tuple(effects))

    @property
    def astray(self) -> tuple[float, ...]:
        """Share of the letters after such palindromes that are wrong because of them."""
        return tuple(max(0.0, (each.right_otherwise - each.right) / each.strings) for each in self.effects)

    def drawn(self, generator: np.random.Generator) -> tuple[float, ...]:
        """What `astray` may as well be: shares drawn from Jeffreys' posterior, for no error seen is not none ever."""
        return tuple(
            max(0.0, _share(e.right_otherwise, e, generator) - _share(e.right, e, generator)) for e in self.effects
        )

    def spared(self, lengths: Sequence[int], astray: Sequence[float] | None = None) -> Float[np.ndarray, " length"]:
        """Share of uniform strings of each length in which no letter goes wrong in this way.

        Args:
            lengths: letters of the strings.
            astray: in place of what was measured, as `drawn` draws it.
        """
        shares = np.array(self.astray if astray is None else astray)
        return np.array([np.exp(-self._expected(length, shares)) for length in lengths])

    def _expected(self, length: int, astray: Float[np.ndarray, " palindrome"]) -> float:
        """Letters of a string that are led astray, on average: for each m the places with m letters before them."""
        letters = np.arange(self.n, max(length, self.n))
        chance = float(self.alphabet) ** -np.minimum(letters // 2, self.n) * (1 - 1 / self.alphabet)
        share = astray[np.minimum(letters - self.n, len(astray) - 1)]
        return float(((length - letters) * chance * share).sum())


def _share(right: int, effect: PalindromeEffect, generator: np.random.Generator) -> float:
    return float(generator.beta(right + 0.5, effect.strings - right + 0.5))


def mirrored(answers: Int[Tensor, "string letter"], n: int) -> Bool[np.ndarray, "string letter"]:
    """Whether the n letters before each stand mirrored in the answer so far, themselves included.

    >>> import torch
    >>> mirrored(torch.tensor([[5, 1, 2, 1, 9]]), 3)
    array([[False, False, False, False,  True]])
    """
    windows = answers.cpu().unfold(1, n, 1) if answers.shape[1] >= n else answers.cpu()[:, :0, None]
    found = np.zeros(answers.shape, dtype=bool)
    for row, string in zip(found, windows.numpy(), strict=True):
        as_read, reversed_ = (np.ascontiguousarray(each) for each in (string, string[:, ::-1]))
        seen: set[bytes] = set()
        for at in range(len(string) - 1):  # the last window has no letter after it
            seen.add(reversed_[at].tobytes())
            row[at + n] = as_read[at].tobytes() in seen
    return found
