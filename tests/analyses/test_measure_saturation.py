"""`analyses/measure_saturation.py` as a person runs it."""

import json

import pytest

from interp.studies.state.result import StateProfile


def test_it_leaves_a_page_and_every_number_of_it(script, tmp_path):
    done = script("measure_saturation", "--model", "planted:register?k=4", "--tiny", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    page = tmp_path / "report.html"
    assert done.stdout.splitlines()[-1] == str(page)
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["saturation_length"]["value"] == pytest.approx(4, rel=0.02)
    profile = StateProfile.load(tmp_path)
    assert str(profile.verdict) in done.stdout
    assert "stop growing at 4.0" in page.read_text(encoding="utf-8")


def test_two_models_stand_side_by_side_and_lengths_are_those_asked_for(script, tmp_path):
    models = ("--model", "planted:register?k=2&alphabet=4", "--model", "planted:shift?k=3&alphabet=4")
    done = script("measure_saturation", *models, "--tiny", "--lengths", "1", "2", "3", "6", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    first, second = (StateProfile.load(folder) for folder in sorted(p for p in tmp_path.iterdir() if p.name[0] in "12"))
    assert (first.lengths, second.lengths) == ((1, 2, 3, 6), (1, 2, 3, 6))
    assert first.saturation_length.value == pytest.approx(2, rel=0.02)
    assert second.saturation_length.value == pytest.approx(3, rel=0.02)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "The models side by side" in page and "planted:shift" in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "planted:register", "--lengths", "0", "2", "4"), "must be an integer from 1"),
        (("--model", "mambo"), "mamba"),
        (("--model", "planted:register?kk=2"), "no option of planted:register"),
        (("--model", "planted:shift", "--lengths", "4", "4", "4"), "at least three"),
        (("--model", "planted:shift", "--model", "planted:shift"), "--model must name each model once"),
    ],
)
def test_a_mistake_ends_in_one_sentence_and_code_2(script, tmp_path, arguments, words):
    done = script("measure_saturation", *arguments, "--tiny", "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and words in done.stderr
    assert not (tmp_path / "out").exists()
