"""Palindromes, at which a head that looks backwards finds its own query: the answer so far reads the same both ways.

Where the last n written letters are a palindrome, the place at which they end in the answer holds them mirrored, too.
Unless the head can tell string and answer apart, it attends as much to the one as to the other, and what stands n back
in the answer is another letter. Of D letters, one place in D^floor(n / 2) is such a one.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.axes import Tokens
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.estimates import proportion_interval
from interp.base.interval import Interval
from interp.measure.attention.rows import blocks
from interp.models.stack.model import StackModel
from interp.tasks.reverse import ReverseCopy
from interp.tasks.sampling import below, draw_letters

DRAWS = 20
"""Times as many strings as are asked for that are drawn, of which those are left out that would not tell."""
Letters = Int[Tensor, "string letter"]


@dataclass(frozen=True)
class PalindromeEffect:
    """How often a letter is written right after a palindrome, and after the same letters but for one."""

    n: int
    """Letters of the palindrome."""
    strings: int
    right: int
    """Strings whose letter after the palindrome is written right."""
    right_otherwise: int
    """The same, where the letter written last is another one, so that there is no palindrome."""

    @property
    def intervals(self) -> tuple[Interval, Interval]:
        """95 % intervals of the two shares."""
        led, not_led = (proportion_interval(right, self.strings) for right in (self.right, self.right_otherwise))
        return led, not_led


@checked_call
@torch.no_grad()
def palindrome_effect(
    model: StackModel, task: ReverseCopy, n: int, length: int, strings: int, generator: torch.Generator
) -> PalindromeEffect:
    """Ask for the letter before a palindrome of n letters, and before the same letters with one changed.

    >>> from interp.models.planted import planted_reverser
    >>> model, _ = planted_reverser(n=3)
    >>> palindrome_effect(model, interp.tasks.ReverseCopy(), 3, 12, 20, torch.Generator().manual_seed(0)).right
    20

    Args:
        model: one of ours, which writes backwards.
        task: the task that it was trained on.
        n: letters of the palindrome, at least 2; of as many as its heads match (`backward_heads`), or more, it counts.
        length: letters of the strings, at least n + 2.
        strings: how many of each kind.
        generator: draws them.

    Raises: UserError for numbers that cannot be, or so few letters that no such strings are drawn.
    """
    if n < 2 or length < n + 2 or strings < 1:
        raise UserError(
            f"n must be at least 2, length at least n + 2 and strings at least 1; got n={n}, length={length} and "
            f"strings={strings}. Take numbers so large."
        )
    drawn = [_drawn(task.n_letters, n, length, strings, generator) for _ in range(DRAWS)]
    palindrome, otherwise, first = (torch.cat(parts)[:strings] for parts in zip(*drawn, strict=True))
    if len(first) < strings:
        raise UserError(
            f"alphabet must be large enough for strings of {length} letters in which {n} occur once; got "
            f"{task.n_letters}. Take shorter strings, or longer palindromes."
        )
    counts = []
    for some in (palindrome, otherwise):
        tokens = task.ask(some, torch.full((strings,), length)).tokens.to(model.device)
        counts.append(_right(model, tokens, 2 * length + 1 - first.to(tokens.device)))
    return PalindromeEffect(n, strings, *counts)


def _drawn(
    alphabet: int, n: int, length: int, strings: int, generator: torch.Generator
) -> tuple[Letters, Letters, Int[Tensor, " string"]]:
    """Strings with a palindrome, the same with the letter that is written last changed, and where those letters begin.

    Strings are left out in which these letters occur elsewhere, too, or, where they are no palindrome, mirrored: it
    would be those places that the model is led astray by.
    """
    letters = draw_letters(strings, length, alphabet, generator)
    rows, first = torch.arange(strings), 1 + below(torch.full((strings,), length - n - 1), generator)
    inside = first[:, None] + torch.arange(n)
    half = letters.gather(1, inside)
    letters.scatter_(1, inside, torch.where(torch.arange(n) < n // 2, half.flip(1), half))
    due, behind = letters[rows, first - 1], letters[rows, first + n]
    letters[rows, first + n] = torch.where(behind == due, (behind + 1) % alphabet, behind)  # or it would be longer
    otherwise = letters.clone()
    otherwise[rows, first] = (letters[rows, first] + 1) % alphabet
    once = torch.ones(strings, dtype=torch.bool)
    for some, places in ((letters, 1), (otherwise, 0)):
        asked, every = some.gather(1, inside)[:, None], some.unfold(1, n, 1)
        once &= ((asked == every).all(2).sum(1) == 1) & ((asked.flip(2) == every).all(2).sum(1) == places)
    return letters[once], otherwise[once], first[once]


def _right(model: StackModel, tokens: Tokens, query: Int[Tensor, " string"]) -> int:
    """Strings at whose query the model writes what follows."""
    right = 0
    for some in blocks(model, tokens):
        at = query[some, None]
        said = model(tokens[some]).argmax(dim=-1).gather(1, at)
        right += int((said == tokens[some].gather(1, at + 1)).sum())
    return right
