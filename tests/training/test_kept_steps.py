"""Weights kept along a training are those of a training that ends there, however often it was cut short."""

from dataclasses import replace

import pytest

from interp.base.errors import InterpError, UserError
from interp.loading import load
from interp.models import build
from interp.training.loop import train
from interp.training.presets.attention import hard_alibi
from interp.training.recipe import TrainConfig
from interp.training.run_folder import digest, kept_path, kept_steps, load_run, recipe

PRESET = "c567fed7cca964cbf865a2e878e8d4fc1a39d456f7ee15f243c83fe0e20d6275"
"""Digest of the preset hard-alibi before recipes could keep steps: the name under which people keep it."""


def cut_short() -> None:
    raise RuntimeError("cut short")


@pytest.fixture
def run(task, tiny, recipe, tmp_path):
    train(tiny(), task, replace(recipe, keep=(0, 4, 7, 12, 99)), tmp_path / "x", progress=False)
    return tmp_path / "x"


def same(one, other) -> bool:
    return all((a == b).all() for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_each_kept_step_has_the_weights_that_the_training_had_then(run, task, tiny, recipe, at):
    assert kept_steps(run) == (0, 4, 7, 12)
    assert same(load(f"{run}@0").model, tiny())
    assert same(load(f"{run}@12").model, load(run).model) and same(load(f"{run}@last").model, load(run).model)
    model, seen = tiny(), []
    watch = at(7, lambda: seen.extend(p.detach().clone() for p in model.parameters()))
    train(model, task, replace(recipe, evaluate_every=7), progress=False, trackers=[watch])  # read after every tenth
    middle = load(f"{run}@7")
    assert same(middle.model, type("Seen", (), {"parameters": lambda _: seen})())
    assert middle.description["step"] == 7 and len(middle.training.loss) == 7
    assert "step" not in load(run).description


def test_a_training_cut_short_keeps_the_same_bits(run, task, tiny, recipe, at, tmp_path):
    keeping, cut = replace(recipe, keep=(0, 4, 7, 12, 99)), tmp_path / "cut"
    with pytest.raises(RuntimeError, match="cut short"):
        train(tiny(), task, keeping, cut, progress=False, trackers=[at(8, cut_short)])
    train(tiny(9), task, keeping, cut, resume=True, progress=False)
    for step in kept_steps(run):
        assert kept_path(run, step).read_bytes() == kept_path(cut, step).read_bytes()


def test_a_step_that_is_not_kept_is_refused_with_those_that_are(run):
    with pytest.raises(UserError, match=r"step must be one of those that .* keeps \(0, 4, 7, 12\); got 5\."):
        load(f"{run}@5")
    with pytest.raises(UserError, match=r"a step after @ must be an integer, or last, as in .*@75; got 'best'"):
        load(f"{run}@best")


def test_a_run_without_kept_steps_says_so_and_a_path_with_an_at_sign_is_a_path(task, tiny, recipe, tmp_path):
    train(tiny(), task, recipe, tmp_path / "a@3", progress=False)
    assert not (tmp_path / "a@3" / "checkpoints").exists()
    assert load(tmp_path / "a@3").description["spec"].endswith("a@3")
    with pytest.raises(UserError, match=r"keeps \(none, for its recipe has no keep\); got 3"):
        load(f"{tmp_path}/a@3@3")


def test_a_kept_file_of_another_run_is_refused(run, task, tiny, recipe, tmp_path):
    train(tiny(), task, replace(recipe, keep=(4,), seed=8), tmp_path / "other", progress=False)
    kept_path(run, 4).write_bytes(kept_path(tmp_path / "other", 4).read_bytes())
    with pytest.raises(InterpError, match="of another run"):
        load_run(run, step=4)


def test_keeping_nothing_leaves_the_name_of_a_recipe_as_it_was():
    model, copy, training = hard_alibi()
    assert digest(recipe(build(model, seed=0), copy, training)) == PRESET
    described = TrainConfig(keep=(3,)).to_dict()
    assert described["keep"] == [3] and TrainConfig.from_dict(described).keep == (3,)


@pytest.mark.parametrize("keep", [(3, 3), (5, 2), (-1,)])
def test_steps_that_cannot_be_kept_are_refused(keep):
    with pytest.raises(UserError, match="keep must hold steps from 0 to 2147483647, each once and in ascending order"):
        TrainConfig(keep=keep)


def test_keeping_needs_a_folder(task, tiny, recipe):
    with pytest.raises(UserError, match="folder must be given to keep checkpoints; got none"):
        train(tiny(), task, replace(recipe, keep=(4,)), progress=False)
