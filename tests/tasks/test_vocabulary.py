"""Letters beyond z, ids that are none, and text that comes back as it was."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from interp.base.errors import UserError
from interp.tasks import CopyTask, Vocabulary
from interp.tasks.vocabulary import LETTERS


@given(st.data(), st.sampled_from([2, 3, 26, 27, 32, 52, 53, 400]))
def test_text_is_read_and_written_back_whatever_the_alphabet(data, n_letters):
    vocabulary = Vocabulary.of_letters(n_letters)
    text = data.draw(st.text(vocabulary.letters + "$|.*"))
    ids = vocabulary.encode(text)
    assert vocabulary.decode(ids) == text
    assert all(0 <= i < vocabulary.size for i in ids.tolist())


def test_letters_go_on_after_z():
    task = CopyTask(alphabet=32)
    assert task.vocabulary.letters == "abcdefghijklmnopqrstuvwxyzABCDEF"
    assert task.decode(task.layout(torch.tensor([[0, 25, 26, 31]])).whole()) == ["$azAF|azAF."]
    assert Vocabulary(32).decode(torch.arange(36)) == "abcdefghijklmnopqrstuvwxyzABCDEF$|.*"


def test_all_letters_are_different_and_none_is_a_mark():
    assert len(set(LETTERS) | set("$|.*")) == len(LETTERS) + 4
    assert all(letter.isprintable() for letter in LETTERS)


def test_ids_laid_over_a_language_model_are_read_and_shown_as_numbers():
    vocabulary = Vocabulary(n_letters=3, bos=50, separator=None, eos=None, pad=50, letter_ids=(7, 11, 13))
    assert vocabulary.encode("$cab").tolist() == [50, 13, 7, 11]
    assert vocabulary.decode(torch.tensor([50, 13, 7, 8])) == "$<13><7><8>"
    with pytest.raises(UserError, match=r"got '\|'"):
        vocabulary.encode("a|")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Vocabulary().decode(torch.tensor([0, -1])), "token ids must be at least 0; got -1"),
        (
            lambda: CopyTask(3).layout(torch.tensor([[0, 3, 5]])),
            "letters must be 0 to 2, numbers of the alphabet; got 5",
        ),
        (
            lambda: CopyTask(3).layout(torch.tensor([[0, -1]])),
            "letters must be 0 to 2, numbers of the alphabet; got -1",
        ),
        (
            lambda: Vocabulary().encode("$ab1"),
            "text must be of the letters abcdefghijklmnopqrstuvwxyz and $ | . *; got '1'",
        ),
        (lambda: Vocabulary.of_letters(30_000), "alphabet must be 2 to"),
        (lambda: Vocabulary(4, letter_ids=(1, 2, 2, 3)), "letter_ids must be 4 different ids"),
        (lambda: Vocabulary(4, bos=2), "special tokens must have ids that no letter has; got 2 for both"),
        (lambda: Vocabulary(4, bos=-1), "token ids must be at least 0; got -1"),
    ],
)
def test_what_is_no_letter_and_no_id_is_refused(make, words):
    with pytest.raises(UserError) as error:
        make()
    assert words in str(error.value)
