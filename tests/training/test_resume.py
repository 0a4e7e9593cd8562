"""A training that was cut short goes on to the very weights of one that was not, and never leaves half a folder."""

import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from interp.base.errors import InterpError, UserError
from interp.training import under_way
from interp.training.checkpoint import Stamp
from interp.training.loop import train
from interp.training.run_folder import load_run

SIGKILLED = """
import os, signal, sys
import torch
from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.tasks import CopyTask
from interp.training.recipe import TrainConfig
from interp.training.loop import train
from accelerate.tracking import GeneralTracker

torch.set_num_threads(1)

class Kill(GeneralTracker):
    name, requires_logging_directory, tracker = "kill", False, None

    def log(self, values, step=None):
        if step == 8 * 8:  # strings of a batch
            os.kill(os.getpid(), signal.SIGKILL)

model = HookedTransformer(TransformerConfig(n_heads=4, d_model=32, d_vocab=10, windows=(2, 3, None, None)), seed=0)
recipe = TrainConfig(**eval(sys.argv[2]))
train(model, CopyTask(alphabet=6), recipe, sys.argv[1], progress=False, trackers=[Kill()])
"""


def weights(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}


def assert_same_bits(one: nn.Module, other: nn.Module) -> None:
    for name, value in weights(one).items():
        np.testing.assert_array_equal(value, weights(other)[name], err_msg=name)


def fail() -> None:
    raise RuntimeError("cut short")


def test_the_same_seed_gives_the_same_weights_and_another_seed_does_not(task, tiny, recipe) -> None:
    one, two, other = tiny(), tiny(), tiny()
    log = train(one, task, recipe, progress=False)
    assert np.array_equal(train(two, task, recipe, progress=False).loss, log.loss)
    assert_same_bits(one, two)
    train(other, task, replace(recipe, seed=4), progress=False)
    assert not np.array_equal(weights(one)["embed.W_E"], weights(other)["embed.W_E"])


def test_a_training_cut_short_resumes_to_the_same_bits(task, tiny, recipe, at, tmp_path) -> None:
    whole, cut = tiny(), tiny(0)
    log = train(whole, task, recipe, progress=False)
    with pytest.raises(RuntimeError, match="cut short"):
        train(cut, task, recipe, tmp_path, progress=False, trackers=[at(8, fail)])
    again = tiny(99)
    resumed = train(again, task, recipe, tmp_path, resume=True, progress=False)
    assert_same_bits(whole, again)
    assert_same_bits(whole, load_run(tmp_path).model)
    for name in ("examples", "loss", "learning_rate", "evaluated_at", "string_accuracy"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(log, name))
    assert np.array_equal(load_run(tmp_path).log.loss, log.loss)


