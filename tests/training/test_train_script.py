"""`analyses/train.py` as a person runs it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from interp.training.run_folder import load_run

ROOT = Path(__file__).parents[2]
SMALL = ("--steps", "4", "--batch", "4")


def test_it_trains_a_preset_into_a_folder_and_says_where(script, tmp_path) -> None:
    done = script("train", "--model", "alibi", "--seed", "2", "--out", str(tmp_path / "run"), *SMALL)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "run") in done.stdout
    run = load_run(tmp_path / "run")
    assert run.model.config.position == "alibi"
    assert (run.config.seed, run.config.steps, run.stamp.step) == (2, 4, 4)


def test_the_user_mistake_ends_in_one_sentence_and_code_2(script, tmp_path) -> None:
    done = script("train", "--model", "hard-alibj", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "hard-alibi" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_ends_it_says_what_is_kept_and_resume_goes_on(tmp_path, number) -> None:
    options = ("--out", str(tmp_path / "run"), "--steps", "150", "--batch", "4")
    command = [sys.executable, str(ROOT / "analyses" / "train.py"), *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=dict(os.environ))
    log = tmp_path / "run" / "log.jsonl"
    while not (log.exists() and log.stat().st_size):
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert "can be resumed from step" in said
    assert subprocess.run([*command, "--resume"], cwd=ROOT, timeout=300).returncode == 0
    assert load_run(tmp_path / "run").stamp.finished
