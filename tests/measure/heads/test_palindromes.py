"""Palindromes lead a planted head astray that looks at its own answer, and leave one alone that keeps to the string."""

import pytest
import torch

from interp.base.errors import UserError
from interp.measure.heads.palindromes import palindrome_effect
from interp.models.planted.reverser import planted_reverser
from interp.tasks.reverse import ReverseCopy


def asked(n: int, across: bool, palindrome: int):
    model, _ = planted_reverser(n, 26, across=across)
    return palindrome_effect(model, ReverseCopy(), palindrome, 24, 200, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("palindrome", [4, 5, 6, 7])
def test_a_head_that_looks_across_the_separator_guesses_behind_palindromes_of_its_n_letters(palindrome):
    found = asked(5, True, palindrome)
    led, not_led = found.intervals
    assert found.right_otherwise > 195 and not_led.low > 0.94
    if palindrome < 5:
        assert found.right > 195
    else:  # one of two places, each with as much attention
        assert led.low < 0.5 < led.high


@pytest.mark.parametrize(("n", "alphabet", "length"), [(5, 26, 24), (3, 4, 12), (2, 8, 16)])
def test_a_head_that_keeps_to_the_string_does_not(n, alphabet, length):
    """The null, over small alphabets, too, where the same letters would often occur elsewhere by chance."""
    model, _ = planted_reverser(n, alphabet)
    found = palindrome_effect(model, ReverseCopy(alphabet), n, length, 100, torch.Generator().manual_seed(0))
    assert found.right == found.right_otherwise == 100


def test_numbers_that_cannot_be_are_refused():
    model, _ = planted_reverser(2, 26)
    with pytest.raises(UserError, match="n must be at least 2, length at least n"):
        palindrome_effect(model, ReverseCopy(), 5, 6, 4, torch.Generator())
    with pytest.raises(
        UserError, match="alphabet must be large enough for strings of 64 letters in which 2 occur once"
    ):
        palindrome_effect(model, ReverseCopy(2), 2, 64, 40, torch.Generator())
