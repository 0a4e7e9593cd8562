"""Kills, two writers, odd logs and broken folders: what is kept stays whole, and a mixture is never read."""

import errno
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from interp.base.errors import InterpError, UserError
from interp.base.files import TEMPORARY, write_text
from interp.training.interrupt import Interruption
from interp.training.kept_runs import kept_run
from interp.training.log import LogFile, read_records
from interp.training.loop import train
from interp.training.run_folder import CONFIG, LOG, WEIGHTS, load_run
from interp.training.under_way import RunFolder

pytestmark = pytest.mark.reliability
TINY = {"kind": "transformer", "n_heads": 4, "d_model": 32, "d_vocab": 10, "windows": (2, 3, None, None)}


@pytest.fixture
def keep(task, recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("INTERP_HOME", str(tmp_path / "home"))
    return lambda **options: kept_run("a", TINY, task, replace(recipe, steps=2), progress=False, **options)


@pytest.mark.parametrize("which", range(2))
def test_a_kill_at_any_rename_of_retraining_leaves_a_run_that_opens(keep, which, monkeypatch) -> None:
    keep()
    rename, done = Path.rename, []

    def killed(self: Path, target: Path) -> Path:
        if len(done) == which:
            raise KeyboardInterrupt
        done.append(target)
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            keep(retrain=True)
    assert len(done) == which
    assert keep(read=load_run).stamp.finished
    folder = keep(retrain=True)
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [folder.name]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOLCK])
def test_models_kept_where_nothing_can_be_written_are_read_and_what_is_not_kept_is_a_sentence(
    keep, number, monkeypatch
) -> None:
    kept = keep()

    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(FileLock, "acquire", refused)
    monkeypatch.setattr(Path, "mkdir", refused)
    assert keep(read=load_run).folder == kept
    shutil.rmtree(kept)
    with pytest.raises(
        InterpError, match=rf"must be writable to keep models there; got an error \({os.strerror(number)}"
    ):
        keep()


def test_a_kept_folder_without_its_config_is_trained_again(keep) -> None:
    (keep() / CONFIG).unlink()
    assert load_run(keep()).stamp.finished


def test_a_second_training_in_the_same_folder_is_refused_while_the_first_runs(task, tiny, recipe, tmp_path) -> None:
    first = RunFolder(tmp_path / "run", tiny(), task, recipe)
    first.take()
    with pytest.raises(UserError, match="must not be in use by another training; got one that is running there"):
        train(tiny(), task, recipe, tmp_path / "run", progress=False)
    first.release()
    model = tiny()
    train(model, task, recipe, tmp_path / "run", progress=False)
    assert not model.training
    assert not load_run(tmp_path / "run").model.training


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_end_is_noted_and_a_second_ends_at_once(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), Interruption() as interruption:
        os.kill(os.getpid(), number)
        assert interruption.asked
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_temporary_files_of_a_killed_writer_are_removed(tmp_path: Path) -> None:
    (tmp_path / f".a.json.abcd1234{TEMPORARY}").write_text("half")
    (tmp_path / ".bashrc").write_text("mine")
    write_text(tmp_path / "b", "text")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".bashrc", "b"]


@pytest.fixture
def run(task, tiny, recipe, tmp_path) -> Path:
    train(tiny(), task, recipe, tmp_path / "run", progress=False)
    return tmp_path / "run"


@pytest.mark.parametrize("line", ["", "{", "3", '{"a": 1}', "[" * 9000, '{"step": "x", "examples": 1, "loss": 1}'])
def test_a_log_with_an_odd_line_still_opens_the_model_and_says_which_line(run: Path, line: str) -> None:
    lines = (run / LOG).read_text().splitlines()
    (run / LOG).write_text("\n".join([*lines[:3], line, *lines[3:], '{"step": 12, "exa']))
    with pytest.warns(UserWarning, match="are not records; they are left out: 4"):
        assert len(load_run(run).log.loss) == 12
    with pytest.warns(UserWarning, match="they are left out: 4"):
        assert len(read_records(run / LOG)) == len(lines)


def test_a_pipe_in_the_place_of_the_log_is_not_waited_for(run: Path) -> None:
    (run / LOG).unlink()
    os.mkfifo(run / LOG)
    with pytest.raises(UserError, match="must be a file; got a pipe"):
        load_run(run)


def test_the_same_run_is_the_same_bytes(task, tiny, recipe, run: Path, tmp_path: Path) -> None:
    train(tiny(), task, recipe, tmp_path / "again", progress=False)
    assert (run / WEIGHTS).read_bytes() == (tmp_path / "again" / WEIGHTS).read_bytes()


def test_weights_that_are_not_finite_are_said(tiny, tmp_path: Path) -> None:
    model = tiny()
    with torch.no_grad():
        model.W_E[0, 0] = float("nan")
    with pytest.warns(UserWarning, match="not all finite numbers"):
        type(model).from_pretrained(model.save_pretrained(tmp_path / "m"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_is_full_while_the_log_is_written_ends_in_a_sentence(tmp_path) -> None:
    log = LogFile(tmp_path / "log.jsonl")
    log.file.close()
    log.file = open("/dev/full", "ab", buffering=0)  # noqa: PTH123, SIM115
    with pytest.raises(InterpError, match="must be writable"):
        log.write({"step": 1, "examples": 1, "loss": 1.0})
    log.close()
