"""The page on presets shows what the committed trainings of recurrent families gave, and what three studies found."""

import json
import sys
from importlib import import_module
from pathlib import Path

import pytest

from interp.models import build
from interp.training.presets import MEASURED, preset

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "presets.md").read_text(encoding="utf-8")


def _lines(name):
    return [json.loads(line) for line in (ROOT / "docs" / name).read_text(encoding="utf-8").splitlines()]


FOUND, STUDIED = _lines("recurrent_presets.jsonl"), _lines("recurrent_studies.jsonl")


@pytest.fixture
def script(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    return import_module


def test_the_tables_are_made_from_the_trainings(script):
    presets = script("recurrent_presets")
    assert presets.swept(FOUND) in PAGE
    assert presets.table(FOUND) in PAGE


def test_the_tables_of_the_studies_are_made_from_what_they_found(script):
    studies = script("recurrent_studies")
    assert [line["name"] for line in STUDIED] == list(script("recurrent_presets").NAMES[1:])
    for table in (studies.heads_table, studies.state_table, studies.growth_table):
        assert table(STUDIED) in PAGE


def test_each_training_is_of_a_preset_and_its_rate_is_the_best_of_those_that_were_swept():
    for line in FOUND:
        model, task, _ = preset(line["name"])
        assert build({**model, "d_vocab": task.vocabulary.size}).n_parameters == line["parameters"]
    for name in {line["name"] for line in FOUND} - {"mamba"}:
        _, _, training = preset(name)
        at = training.lengths[1]
        short = [line for line in FOUND if line["name"] == name and line["steps"] < training.steps]
        right = {line["rate"]: line["letter_accuracy"][line["lengths"].index(at)] for line in short}
        assert right[training.learning_rate] == max(right.values())
        assert min(right) < training.learning_rate


def test_what_is_said_of_a_preset_is_what_its_worst_seed_gave():
    for name in {line["name"] for line in FOUND} - {"mamba"}:
        _, _, training = preset(name)
        at = training.lengths[1]
        full = [line for line in FOUND if line["name"] == name and line["steps"] == training.steps]
        assert {line["rate"] for line in full} == {training.learning_rate}
        worst = min(line["string_accuracy"][line["lengths"].index(at)] for line in full)
        assert MEASURED[name].accuracy == pytest.approx(worst, abs=5e-4)


def test_half_of_the_strings_lies_between_two_lengths_or_is_not_met(script):
    half = script("recurrent_presets").half
    assert half({"lengths": [4, 8], "string_accuracy": [1.0, 0.0]}) == 6
    assert half({"lengths": [4, 8], "string_accuracy": [0.4, 0.0]}) == 0
    assert half({"lengths": [4, 8], "string_accuracy": [1.0, 0.9]}) == float("inf")
