"""Tasks survive JSON, and what is no task is refused."""

import json

import pytest

from interp.base.errors import UserError
from interp.tasks import CopyTask, NgramLookup, Task, Vocabulary, task_config, task_from_config

OVERLAID = CopyTask(vocab=Vocabulary(n_letters=3, bos=50, separator=None, eos=None, pad=50, letter_ids=(7, 11, 13)))


@pytest.mark.parametrize("task", [CopyTask(), CopyTask(5), OVERLAID, NgramLookup(), NgramLookup(2, 4, "prefix", 8)])
def test_a_task_written_as_json_and_read_back_is_the_same(task):
    assert task_from_config(json.loads(json.dumps(task_config(task)))) == task


def test_the_configuration_is_what_a_person_would_write():
    assert task_config(CopyTask(4)) == {"kind": "copy", "alphabet": 4, "vocab": None}
    assert task_from_config({"kind": "ngram", "n": 2}) == NgramLookup(n=2)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"kind": "copi"}, "no task is called 'copi'; the nearest known: copy"),
        ({}, "no task is called 'None'"),
        (
            {"kind": "copy", "alphabt": 4},
            "no field of the task 'copy' is called 'alphabt'; the nearest known: alphabet",
        ),
        ({"kind": "copy", "vocab": {"n_leters": 4}}, "no field of a vocabulary is called 'n_leters'"),
        ({"kind": "copy", "alphabet": 1}, "2 to 26 letters"),
        ({"kind": "ngram", "key": "infix"}, "'infix'"),
        ({"kind": "ngram", "n": "three"}, "'three'"),
    ],
)
def test_an_unknown_kind_field_or_value_is_refused_by_name(config, words):
    with pytest.raises(UserError) as error:
        task_from_config(config)
    assert words in str(error.value)


def test_a_task_of_ones_own_has_no_configuration():
    class Mine(Task):
        vocabulary = Vocabulary()

        def sample(self, n, length, generator): ...

    with pytest.raises(UserError, match="no task is called 'Mine'"):
        task_config(Mine())
