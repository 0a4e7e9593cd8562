"""The worked example of every new task, as its docstring has it."""

import pytest
import torch

from interp.tasks import Passkey, PhoneBook, PlantedCopy, Recall, SelectiveCopy
from interp.tasks.copy import CopyTask
from interp.tasks.vocabulary import LETTERS


def numbers(text):
    return torch.tensor([[LETTERS.index(c) for c in text]])


def shown(task, batch):
    (text,) = task.decode(batch.whole())
    return text, batch.source[batch.answer].tolist()


def test_a_selective_copy():
    task = SelectiveCopy(alphabet=4)
    batch = task.ask(numbers("abc"), torch.tensor([[1, 2, 4]]), torch.tensor([3]))
    assert shown(task, batch) == ("$dabdcd|abc.", [2, 3, 5])


def test_a_passkey():
    task = Passkey(digits=2, alphabet=6)
    batch = task.ask(numbers("abcaaba"), numbers("ed"), torch.tensor([3]), torch.tensor([7]))
    assert shown(task, batch) == ("$abcedba|ed.", [4, 5])


def test_a_phone_book():
    task = PhoneBook(name=2, number=2, alphabet=6)
    batch = task.ask(numbers("abedcaffbbde").view(1, 3, 4), torch.tensor([3]), torch.tensor([1]))
    assert shown(task, batch) == ("$abedcaffbbde|caff.", [7, 8])


def test_a_recall():
    task = Recall(alphabet=6)
    pairs = torch.tensor([[[2, 1], [0, 2]]])  # c e, a f
    none = torch.zeros(1, 0, 2, dtype=torch.long)
    batch = task.ask(pairs, torch.tensor([2]), none, torch.tensor([[0, 1]]), torch.tensor([[0, 1]]), numbers("aaaa"))
    assert shown(task, batch) == ("$ceaf|ceaf.", [2, 4])


def test_a_key_that_gets_another_value_has_that_and_pairs_that_stand_twice_are_found_twice():
    task = Recall(alphabet=6, updates=1, passes=2, spread=2)
    pairs, update = torch.tensor([[[2, 1], [0, 2]]]), torch.tensor([[[1, 0]]])  # c e, a f; then a d
    slots, filler = torch.tensor([[2, 0]]), numbers("bbbbbbbb")
    batch = task.ask(pairs, torch.tensor([2]), update, torch.tensor([[0, 1]]), slots, filler)
    assert shown(task, batch) == ("$ceafceafad|adbbcebb.", [10, 6])
    assert batch.also[batch.answer].tolist() == [[-1], [2]]


@pytest.mark.parametrize("k", [0, 1, 2, 4])
def test_a_planted_repeat_is_exactly_so_long(k):
    """Over many letters, so that hardly any other repeat arises: two places, and no longer common string."""
    task = PlantedCopy(k=k, alphabet=20_000)
    for text in task.decode(task.sample(30, 2 * k + 4, 0).answer_tokens):
        twice = {size: any(text.count(text[i : i + size]) > 1 for i in range(len(text))) for size in (k, k + 1) if size}
        assert twice.get(k, True)
        assert not twice[k + 1]


def test_a_planted_copy_is_laid_out_as_a_copy():
    letters = PlantedCopy(k=2).sample(4, 9, 0).answer_tokens
    assert torch.equal(PlantedCopy(k=2).sample(4, 9, 0).whole(), CopyTask().layout(letters).whole())