def test_a_killed_process_resumes_to_the_same_bits(task, tiny, recipe, tmp_path) -> None:
    command = [sys.executable, "-c", SIGKILLED, str(tmp_path), repr(recipe.to_dict() | {"length": recipe.length})]
    killed = subprocess.run(command, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert load_run(tmp_path).stamp.step == 5
    whole, again = tiny(), tiny(99)
    train(whole, task, recipe, progress=False)
    train(again, task, recipe, tmp_path, resume=True, progress=False)
    assert_same_bits(whole, again)


def test_ctrl_c_ends_after_a_whole_step_and_leaves_a_resumable_folder(task, tiny, recipe, at, tmp_path) -> None:
    before = signal.getsignal(signal.SIGINT)
    interrupt = at(3, lambda: os.kill(os.getpid(), signal.SIGINT))
    config = replace(recipe, evaluate_every=3, checkpoint_every=12)
    with pytest.raises(KeyboardInterrupt, match="resumed from step 3"):
        train(tiny(), task, config, tmp_path, progress=False, trackers=[interrupt])
    assert signal.getsignal(signal.SIGINT) is before
    run = load_run(tmp_path)
    assert run.stamp.step == 3
    assert not run.stamp.finished
    whole, again = tiny(), tiny(99)
    train(whole, task, config, progress=False)
    train(again, task, config, tmp_path, resume=True, progress=False)
    assert_same_bits(whole, again)


def test_a_second_ctrl_c_ends_at_once_and_the_last_checkpoint_stays(task, tiny, recipe, at, tmp_path) -> None:
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(tiny(), task, recipe, tmp_path, progress=False, trackers=[at(8, twice)])
    assert load_run(tmp_path).stamp.step == 5


def test_a_training_ends_when_its_target_is_reached_and_not_before(task, tiny, recipe, tmp_path) -> None:
    """Random copies of one letter are right one time in so many: the share that is reached is asked for exactly."""
    config = replace(recipe, evaluate_every=2, evaluate_lengths=(1, 4), evaluate_strings=50)
    reached = train(tiny(), task, config, progress=False).string_accuracy[:, 0]
    first = int((reached >= reached[2]).argmax())
    config = replace(config, stop_length=1, stop_accuracy=float(reached[2]))
    log = train(tiny(), task, config, tmp_path, progress=False)
    assert log.string_accuracy[:, 0].tolist() == reached[: first + 1].tolist()
    assert load_run(tmp_path).stamp == replace(load_run(tmp_path).stamp, step=2 * (first + 1), finished=True)


def test_a_resumed_training_that_had_finished_changes_nothing(task, tiny, recipe, tmp_path) -> None:
    train(tiny(), task, recipe, tmp_path, progress=False)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    log = train(tiny(99), task, recipe, tmp_path, resume=True, progress=False)
    assert len(log.loss) == recipe.steps
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_training_killed_between_its_last_two_renames_has_its_weights_when_it_is_resumed(
    task, tiny, recipe, tmp_path, monkeypatch
) -> None:
    written = under_way.write_tensors

    def killed(path: Path, tensors: dict, stamp: Stamp) -> Path:
        if stamp.finished:
            raise KeyboardInterrupt
        return written(path, tensors, stamp)

    with monkeypatch.context() as patch:
        patch.setattr(under_way, "write_tensors", killed)
        with pytest.raises(KeyboardInterrupt):
            train(tiny(), task, recipe, tmp_path, progress=False)
    assert load_run(tmp_path).stamp.step == 10
    again = tiny(99)
    train(again, task, recipe, tmp_path, resume=True, progress=False)
    assert load_run(tmp_path).stamp.step == 12
    assert_same_bits(again, load_run(tmp_path).model)


def test_another_recipe_cannot_be_resumed_and_the_error_names_the_difference(task, tiny, recipe, tmp_path) -> None:
    train(tiny(), task, recipe, tmp_path, progress=False)
    with pytest.raises(UserError, match=r"training\.learning_rate"):
        train(tiny(), task, replace(recipe, learning_rate=1.0), tmp_path, resume=True, progress=False)


def test_a_run_is_never_overwritten(task, tiny, recipe, tmp_path) -> None:
    train(tiny(), task, recipe, tmp_path, progress=False)
    with pytest.raises(UserError, match="must not hold a run yet"):
        train(tiny(), task, recipe, tmp_path, progress=False)


def test_resuming_where_there_is_nothing_says_so(task, tiny, recipe, tmp_path) -> None:
    with pytest.raises(UserError, match="must be a run folder"):
        train(tiny(), task, recipe, tmp_path / "nowhere", resume=True, progress=False)
    with pytest.raises(UserError, match="folder must be given to resume"):
        train(tiny(), task, recipe, resume=True, progress=False)


def test_a_half_written_state_is_refused_and_the_weights_stay_readable(task, tiny, recipe, tmp_path) -> None:
    train(tiny(), task, recipe, tmp_path, progress=False)
    state = tmp_path / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(InterpError, match="damaged"):
        train(tiny(), task, recipe, tmp_path, resume=True, progress=False)
    assert load_run(tmp_path).stamp.finished


def test_a_log_line_cut_by_a_kill_is_written_again(task, tiny, recipe, at, tmp_path) -> None:
    with pytest.raises(RuntimeError, match="cut short"):
        train(tiny(), task, recipe, tmp_path, progress=False, trackers=[at(8, fail)])
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 9, "exa')
    train(tiny(), task, recipe, tmp_path, resume=True, progress=False)
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines() if "loss" in line]
    assert steps == list(range(1, recipe.steps + 1))


def test_a_full_disk_is_told_in_one_sentence_and_the_last_checkpoint_stays(
    task, tiny, recipe, at, tmp_path, monkeypatch
) -> None:
    written = Path.write_bytes

    def full() -> None:
        def refuse(*_: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", refuse)

    with pytest.raises(InterpError, match="No space left on device"):
        train(tiny(), task, recipe, tmp_path, progress=False, trackers=[at(8, full)])
    monkeypatch.setattr(Path, "write_bytes", written)
    assert load_run(tmp_path).stamp.step == 5
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    whole, again = tiny(), tiny(99)
    train(whole, task, recipe, progress=False)
    train(again, task, recipe, tmp_path, resume=True, progress=False)
    assert_same_bits(whole, again)


def test_a_loss_that_is_not_finite_names_its_step_and_the_last_checkpoint_stays(
    task, tiny, recipe, at, tmp_path
) -> None:
    model = tiny()

    def poison() -> None:
        with torch.no_grad():
            model.unembed.W_U[0, 0] = float("nan")

    # Losses are read when one evaluates: after step 4 the weights are poisoned, and step 5 is the first to feel it.
    with pytest.raises(InterpError, match=r"step 5 .*learning rate") as caught:
        train(model, task, replace(recipe, checkpoint_every=3), tmp_path, progress=False, trackers=[at(4, poison)])
    assert "is whole" in str(caught.value)
    assert load_run(tmp_path).stamp.step == 3
    assert all(np.isfinite(value).all() for value in weights(load_run(tmp_path).model).values())


def test_a_gradient_that_is_not_finite_under_a_finite_loss_is_caught_before_a_checkpoint(
    task, tiny, recipe, tmp_path
) -> None:
    model = tiny()
    model.unembed.W_U.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(InterpError, match="step 1 "):
        train(model, task, replace(recipe, checkpoint_every=1), tmp_path, progress=False)
    assert load_run(tmp_path).stamp.step == 0
