"""A full or read-only disk, few files, little memory, an odd terminal: a sentence or a whole page; and no request."""

import pytest

from tests.reliability import surroundings


def is_said(ended) -> bool:
    """Whether a command ended in a sentence, and with nothing half written."""
    return ended.code in (1, 2) and not ended.faults() and not ended.error and 0 < len(ended.stderr.splitlines()) < 12


@pytest.mark.parametrize("most", [1000, 40_000])
def test_a_disk_that_fills_up_ends_in_a_sentence(attempt, most) -> None:
    ended = attempt(surroundings.a_file_cannot_grow, most, surroundings.STUDY)
    assert is_said(ended) or ended.code == 0, (ended.code, ended.error, ended.said, ended.stderr[-500:])


def test_a_read_only_disk_is_told_before_the_work(attempt) -> None:
    ended = attempt(surroundings.read_only, surroundings.STUDY)
    assert is_said(ended) and ended.seconds < 1, (ended.code, ended.error, ended.said, ended.stderr[-500:])


@pytest.mark.parametrize("most", [8, 24])
def test_few_files_end_in_a_sentence_or_suffice(attempt, most) -> None:
    ended = attempt(surroundings.few_files, most, surroundings.STUDY)
    assert is_said(ended) or ended.code == 0, (ended.code, ended.error, ended.said, ended.where, ended.stderr[-500:])


@pytest.mark.parametrize("more", [2**24, 2**26])
def test_little_memory_ends_in_a_sentence_or_suffices(attempt, more) -> None:
    ended = attempt(surroundings.little_memory, more, surroundings.STUDY)
    assert is_said(ended) or ended.code == 0, (ended.code, ended.error, ended.said, ended.where, ended.stderr[-500:])


@pytest.mark.parametrize(("encoding", "closed"), [("ascii", False), ("latin-1", False), ("utf-8", True)])
def test_a_terminal_of_another_encoding_or_none_costs_nothing(attempt, encoding, closed) -> None:
    ended = attempt(surroundings.a_terminal, encoding, closed, surroundings.LINE)
    assert (ended.code, ended.error) == (0, ()) and not ended.faults()


def test_a_training_on_a_full_disk_goes_on_when_there_is_room(attempt, tries) -> None:
    for step in range(tries(2, 14)):
        assert attempt(surroundings.a_training_on_a_full_disk, 5 * step if step < 2 else step).value == "same"


def test_training_and_opening_ask_for_nothing(attempt) -> None:
    ended = attempt(surroundings.the_default_flow)
    assert ended.noted == [] and "attention.html" in ended.value, (ended.noted, ended.error, ended.said, ended.stderr)
