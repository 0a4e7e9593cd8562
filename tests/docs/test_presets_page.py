"""The page on presets shows what the committed trainings of recurrent families gave."""

import json
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOUND = [json.loads(line) for line in (ROOT / "docs" / "recurrent_presets.jsonl").read_text().splitlines()]
SCRIPT = runpy.run_path(str(ROOT / "benchmarks" / "recurrent_presets.py"))


def test_the_table_is_made_from_the_trainings():
    assert SCRIPT["table"](FOUND) in (ROOT / "docs" / "presets.md").read_text(encoding="utf-8")


def test_each_training_is_of_a_model_of_the_script():
    for line in FOUND:
        model = SCRIPT["build"]({**SCRIPT["SHAPES"][line["name"]], "d_vocab": SCRIPT["CopyTask"]().vocabulary.size})
        assert model.n_parameters == line["parameters"]


def test_half_of_the_strings_lies_between_two_lengths_or_is_not_met():
    half = SCRIPT["half"]
    assert half({"lengths": [4, 8], "string_accuracy": [1.0, 0.0]}) == 6
    assert half({"lengths": [4, 8], "string_accuracy": [0.4, 0.0]}) == 0
    assert half({"lengths": [4, 8], "string_accuracy": [1.0, 0.9]}) == float("inf")
