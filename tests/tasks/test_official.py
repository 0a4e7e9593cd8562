"""Parity with the official definitions, told once more letter by letter, with Python's own strings."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from interp.tasks import CopyTask, DuplicateCopy, NgramLookup, PrefixCopy, Recall, score
from interp.tasks.duplicate import _replace
from interp.tasks.unique_grams import has_a_unique_gram
from interp.tasks.vocabulary import LETTERS


def official_text(kind: str, string: str, n: int, start: int, k: int) -> tuple[str, list[int]]:
    """The text of one example and the mask of its loss, of which there is one number for each of its letters."""
    if kind == "copy":
        text, unmasked = f"${string}|{string[:k] if k > 0 else string}.", len(string) + 2
        return text, [0] * unmasked + [1] * (len(text) - unmasked)
    key = string[start : start + n]
    rest = string[string.index(key) + n :]
    answer = rest[:k] if k > 0 else rest
    if kind == "prefix":
        text, unmasked = f"${key}|{string}|{answer}.", len(string) + n + 3
    else:
        text, unmasked = f"${string}|{key}{answer}.", len(string) + n + 2
    return text, [0] * unmasked + [1] * (len(text) - unmasked)


def letters_of(strings):
    return torch.tensor([[LETTERS.index(c) for c in string] for string in strings])


def written(text, width, vocabulary):
    return vocabulary.encode(text + "*" * (width - len(text)))


@pytest.mark.parametrize("key", ["prefix", "suffix"])
@pytest.mark.parametrize("k", [None, 1, 3])
def test_a_lookup_has_the_tokens_and_the_mask_of_the_official_code(key, k):
    rng = np.random.default_rng(0)
    task = NgramLookup(n=2, answer=k, key=key, ambiguous=True, alphabet=4)
    strings = ["".join(rng.choice(list("abcd"), 12)) for _ in range(200)]
    starts = rng.integers(0, 12 - 2 - (k or 0) - 2, 200)
    first = [string.index(string[start : start + 2]) for string, start in zip(strings, starts, strict=True)]
    batch = task.ask(letters_of(strings), torch.tensor(first), torch.full((200,), 12))
    whole = batch.whole()
    for row, (string, start) in enumerate(zip(strings, starts, strict=True)):
        text, mask = official_text(key, string, 2, start, k or -1)
        assert torch.equal(whole[row], written(text, whole.shape[1], task.vocabulary))
        assert batch.loss_mask[row].tolist() == [bool(m) for m in mask[1:]] + [False] * (whole.shape[1] - len(text))


def test_a_copy_has_the_tokens_and_the_mask_of_the_official_code():
    strings = ["cab", "zzz", "xyx"]
    batch = CopyTask().layout(letters_of(strings))
    for row, string in enumerate(strings):
        text, mask = official_text("copy", string, 0, 0, -1)
        assert torch.equal(batch.whole()[row], CopyTask().vocabulary.encode(text))
        assert batch.loss_mask[row].tolist() == [bool(m) for m in mask[1:]]


@pytest.mark.parametrize("k", [1, 2, 5])
def test_a_copy_of_the_beginning_has_the_tokens_and_the_mask_of_the_official_code(k):
    strings = ["cabd", "zzzz", "xyxw"]
    batch = PrefixCopy(answer=k).ask(letters_of(strings), torch.full((3,), 4))
    for row, string in enumerate(strings):
        text, mask = official_text("copy", string, 0, 0, k)
        assert torch.equal(batch.whole()[row], PrefixCopy().vocabulary.encode(text))
        assert batch.loss_mask[row].tolist() == [bool(m) for m in mask[1:]]


def official_scores(text: str, mask: list[int], predicted: list[int], vocabulary) -> tuple[bool, float]:
    """Whether all letters are right, and their share: what is masked in, without the end token."""
    right = [
        int(vocabulary.encode(text[i])) == predicted[i - 1] for i in range(1, len(text)) if mask[i] and text[i] != "."
    ]
    return all(right), sum(right) / len(right)


def test_scores_are_those_of_the_official_code():
    task = NgramLookup(n=2, answer=3, key="suffix", ambiguous=True, alphabet=4)
    batch = task.sample(300, (9, 14), 0)
    generator = torch.Generator().manual_seed(1)
    noise = torch.rand(batch.targets.shape, generator=generator) < 0.2
    predicted = torch.where(noise, 0, batch.targets)
    found = score(predicted, batch)
    for row, text in enumerate(task.decode(batch.whole())):
        text = text.rstrip("*")
        length = text.index("|") - 1
        mask = [0] * (length + 2 + 2) + [1] * (len(text) - length - 4)
        string, letter = official_scores(text, mask, predicted[row].tolist(), task.vocabulary)
        assert found.string_correct[row] == string
        assert float(found.letter_accuracy[row]) == pytest.approx(letter)


@pytest.mark.parametrize(("k", "places"), [(None, 12 - 3 - 2), (2, 12 - 3 - 2 - 2)])
def test_the_key_begins_at_the_places_that_the_official_code_draws(k, places):
    """Over many letters, so that no key stands twice: `range(L - n - k - 1)`, whose last place is never drawn."""
    task = NgramLookup(n=3, answer=k, ambiguous=True, alphabet=20_000)
    batch = task.sample(4000, 12, 0)
    first = batch.source.masked_fill(~batch.answer, 99).amin(dim=1) - 1 - 3
    assert len(torch.bincount(first)) == places
    assert chisquare(torch.bincount(first)).pvalue > 1e-3


def test_an_ngram_is_written_over_another_as_python_replaces_it():
    rng = np.random.default_rng(1)
    strings = ["".join(rng.choice(list("ab"), 14)) for _ in range(400)]
    old, new = rng.integers(0, 11, 400), rng.integers(0, 11, 400)
    got = _replace(letters_of(strings), torch.tensor(new), torch.tensor(old), torch.full((400,), 14), 3)
    for row, string in enumerate(strings):
        was, becomes = string[old[row] : old[row] + 3], string[new[row] : new[row] + 3]
        assert "".join(LETTERS[i] for i in got[row]) == string.replace(was, becomes)


def lacks_a_repeat(string: str, n: int) -> bool:
    grams = [string[i : i + n] for i in range(len(string) - n + 1)]
    return len(set(grams)) == len(grams)


def test_as_many_strings_hold_no_duplicate_as_in_the_official_way():
    rng, samples = np.random.default_rng(3), 4000
    for n, length in [(3, 100), (5, 30)]:
        reference = 0
        for _ in range(samples):
            string = "".join(rng.choice(list(LETTERS[:26]), length))
            new, old = rng.choice(length - n - 1, 2, replace=False)
            reference += lacks_a_repeat(string.replace(string[old : old + n], string[new : new + n]), n)
        texts = CopyTask().decode(DuplicateCopy(n=n).sample(samples, length, 0).answer_tokens)
        found = sum(lacks_a_repeat(text, n) for text in texts)
        assert found / samples == pytest.approx(reference / samples, abs=0.04)
        assert 0 < found < samples


def test_a_string_has_a_unique_ngram_as_a_list_counts_it():
    rng = np.random.default_rng(2)
    strings = ["".join(rng.choice(list("abc"), 20)) for _ in range(300)]
    places = rng.integers(3, 18, 300)
    got = has_a_unique_gram(letters_of(strings), 2, torch.tensor(places))
    for row, string in enumerate(strings):
        listed = [string[i : i + 2] for i in range(places[row])]
        assert bool(got[row]) == any(listed.count(gram) == 1 for gram in listed)
    assert 0 < got.float().mean() < 1


def zoology(keys, values, gaps, filler):
    """Inputs and labels of one string, as the task's authors define them; 0 where nothing is asked."""
    inputs = [token for pair in zip(keys, values, strict=True) for token in pair] + list(filler)
    labels = [-100] * len(inputs)
    for key, value, gap in zip(keys, values, gaps, strict=True):
        at = 2 * len(keys) + 2 * gap
        inputs[at], labels[at] = key, value
    return inputs, labels


