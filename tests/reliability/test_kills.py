"""kill -9 at every rename and at any moment costs no run, no kept model and no result, and leaves no mixture."""

import random

from tests.reliability import kills

RENAMES = 14
"""So many files are renamed into place in the training that is killed, and two of another model's folder."""


def moments(seed: int, n: int, longest: float) -> list[float]:
    draw = random.Random(f"kills {seed}")
    return [draw.uniform(0, longest) for _ in range(n)]


def outcomes(attempt, function, *arguments) -> list[str]:
    """What became of each attempt."""
    found = []
    for rename, after, *more in arguments:
        ended = attempt(function, rename, after, *more)
        wrong = [*ended.error[:1], ended.said, ended.where, *ended.faults(), ended.stderr[-2000:]]
        found.append("\n".join(wrong) if ended.error or ended.faults() else ended.value)
    return found


def test_a_training_killed_at_any_rename_resumes_to_the_same_bits(attempt, tries) -> None:
    renames = random.Random(0).sample(range(RENAMES), tries(3, RENAMES))
    assert set(outcomes(attempt, kills.training, *((at, None, 1) for at in renames))) == {"same"}
    twice = range(tries(1, RENAMES))
    assert set(outcomes(attempt, kills.training, *((at, None, 3) for at in twice))) == {"same"}


def test_a_training_killed_at_any_moment_resumes_to_the_same_bits(attempt, tries) -> None:
    after = moments(1, tries(3, 40), 0.5)
    assert set(outcomes(attempt, kills.training, *((None, at, 2) for at in after))) == {"same"}


def test_a_kept_model_survives_a_kill_of_its_retraining(attempt, tries) -> None:
    renames = random.Random(1).sample(range(RENAMES + 2), tries(3, RENAMES + 2))
    assert set(outcomes(attempt, kills.kept, *((at, None) for at in renames))) == {"same"}
    after = moments(2, tries(2, 40), 0.5)
    assert set(outcomes(attempt, kills.kept, *((None, at) for at in after))) == {"same"}


def test_a_result_whose_writer_was_killed_is_the_old_one_the_new_one_or_refused(attempt, tries) -> None:
    assert outcomes(attempt, kills.result, (0, None), (1, None), (2, None)) == ["old", "refused", "new"]
    after = moments(3, tries(6, 60), 0.05)
    assert set(outcomes(attempt, kills.result, *((None, at) for at in after))) <= {"old", "new", "refused"}


def test_a_reader_beside_a_writer_reads_one_or_the_other(attempt, tries) -> None:
    found = attempt(kills.reader_beside_a_writer, float(tries(1, 10))).value
    assert found["mixture"] == 0
    assert found["1"] and found["2"]
    assert found["refused"] < 0.05 * (found["1"] + found["2"])  # only of a writer that never rests


def test_a_reader_beside_a_retraining_has_a_whole_model(attempt) -> None:
    assert set(attempt(kills.reader_beside_a_retraining).value) == {"whole"}


def test_of_two_trainings_into_one_folder_one_is_refused(attempt, tries) -> None:
    for _ in range(tries(1, 8)):
        assert sorted(attempt(kills.two_trainings).value) == [False, True]
