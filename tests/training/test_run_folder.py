import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from torch import nn

from interp.base.errors import InterpError, UserError
from interp.models.transformer import HookedTransformer
from interp.training.loop import train
from interp.training.run_folder import CONFIG, LOG, STATE, WEIGHTS, load_run


@pytest.fixture
def folder(task, tiny, recipe, tmp_path) -> Path:
    train(tiny(), task, recipe, tmp_path / "run", progress=False)
    return tmp_path / "run"


def test_a_run_folder_holds_four_files_and_nothing_else(folder) -> None:
    assert {path.name for path in folder.iterdir()} == {CONFIG, WEIGHTS, STATE, LOG}
    config = json.loads((folder / CONFIG).read_text())
    assert config["seed"] == config["training"]["seed"] == 3
    assert config["versions"]["torch"]


def test_a_run_comes_back_with_its_model_task_recipe_and_curves(folder, task, recipe) -> None:
    run = load_run(folder)
    assert (run.task, run.config) == (task, recipe)
    assert run.stamp.finished
    assert run.log.examples.tolist() == list(range(8, 97, 8))
    assert run.log.evaluated_at.tolist() == [32, 64, 96]
    assert run.log.string_accuracy.shape == (3, 2)


def test_a_run_folder_is_a_pretrained_model(folder) -> None:
    model = HookedTransformer.from_pretrained(folder)
    assert all((a == b).all() for a, b in zip(model.parameters(), load_run(folder).model.parameters(), strict=True))


def test_a_folder_that_is_no_run_is_refused(tmp_path) -> None:
    for nothing in (tmp_path, tmp_path / "absent"):
        with pytest.raises(UserError, match="must be a run folder"):
            load_run(nothing)


@pytest.mark.parametrize("name", [WEIGHTS, LOG])
def test_a_run_that_lost_a_file_says_which(folder, name) -> None:
    (folder / name).unlink()
    with pytest.raises(InterpError, match=name):
        load_run(folder)


def test_a_model_that_cannot_be_built_again_is_trained_without_a_folder(task, recipe, tmp_path) -> None:
    with pytest.raises(UserError, match="HookedModel"):
        train(nn.Embedding(10, 10), task, recipe, tmp_path, progress=False)
    train(nn.Embedding(10, 10), task, recipe, progress=False)
    assert not list(tmp_path.iterdir())


def test_truncated_weights_are_damaged(folder) -> None:
    content = (folder / WEIGHTS).read_bytes()
    for length in (0, 4, 200, len(content) - 1):
        (folder / WEIGHTS).write_bytes(content[:length])
        with pytest.raises(InterpError, match="damaged"):
            load_run(folder)


def test_one_flipped_bit_anywhere_in_the_weights_is_found(folder) -> None:
    content = (folder / WEIGHTS).read_bytes()
    for place in range(8, len(content), len(content) // 40):
        altered = bytearray(content)
        altered[place] ^= 1
        (folder / WEIGHTS).write_bytes(bytes(altered))
        with pytest.raises(InterpError):
            load_run(folder)


def test_weights_without_our_stamp_are_refused(folder) -> None:
    save_file(load_file(folder / WEIGHTS), folder / WEIGHTS)
    with pytest.raises(InterpError, match="damaged or altered"):
        load_run(folder)


def test_weights_of_another_recipe_are_refused(folder) -> None:
    config = json.loads((folder / CONFIG).read_text())
    config["training"]["learning_rate"] = 1.0
    (folder / CONFIG).write_text(json.dumps(config))
    with pytest.raises(InterpError, match="another run"):
        load_run(folder)


def test_a_config_of_another_version_or_in_pieces_is_refused(folder) -> None:
    path = folder / CONFIG
    config = json.loads(path.read_text())
    for damage, error, word in (
        (json.dumps(config | {"schema": "interp-run/99"}), UserError, "interp-run/99"),
        (json.dumps({"schema": config["schema"]}), InterpError, "got one without model"),
        (json.dumps([1]), UserError, "schema"),
        (path.read_text()[:-20], InterpError, "must be JSON"),
    ):
        path.write_text(damage)
        with pytest.raises(error, match=word):
            load_run(folder)
