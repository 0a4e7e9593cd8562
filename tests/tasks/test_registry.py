"""Tasks survive JSON, and what is no task is refused."""

import json

import pytest

from interp.base.errors import UserError
from interp.tasks import (
    CopyTask,
    NgramLookup,
    Task,
    Vocabulary,
    register,
    task_config,
    task_from_config,
    task_from_spec,
    task_spec,
)
from interp.tasks.registry import KINDS

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
        ({"kind": "copy", "alphabt": 4}, "no field of CopyTask is called 'alphabt'; the nearest known: alphabet"),
        ({"kind": "copy", "vocab": {"n_leters": 4}}, "no field of Vocabulary is called 'n_leters'"),
        ({"kind": "copy", "vocab": {"letter_ids": ["a"]}}, "vocab.letter_ids[0] must be an integer; got 'a'"),
        ({"kind": "copy", "alphabet": 1}, "2 to 21028 letters"),
        ({"kind": "ngram", "key": "infix"}, "'infix'"),
        ({"kind": "ngram", "n": "three"}, "n must be an integer; got 'three'"),
        ({"kind": ["copy"]}, "no task is called"),
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

    with pytest.raises(UserError, match="must be registered to be kept or named; got Mine"):
        task_config(Mine())


# ---------------------------------------------------------------------- specifications


@pytest.mark.parametrize(
    ("spec", "task"),
    [
        ("copy", CopyTask()),
        ("copy?alphabet=8", CopyTask(8)),
        ("ngram?n=2&answer=4&key=prefix&alphabet=8", NgramLookup(2, 4, "prefix", 8)),
        ("ngram?ambiguous=true", NgramLookup(ambiguous=True)),
    ],
)
def test_a_specification_and_its_task_are_the_same_thing(spec, task):
    assert task_from_spec(spec) == task
    assert task_spec(task) == spec
    assert task_from_spec(task_spec(task)) == task


def test_a_specification_can_be_written_in_other_ways():
    assert task_from_spec(" copy ") == CopyTask()
    assert task_from_spec("ngram?answer=none&ambiguous=no") == NgramLookup()
    assert task_from_spec("ngram?key=pre%66ix") == NgramLookup(key="prefix")


def test_a_task_speaks_the_vocabulary_of_the_model_that_it_is_asked_of():
    assert task_from_spec("copy", Vocabulary.of_letters(5)) == CopyTask(5)
    asked = task_from_spec("ngram?n=1&alphabet=4", Vocabulary())
    assert asked.vocabulary == Vocabulary(4, bos=26, separator=27, eos=28, pad=29)
    assert task_from_spec("copy?alphabet=2", OVERLAID.vocabulary).vocabulary.letter_ids == (7, 11)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("copi", "no task is called 'copi'; the nearest known: copy"),
        ("", "no task is called ''"),
        ("copy?alphabt=4", "no field of the task 'copy' is called 'alphabt'; the nearest known: alphabet"),
        ("copy?vocab=4", "no field of the task 'copy' is called 'vocab'"),
        ("copy?alphabet", "must be written name=value&name=value; got 'alphabet'"),
        ("copy?alphabet=four", "alphabet must be an integer; got 'four'"),
        ("copy?alphabet=4&alphabet=5", "alphabet of the task 'copy' must be given once"),
        ("copy?alphabet=1", "alphabet must be 2 to 21028 letters; got 1"),
        ("ngram?key=infix", "key must be 'prefix' or 'suffix'; got 'infix'"),
        ("ngram?answer=all", "answer must be an integer or none; got 'all'"),
        ("ngram?ambiguous=perhaps", "ambiguous must be yes or no; got 'perhaps'"),
    ],
)
def test_a_specification_that_means_nothing_is_refused(spec, words):
    with pytest.raises(UserError) as error:
        task_from_spec(spec)
    assert words in str(error.value)


def test_more_letters_than_a_model_knows_are_refused():
    with pytest.raises(UserError, match="alphabet must be 2 to 5 letters of the vocabulary; got 8"):
        task_from_spec("copy?alphabet=8", Vocabulary.of_letters(5))


def test_a_name_belongs_to_one_task():
    with pytest.raises(UserError, match="a name of its own; got 'copy', which is CopyTask"):
        register("copy")(NgramLookup)


def test_every_task_says_in_its_specification_what_it_is():
    for kind, cls in KINDS.items():
        assert task_from_spec(kind) == cls()
        assert task_spec(cls()) == kind
        assert task_from_config(json.loads(json.dumps(task_config(cls())))) == cls()
