"""What mirrored n-grams cost: predicted of planted models from palindromes in short strings, then counted in others."""

import numpy as np
import pytest
import torch

from interp.base.estimates import proportion_interval
from interp.measure.heads.limits import ideal_string_accuracy, predict_accuracy
from interp.measure.heads.margins import head_margins
from interp.measure.heads.palindrome_cost import PalindromeCost, mirrored
from interp.measure.heads.palindromes import PalindromeEffect
from interp.models.planted.reverser import planted_reverser
from interp.tasks.reverse import ReverseCopy
from interp.training.evaluate import accuracy_by_length

LENGTHS = (8, 16, 32)
STRINGS = 200


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


SLOW = pytest.mark.slow


@pytest.mark.parametrize(("n", "alphabet"), [(4, 6), pytest.param(5, 8, marks=SLOW), pytest.param(3, 26, marks=SLOW)])
@pytest.mark.parametrize("across", [True, False])
def test_collisions_and_palindromes_predict_how_far_a_planted_model_writes_backwards(n, alphabet, across):
    model, _ = planted_reverser(n, alphabet, across=across)
    task = ReverseCopy(alphabet)
    cost = PalindromeCost.measure(model, task, n, 24, STRINGS, generator())
    for length, spared in zip(LENGTHS, cost.spared(LENGTHS), strict=True):
        errors = accuracy_by_length(model, task, (length,), STRINGS, generator(length)).first_error[0]
        low, high = proportion_interval(int((errors < 0).sum()), STRINGS)
        predicted = float(spared) * ideal_string_accuracy(n, alphabet, length)
        assert low - 0.05 < predicted < high + 0.05
        assert across or spared > 0.95


def slowly(answer: list[int], n: int) -> list[bool]:
    def found(at: int) -> bool:
        last = answer[at - n : at]
        return any(answer[end - n : end] == last[::-1] for end in range(n, at + 1))

    return [at >= n and found(at) for at in range(len(answer))]


@pytest.mark.parametrize(("n", "alphabet", "length"), [(1, 5, 9), (2, 3, 20), (3, 2, 40), (4, 3, 60), (7, 2, 5)])
def test_mirrored_letters_are_found(n, alphabet, length):
    answers = torch.randint(alphabet, (12, length), generator=generator())
    assert mirrored(answers, n).tolist() == [slowly(answer, n) for answer in answers.tolist()]


def test_mirrored_letters_are_as_many_as_the_cost_counts():
    """Led astray every time: the expected number of letters is that of the mirrored ones, less those that continue."""
    n, alphabet, length = 3, 12, 40
    cost = PalindromeCost(n, alphabet, (PalindromeEffect(n, 100, 0, 100),))
    answers = torch.randint(alphabet, (3000, length), generator=generator())
    counted = mirrored(answers, n).sum(axis=1).mean() * (1 - 1 / alphabet)
    assert -np.log(cost.spared([length])[0]) == pytest.approx(counted, rel=0.1)


def test_a_model_that_its_answer_leads_astray_is_predicted_so_and_the_letters_are_not_counted_twice():
    n, alphabet = 4, 6
    model, planting = planted_reverser(n, alphabet, across=True)
    task = ReverseCopy(alphabet)
    strings = task.sample(40, 24, generator())
    margins = head_margins(model, strings, [planting.lookup], behind=n)
    left = margins.without(mirrored(strings.answer_tokens, n))
    assert (margins.of_logits < 0).mean() > 3 * (left.of_logits < 0).mean()
    cost = PalindromeCost.measure(model, task, n, 24, STRINGS, generator())
    found = predict_accuracy([left], n, alphabet, LENGTHS, palindromes=cost)
    assert found.palindromes == pytest.approx(list(cost.spared(LENGTHS))) and found.reach["palindromes"] == 8
    assert "palindromes" not in predict_accuracy([margins], n, alphabet, LENGTHS).reach
    for at, length in enumerate(LENGTHS):
        errors = accuracy_by_length(model, task, (length,), STRINGS, generator(length)).first_error[0]
        low, high = proportion_interval(int((errors < 0).sum()), STRINGS)
        assert found.interval[at].low < high and low < found.interval[at].high


def test_the_cost_of_a_harmless_answer_is_none():
    cost = PalindromeCost(5, 26, (PalindromeEffect(5, 500, 499, 498),))
    assert cost.astray == (0,) and cost.spared([10_000]).tolist() == [1]
    draws = [cost.spared([10_000], cost.drawn(np.random.default_rng(seed)))[0] for seed in range(200)]
    assert 0.7 < min(draws) < max(draws) <= 1 and len(set(draws)) > 50  # no error seen is not none ever
