"""What cannot be drawn is refused before it is tried."""

import pytest
import torch

from interp.base import budget
from interp.base.errors import UserError
from interp.tasks import CopyTask, NgramLookup, pack


@pytest.mark.parametrize("task", [CopyTask(), NgramLookup(n=1)], ids=["copy", "ngram"])
@pytest.mark.parametrize(
    ("n", "length", "words"),
    [
        (0, 5, "the number of strings must be an integer of at least 1; got 0"),
        (-3, 5, "the number of strings must be an integer of at least 1; got -3"),
        (10**9, 30, "1,000,000,000 strings of 30 letters must fit into memory"),
        (2, 10**12, "2 strings of 1,000,000,000,000 letters must fit into memory"),
        (10**9, (3, 30), "1,000,000,000 strings of 30 letters must fit into memory"),
        (2, (9, 3), "length must be an integer, or a pair (shortest, longest); got (9, 3)"),
        (2, -4, "letters; got -4"),
    ],
)
def test_numbers_of_strings_and_letters_that_cannot_be_are_refused_before_anything_is_drawn(
    monkeypatch, task, n, length, words
):
    with monkeypatch.context() as patched, pytest.raises(UserError) as error:
        for name in ("rand", "randint", "randperm", "empty", "zeros", "full"):
            patched.setattr(torch, name, lambda *_, name=name, **__: pytest.fail(f"torch.{name} was called first"))
        task.sample(n, length, 0)
    assert words in str(error.value)


def test_a_giant_packed_batch_is_refused_too():
    with pytest.raises(UserError, match="must fit into memory"):
        pack(CopyTask(), 10**9, 100, (5, 9), 0, isolate=False)


def test_what_fits_is_asked_of_the_machine(monkeypatch):
    monkeypatch.setattr(budget, "memory", lambda: 10_000)
    CopyTask().sample(4, 5, 0)
    with pytest.raises(UserError, match="400 strings of 5 letters must fit into memory"):
        CopyTask().sample(400, 5, 0)
