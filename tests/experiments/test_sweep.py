"""A sweep trains every rate from every seed once, whoever carries it out, and leaves run folders."""

import pytest

import interp
from interp.base.errors import UserError
from interp.experiments.executor import Processes
from interp.experiments.executor.base import Ended
from interp.experiments.sweep import sweep
from interp.training.run_folder import load_run

SHAPE = {"kind": "transformer", "n_layers": 1, "n_heads": 2, "d_model": 16}
RECIPE = interp.TrainConfig(steps=3, batch=4, length=4, warmup=0, evaluate_lengths=(4,), evaluate_strings=8)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERP_HOME", str(tmp_path))


def weights(folders):
    return [[float(w.detach().sum()) for w in load_run(folder).model.parameters()] for folder in folders]


def test_every_rate_is_trained_from_every_seed_and_drawn_as_groups():
    swept = sweep(SHAPE, "copy?alphabet=4", RECIPE, rates=(1e-3, 1e-2), seeds=(0, 1, 2))
    assert len(swept.folders) == 6 and not swept.failed
    curves = interp.learning_curves(swept.folders)
    assert curves.groups == ("learning_rate=0.001", "learning_rate=0.01")
    assert interp.load(swept.folders[4]).description["training"]["seed"] == 1


def test_what_is_kept_is_not_trained_again_and_processes_train_the_same(monkeypatch):
    events = []
    one = sweep(SHAPE, "copy?alphabet=4", RECIPE, (1e-3,), (0, 1), on_event=events.append)
    assert [isinstance(event, Ended) for event in events] == [False, True, False, True]
    kept, times = weights(one.folders), [folder.stat().st_mtime_ns for folder in one.folders]
    again = sweep(SHAPE, "copy?alphabet=4", RECIPE, (1e-3,), (0, 1))
    assert again == one and [folder.stat().st_mtime_ns for folder in again.folders] == times
    monkeypatch.setenv("INTERP_HOME", str(one.folders[0].parents[1] / "elsewhere"))
    other = sweep(SHAPE, "copy?alphabet=4", RECIPE, (1e-3,), (0, 1), Processes(2))
    assert weights(other.folders) == kept and set(other.folders).isdisjoint(one.folders)


def test_a_training_that_fails_stops_no_other_and_is_told():
    swept = sweep(SHAPE, "copy?alphabet=4", RECIPE, rates=(1e-3, 1e29), seeds=(0,))
    (name,) = swept.failed
    assert len(swept.folders) == 1 and name == "sweeps/transformer/rate1e+29/seed0" and swept.failed[name]


def test_no_rate_or_no_seed_is_refused():
    for rates, seeds in [((), (0,)), ((1e-3,), ())]:
        with pytest.raises(UserError, match="a grid must have an arm, a rate of each arm and a seed"):
            sweep(SHAPE, "copy?alphabet=4", RECIPE, rates, seeds)
    with pytest.raises(UserError, match="no kind of model is called 'mambo'"):
        sweep({"kind": "mambo"}, "copy", RECIPE, (1e-3,), (0,))
