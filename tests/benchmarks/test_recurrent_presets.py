"""The script that the recurrent presets were found with: it measures whole trainings, of the models as they are."""

from importlib import import_module

import pytest

from interp.tasks.copy import CopyTask
from interp.training.kept_runs import home
from interp.training.presets import PRESETS
from interp.training.recipe import TrainConfig
from interp.training.run_folder import load_run


@pytest.fixture
def found(monkeypatch, tmp_path):
    """Measures `mamba`, made small, after four steps, in a home of the test's own."""
    monkeypatch.setenv("INTERP_HOME", str(tmp_path))
    _shaped(monkeypatch, d_model=8)
    script = import_module("recurrent_presets")
    return lambda: script.measured("mamba", 4, 1e-2, 0, 8)


def _shaped(monkeypatch, d_model):
    training = TrainConfig(batch=4, length=(1, 10), evaluate_strings=4)
    monkeypatch.setitem(PRESETS, "mamba", lambda: ({"kind": "mamba", "d_model": d_model}, CopyTask(), training))


def _cut_at(step):
    whole = TrainConfig.learning_rate_at

    def cut(config, now):
        if now == step:
            raise KeyboardInterrupt
        return whole(config, now)

    return cut


def test_a_training_that_was_cut_short_is_ended_before_it_is_measured(found, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(TrainConfig, "learning_rate_at", _cut_at(3))
        with pytest.raises(KeyboardInterrupt):
            found()
    assert list(home().rglob("model.safetensors")), "the weights after fewer steps lie there"
    assert found()["seconds"] is None  # of the last step alone they would be too few
    (folder,) = (path.parent for path in home().rglob("model.safetensors"))
    assert load_run(folder).stamp.finished and load_run(folder).stamp.step == 4


def test_a_model_that_was_changed_is_trained_anew_and_one_that_was_not_is_taken_as_kept(found, monkeypatch):
    before, again = found(), found()
    assert before["seconds"] > 0 and again["seconds"] is None
    assert again | {"seconds": before["seconds"]} == before
    _shaped(monkeypatch, d_model=12)
    assert found()["seconds"] > 0
    assert found()["parameters"] > before["parameters"]
