"""What `interp train` trains, from what was given."""

import json
from dataclasses import replace

import pytest

from interp.base.errors import UserError
from interp.cli.recipes import chosen
from interp.cli.train import Options, _resumed, work
from interp.training.presets import preset


def test_a_preset_is_as_it_is_and_a_field_changes_it_alone():
    assert chosen("rope", None, None, (), None) == preset("rope")
    fields, task, training = chosen("rope", None, None, ("n_layers=3", "windows=[2,null]", "activation=relu"), None)
    assert fields == {
        "kind": "transformer",
        "position": "rope",
        "n_layers": 3,
        "windows": [2, None],
        "activation": "relu",
    }
    assert (task, training) == preset("rope")[1:]


def test_a_kind_has_its_preset_and_another_kind_the_defaults_of_its_config():
    assert chosen("hard-alibi", "mamba", None, ("d_state=8",), None) == (
        {"kind": "mamba", "initialization": "mimetic", "d_state": 8},
        *preset("mamba")[1:],
    )
    assert chosen("hard-alibi", "transformer", None, (), None)[0] == {"kind": "transformer"}
    within = chosen("hard-alibi", "hybrid", None, ("attention.n_heads=2",), None)[0]
    assert within["attention"] == {"n_heads": 2} and within["mamba"] == {"d_conv": 6}


def test_another_task_brings_its_vocabulary_and_no_hard_strings():
    fields, task, training = chosen("hard-alibi", None, None, (), "ngram?n=2&alphabet=5")
    assert type(task).__name__ == "NgramLookup" and training.hard_letters is None
    assert fields["d_vocab"] == task.vocabulary.size
    assert chosen("hard-alibi", None, None, ("d_vocab=40",), "copy?alphabet=5")[0]["d_vocab"] == 40
    assert chosen("hard-alibi", None, None, (), "copy?alphabet=5")[2].hard_letters == 4


def test_a_file_is_read_as_a_run_folder_holds_it(tmp_path):
    path = tmp_path / "run.json"
    parts = {"model": {"kind": "lstm", "d_model": 8}, "task": {"kind": "copy", "alphabet": 3}, "training": {"steps": 4}}
    path.write_text(json.dumps(parts))
    fields, task, training = chosen("hard-alibi", None, str(path), ("d_model=16",), None)
    assert fields == {"kind": "lstm", "d_model": 16} and task.n_letters == 3 and training.steps == 4
    path.write_text(json.dumps(parts | {"task": None}))
    with pytest.raises(UserError, match="--config must be a JSON file with model, task and training"):
        chosen("hard-alibi", None, str(path), (), None)


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        ("mambo", (), "no kind of model is called 'mambo'; the nearest known: mamba"),
        (None, ("d_state",), "--set must be NAME=VALUE, as in d_state=8; got 'd_state'"),
        (None, ("=8",), "--set must be NAME=VALUE"),
    ],
)
def test_a_slip_is_refused(kind, given, says):
    with pytest.raises(UserError, match=says):
        chosen("hard-alibi", kind, None, given, None)


def test_what_is_resumed_has_the_recipe_of_its_folder_unless_one_is_given(tmp_path):
    resumed = Options(resume=True, out=str(tmp_path))
    assert _resumed(resumed) == resumed, "there is no run yet"
    (tmp_path / "config.json").write_text(json.dumps({"training": {"seed": 7, "precision": "bf16", "compile": False}}))
    found = _resumed(resumed)
    assert (found.config, found.seed, found.precision) == (str(tmp_path / "config.json"), 7, "bf16")
    assert _resumed(replace(resumed, seed=8)).seed == 8
    assert _resumed(replace(resumed, precision="bf16")).precision == "bf16"
    for given in ({"kind": "lstm"}, {"steps": 5}, {"set": ("d_model=8",)}, {"resume": False}):
        assert _resumed(replace(resumed, **given)).config is None, "what is given counts"


@pytest.mark.slow
def test_a_training_is_resumed_without_naming_its_recipe_again(tmp_path):
    """Resuming takes model, task, seed and precision from the folder that the line names."""
    first = Options(kind="lstm", set=("d_model=8",), steps=2, batch=2, length=(3, 4), seed=7, quiet=True)
    first = replace(first, out=str(tmp_path / "run"))
    work(first)
    written = (tmp_path / "run" / "log.jsonl").read_bytes()
    resumed = Options(resume=True, quiet=True, out=first.out)
    work(resumed)
    assert (tmp_path / "run" / "log.jsonl").read_bytes() == written
    with pytest.raises(UserError, match=r"must be resumed with its own recipe; got other values of .*training\.seed"):
        work(replace(resumed, seed=8))
