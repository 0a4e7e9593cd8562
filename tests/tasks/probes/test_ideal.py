"""The ideal n-gram copier against a search through the text, against drawn guesses, and against closed forms."""

import itertools
import math
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.base.errors import UserError
from interp.tasks.copy import CopyTask
from interp.tasks.probes.ideal import ambiguous, guess_probability, ideal_ngram_accuracy
from interp.tasks.probes.matches import match_lengths
from interp.tasks.probes.planted_repeats import planted_repeats
from interp.tasks.sampling import draw_letters
from interp.tasks.vocabulary import LETTERS


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def numbers(text):
    return torch.tensor([[LETTERS.index(c) for c in text]])


def places_looked_up(text, written, n):
    """Places whose letter a copier with n-gram keys may write next: where the last n tokens of the copy stand.

    The string begins with `$`, and so does what was written: the separator counts as the beginning.
    """
    string, key = "$" + text, ("$" + written)[-n:]
    return [end for end in range(len(key), len(string)) if string[end - len(key) : end] == key]


def slow_probability(text, n):
    share = []
    for i, letter in enumerate(text):
        places = places_looked_up(text, text[:i], n)
        share.append(sum(text[place - 1] == letter for place in places) / len(places))
    return share


def test_the_probabilities_of_a_short_string_worked_by_hand():
    # In `abacab` a is followed by b, c, b; b by a (its second is at the end); c by a.
    assert guess_probability(numbers("abacab"), 1).tolist() == [pytest.approx([1, 2 / 3, 1, 1 / 3, 1, 2 / 3])]
    assert guess_probability(numbers("abacab"), 2).tolist() == [[1] * 6]


@settings(max_examples=80, deadline=None)
@given(text=st.text("abc", min_size=1, max_size=14), n=st.integers(1, 6))
def test_probabilities_are_those_of_a_search_through_the_text(text, n):
    assert guess_probability(numbers(text), n)[0].tolist() == pytest.approx(slow_probability(text, n))


@settings(max_examples=80, deadline=None)
@given(texts=st.lists(st.text("ab", min_size=1, max_size=12), min_size=1, max_size=4), n=st.integers(1, 14))
def test_a_string_is_ambiguous_exactly_if_an_n_gram_has_two_continuations_inside(texts, n):
    letters = torch.cat([numbers(text.ljust(12, "b")) for text in texts])
    for task in (CopyTask(), CopyTask(3)):
        found = ambiguous(task.layout(letters, torch.tensor([len(text) for text in texts])), n)
        assert found.tolist() == [min(slow_probability(text, n)) < 1 for text in texts]


def test_the_ideal_copier_is_what_drawn_guesses_give():
    """The copier itself, token by token; teacher-forced, and its whole strings free-running."""
    chance, n, length, samples = random.Random(0), 2, 16, 4000
    strings = right = letters = 0
    for _ in range(samples):
        text = "".join(chance.choices("abcd", k=length))
        guesses = [text[chance.choice(places_looked_up(text, text[:i], n)) - 1] for i in range(length)]
        letters += sum(a == b for a, b in zip(guesses, text, strict=True))
        written = ""
        while len(written) < length and text.startswith(written):
            written += text[chance.choice(places_looked_up(text, written, n)) - 1]
        right += written == text
        strings += 1
    ideal = ideal_ngram_accuracy(CopyTask(4), n, [length], seeded(), samples=20_000)
    string_error = math.sqrt(ideal.string[0] * (1 - ideal.string[0]) / strings)
    assert right / strings == pytest.approx(ideal.string[0], abs=4 * string_error)
    assert letters / (strings * length) == pytest.approx(ideal.letter[0], abs=0.01)