def test_a_recall_asks_where_zoology_asks():
    """But for the marks around it, and the value behind each key, where zoology has a letter at random."""
    task = Recall(alphabet=20, spread=3)
    batch = task.sample(50, 4, 0)
    for row, asked in zip(batch.whole().tolist(), batch.answer.tolist(), strict=True):
        body, zone = row[1:9], row[10:-1]
        keys, values = body[::2], body[1::2]
        assert len({*keys}) == len({*values}) == 4
        assert max(keys) < 10 <= min(values)
        gaps = [next(g for g in range(12) if asked[10 + 2 * g] and zone[2 * g] == key) for key in keys]
        inputs, labels = zoology(keys, values, gaps, zone)
        assert inputs == body + zone
        ours = [row[i + 1] if asked[i] else -100 for i in range(len(asked))]
        assert labels == ours[1:9] + ours[10:]


def test_gaps_follow_the_power_law():
    """The first slot that is drawn, that of the first key: in proportion to s^(power - 1)."""
    task = Recall(alphabet=20, spread=4, power=0.2, queries=1)
    batch = task.sample(20_000, 2, 0)
    slot = (batch.prompt_end - 6) // 2
    wanted = (np.arange(4) + 1.0) ** (0.2 - 1)
    assert chisquare(torch.bincount(slot), 20_000 * wanted / wanted.sum()).pvalue > 1e-3
