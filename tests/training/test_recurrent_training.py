"""Recurrent models train as others do: resumed to the bit, what must not decay left alone, the scans on record."""

import json
from dataclasses import replace

import pytest
import torch

from interp.base.errors import UserError
from interp.base.provenance import provenance
from interp.models import build
from interp.models.scan.methods import using
from interp.training.data import draw, share
from interp.training.loop import train
from interp.training.run_folder import CONFIG, load_run
from interp.training.step import decays, make_optimizer, take_step

SHAPES = {
    "mamba": {"n_layers": 2},
    "mamba2": {"n_layers": 1, "d_head": 8},
    "lstm": {"n_layers": 1},
    "hybrid": {"layers": ("mamba", "attention"), "attention": {"n_heads": 4}},
}
SCANS = {
    "mamba": {"selective_scan": "numba", "causal_conv": "shifted"},
    "mamba2": {"ssd_scan": "chunked", "causal_conv": "shifted"},
    "hybrid": {"selective_scan": "numba", "causal_conv": "shifted"},
}


@pytest.fixture(params=SHAPES)
def kind(request):
    return request.param


@pytest.fixture
def make(kind):
    return lambda seed=0: build({"kind": kind, "d_model": 16, "d_vocab": 10, **SHAPES[kind]}, seed=seed)


def interrupt():
    raise KeyboardInterrupt


def test_a_resumed_training_has_the_weights_of_an_uninterrupted_one(make, task, recipe, at, tmp_path):
    whole = make()
    train(whole, task, recipe, tmp_path / "whole", progress=False)

    half = make()  # two steps after its checkpoint
    with pytest.raises(KeyboardInterrupt):
        train(half, task, recipe, tmp_path / "half", progress=False, trackers=[at(7, interrupt)])
    again = make(seed=1)
    train(again, task, recipe, tmp_path / "half", progress=False, resume=True)
    kept = load_run(tmp_path / "half").model
    for name, value in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], value) and torch.equal(kept.state_dict()[name], value), name
    assert any(not torch.equal(value, make().state_dict()[name]) for name, value in whole.state_dict().items())


def test_learning_lowers_the_loss(make, task, recipe):
    log = train(make(), task, replace(recipe, steps=40, hard_letters=None, learning_rate=5e-3), progress=False)
    assert log.loss[-5:].mean() < log.loss[:5].mean() - 0.2


def test_decay_leaves_the_rates_the_biases_and_the_embedding_alone(make, recipe):
    """With no gradient to follow, a step shrinks exactly what decays."""
    model = make()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = make_optimizer(model, replace(recipe, weight_decay=0.1))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    shrunk = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    leaves = {name.rsplit(".", 1)[-1] for name in shrunk}
    assert not leaves & {"A_log", "D", "b_dt", "b_conv", "b", "w", "W_E"} and leaves
    assert shrunk <= {name for name, parameter in model.named_parameters() if decays(name, parameter)}


def test_packed_strings_that_should_be_apart_are_refused_before_anything_is_written(make, task, recipe, tmp_path):
    packed = replace(recipe, context=40, isolate=True, hard_letters=None, hard_from=0)
    with pytest.raises(UserError, match="crosses from one packed string to the next"):
        train(make(), task, packed, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
    train(make(), task, replace(packed, isolate=False, steps=3, warmup=1), progress=False)


def test_a_step_on_the_answers_alone_is_the_step_on_all(make, task, recipe):
    """`queries_from` leaves out what no trained token needs."""
    steps = []
    for answers_only in (False, True):
        model = make().double()
        batch = draw(task, recipe, 0)
        mine = share(batch, 0, 1, torch.device("cpu"), answers_only)
        assert (mine.first > 0) == answers_only
        loss, norm = take_step(model, make_optimizer(model, recipe), mine, recipe, 0)
        steps.append((loss, norm))
    torch.testing.assert_close(*steps)


def test_a_run_and_its_results_tell_by_which_method_each_scan_ran(kind, make, task, recipe, tmp_path):
    short = replace(recipe, steps=1, warmup=1, hard_from=0, evaluate_strings=2)
    train(make(), task, short, tmp_path / "run", progress=False)
    told = json.loads((tmp_path / "run" / CONFIG).read_text())["scans"]
    assert told == make().scans() == provenance("cpu", 0, make())["scans"]
    assert kind == "lstm" or told == SCANS[kind]
    with using("reference"):
        assert set(make().scans().values()) == {"reference"}
        train(make(), task, short, tmp_path / "slow", progress=False)
    assert set(json.loads((tmp_path / "slow" / CONFIG).read_text())["scans"].values()) == {"reference"}


def test_a_model_without_a_recurrence_has_no_scans_to_tell(tiny):
    assert tiny().scans() == {} and "scans" not in provenance("cpu", 0, tiny()) and "scans" not in provenance("cpu", 0)
