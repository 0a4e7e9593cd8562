"""Damaged and hostile files are opened as before, or refused in a sentence: no code is run, no number is another."""

from collections import Counter

import pytest

from tests.reliability import files

FEW, MANY = 30, 1200
WITHOUT_DIGEST = ("gpt2/", "mamba/", "model/config.json", "run/config.json", "run/log.jsonl", "result/results.json")
"""Files whose content nothing else vouches for: what they say is what there is, as long as it can be."""


@pytest.fixture(scope="module")
def whole(attempt, tmp_path_factory):
    """The folder of what is right."""
    place = tmp_path_factory.mktemp("whole")
    ended = attempt(files.make, place)
    assert ended.code == 0, ended.where
    return place


def test_changed_files_are_opened_as_before_or_refused(attempt, whole, tries) -> None:
    wrong, found = {}, Counter()
    for number in range(tries(FEW, MANY)):
        ended = attempt(files.attempt, number, str(whole))
        said = ended.stdout.splitlines()[0] if ended.stdout else str(number)
        if problems := [*ended.leaks(), *(["CODE WAS RUN"] if "CODE WAS RUN" in ended.stdout else [])]:
            wrong[f"{number} {said}"] = problems
            continue
        became = "refused" if ended.refused else ended.value[1]
        found[became] += 1
        if (became == "other" and not said.startswith(WITHOUT_DIGEST)) or (
            became == "not finite" and not ended.value[2]
        ):
            wrong[f"{number} {said}"] = [became]
    print(f"files: {dict(found)}")
    assert not wrong
    assert found["refused"] > 0.4 * sum(found.values()) and found["as before"]
