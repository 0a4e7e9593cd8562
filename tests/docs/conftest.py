"""What the code on a page runs on in the tests: presets of two steps, studies of few strings, a folder of its own."""

from dataclasses import replace
from functools import wraps
from importlib import import_module
from inspect import signature

import pytest
import torch

import interp
from interp.measure.heads.score import HeadSettings
from interp.models.recurrent import family
from interp.studies.heads.settings import HeadStudySettings
from interp.studies.state.settings import SaturationSettings
from interp.training.presets import PRESETS

FEW = {"batch": 8, "evaluate_strings": 4}
SMALL = {
    ("interp.studies.heads.run", "hash_head_study"): HeadStudySettings.tiny(),
    ("interp.studies.state.run", "saturation_study"): SaturationSettings.tiny(),
    ("interp.measure.heads.score", "score_heads"): HeadSettings(longest=5, strings=16),
}
"""Function -> settings in place of its default ones."""


def _of_few_steps(training):
    steps = min(training.steps, 2)
    return replace(training, steps=steps, warmup=1, hard_from=min(training.hard_from, steps), **FEW)


def _shortened(recipe):
    def preset():
        model, task, training = recipe()
        return model, task, _of_few_steps(training)

    return preset


@pytest.fixture(autouse=True)
def no_new_family():
    """A family that a page registers is known until the page ends."""
    yield
    for kind in set(family._registered) - set(family._folders()):
        del family._registered[kind]


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def small(monkeypatch, tmp_path, home):
    """Trainings of two steps and studies of few strings, in an empty folder; presets are kept for the session."""
    monkeypatch.setenv("INTERP_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    for name, recipe in list(PRESETS.items()):
        monkeypatch.setitem(PRESETS, name, _shortened(recipe))
    for (module, name), settings in SMALL.items():
        monkeypatch.setattr(f"{module}.{name}", _with_settings(getattr(import_module(module), name), settings))
    monkeypatch.setattr("interp.training.loop.train", _quick(import_module("interp.training.loop").train))
    # The front door keeps what was asked of it: what another test got there is not the small one, nor the reverse.
    for name in interp.__all__:
        monkeypatch.delitem(vars(interp), name, raising=False)
    yield tmp_path
    for name in interp.__all__:
        vars(interp).pop(name, None)


def _with_settings(function, settings):
    @wraps(function)
    def called(*args, **kwargs):
        given = signature(function).bind(*args, **kwargs)
        if given.arguments.get("settings") is None:
            given.arguments["settings"] = settings
        return function(*given.args, **given.kwargs)

    return called


def _quick(train):
    @wraps(train)
    def called(model, task, config, *args, **kwargs):
        return train(model, task, _of_few_steps(config), *args, **{**kwargs, "progress": False})

    return called


@pytest.fixture
def pretrained(small):
    """Folders as transformers writes them: `models/gpt2` and `models/mamba`, of no training."""
    transformers = pytest.importorskip("transformers")
    vocabulary = {"vocab_size": 40, "bos_token_id": 38, "eos_token_id": 39, "pad_token_id": None}
    configs = {
        "gpt2": transformers.GPT2Config(n_layer=2, n_head=2, n_embd=16, n_positions=64, **vocabulary),
        "mamba": transformers.MambaConfig(num_hidden_layers=2, hidden_size=16, state_size=4, **vocabulary),
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for name, config in configs.items():
            transformers.AutoModelForCausalLM.from_config(config).save_pretrained(small / "models" / name)
    return small