TABLE = {  # n: length -> string accuracy / letter accuracy, from drawn guesses on 300 strings (80 from 300 letters on)
    1: {30: (0.0, 0.626), 50: (0.0, 0.480), 100: (0.0, 0.290), 300: (0.0, 0.124)},
    2: {30: (0.659, 0.983), 50: (0.307, 0.970), 100: (0.007, 0.936), 300: (0.0, 0.820)},
    3: {30: (0.993, 0.9997), 50: (0.953, 0.999), 100: (0.830, 0.998), 300: (0.134, 0.991)},
    4: {30: (1.0, 1.0), 50: (0.995, 1.0), 100: (0.988, 1.0), 300: (0.916, 1.0)},
    5: {30: (1.0, 1.0), 50: (1.0, 1.0), 100: (1.0, 1.0), 300: (1.0, 1.0)},
}


@pytest.mark.parametrize("n", TABLE)
def test_the_table_measured_before_is_found_again(n):
    lengths = list(TABLE[n])
    ideal = ideal_ngram_accuracy(CopyTask(), n, lengths, seeded(n), samples=1000)
    for i, length in enumerate(lengths):
        strings = 300 if length < 300 else 80
        string, letter = TABLE[n][length]
        # 3.5 standard errors of the table; of letters, those of one string are not independent: 2 letters count as one.
        spread = math.sqrt(max(ideal.string[i] * (1 - ideal.string[i]), 1 / strings) / strings)
        assert string == pytest.approx(ideal.string[i], abs=3.5 * spread)
        spread = math.sqrt(max(ideal.letter[i] * (1 - ideal.letter[i]), 1 / strings) / (strings * length / 2))
        assert letter == pytest.approx(ideal.letter[i], abs=3.5 * spread + 5e-4)


@pytest.mark.parametrize(("length", "n"), [(20, 2), (30, 3), (50, 3), (100, 3)])
def test_the_share_of_strings_with_a_repeated_n_gram_is_that_of_the_birthday_problem(length, n):
    """Paper facts, section 3: about C(L-n+1, 2) 26^-n pairs; the share is 1 - exp(-pairs) up to overlaps."""
    samples = 1000
    letters = draw_letters(samples, length, 26, seeded(length))
    repeated = (match_lengths(letters, n).amax(dim=(1, 2)) >= n).double().mean().item()
    expected = 1 - math.exp(-math.comb(length - n + 1, 2) / 26**n)
    assert repeated == pytest.approx(expected, abs=4 * math.sqrt(expected / samples))


def test_more_context_never_hurts_the_ideal_copier_and_the_longest_is_always_right():
    letters = draw_letters(200, 40, 4, seeded())
    probabilities = [guess_probability(letters, n).prod(dim=1) for n in (1, 2, 3, 4, 6, 39, 40, 60)]
    for short, long in itertools.pairwise(probabilities):
        assert short.mean() <= long.mean()
    assert (probabilities[-2] == 1).all()
    assert (probabilities[-1] == 1).all()


def test_a_planted_repeat_steps_the_ideal_copier_down_at_n():
    k = torch.arange(1, 7).repeat(30)
    probe = planted_repeats(CopyTask(26), k, 30, seeded(), True, context=6)
    for n in (2, 4):
        must_guess = ambiguous(probe.whole, n)
        assert must_guess[k >= n].all()
        assert must_guess[k < n].double().mean() < (0.9 if n == 2 else 0.05), "only by other repeats"


def test_an_n_below_one_is_refused():
    with pytest.raises(UserError, match="at least 1 token"):
        ideal_ngram_accuracy(CopyTask(), 0, [5], seeded())


def test_probabilities_and_ambiguity_run_on_meta_tensors():
    letters = torch.zeros(3, 9, dtype=torch.long, device="meta")
    assert guess_probability(letters, 2).shape == (3, 9)
    assert ambiguous(CopyTask().layout(letters), 2).shape == (3,)


def test_samples_and_limits_that_cannot_be_are_refused():
    with pytest.raises(UserError, match="samples must be at least 1"):
        ideal_ngram_accuracy(CopyTask(), 2, (4,), 0, samples=-1)
    tokens = torch.tensor([[0, 1, 2, 0, 1]])
    with pytest.raises(UserError, match="limit must be at least 0"):
        match_lengths(tokens, -1)
    assert match_lengths(tokens, 2**40).equal(match_lengths(tokens, 5))
