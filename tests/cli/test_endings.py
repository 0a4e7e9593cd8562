"""How a command ends: a sentence and an exit code for whatever is no bug, a traceback for what is."""

import os
import signal
import subprocess
import sys

import pytest

from interp.base.errors import InterpError, UserError


@pytest.mark.parametrize(
    ("work", "code", "sentence"),
    [
        ("raise UserError('letters must be at least 0.')", 2, "letters must be at least 0."),
        ("raise InterpError('the disk is full.')", 1, "the disk is full."),
        ("raise KeyboardInterrupt", 130, "Interrupted."),
        ("raise KeyboardInterrupt('It can be resumed.')", 130, "Interrupted. It can be resumed."),
        ("open('/nowhere-at-all/x', 'w')", 1, None),
        ("raise OSError(28, 'No space left on device', 'a/b')", 1, "a/b cannot be used (no space left on device)."),
        ("raise OSError(30, 'Read-only file system')", 1, "a file cannot be used (read-only file system)."),
    ],
)
def test_a_refusal_is_one_sentence_and_an_exit_code(ended, work, code, sentence) -> None:
    done = ended(work)
    assert done.returncode == code
    if sentence is None:  # a file that is looked for in vain is a bug: nothing told whoever asked
        assert "Traceback" in done.stderr
    else:
        assert done.stderr == f"{sentence}\n"


def test_a_bug_keeps_its_traceback(ended) -> None:
    done = ended("raise RuntimeError('a bug')")
    assert done.returncode == 1
    assert "Traceback" in done.stderr and "RuntimeError: a bug" in done.stderr


def test_what_does_not_fit_into_memory_ends_in_a_sentence(ended) -> None:
    done = ended("import torch\ntorch.empty(2**50)")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith("The work must fit into memory; got more. Use shorter")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_of_the_work_ends_it_as_ctrl_c_does(program, number) -> None:
    path = program("try:\n    say('working')\n    time.sleep(30)\nfinally:\n    say('cleaned up')")
    heard = {"preexec_fn": lambda: signal.signal(number, signal.SIG_DFL)} if number == signal.SIGHUP else {}
    pipes: dict = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, path], **pipes, **heard) as process:  # whatever started the tests ignores
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        os.kill(process.pid, number)
        said, stderr = process.communicate(timeout=20)
    assert (process.returncode, said, stderr) == (128 + number, "cleaned up\n", "Interrupted.\n")


def test_a_signal_does_what_ctrl_c_does_at_that_moment(ended) -> None:
    """As in a training, which ends after a whole step."""
    work = "asked = []\nsignal.signal(signal.SIGINT, lambda *_: asked.append(1))\n"
    done = ended(f"{work}os.kill(os.getpid(), signal.SIGTERM)\nsay(asked)\nraise KeyboardInterrupt('Resume it.')")
    assert (done.returncode, done.stdout, done.stderr) == (143, "[1]\n", "Interrupted. Resume it.\n")


def test_a_signal_that_is_ignored_stays_so(program) -> None:
    """`nohup` starts a program with SIGHUP ignored, and means it."""
    path = program("os.kill(os.getpid(), signal.SIGHUP)\nsay('still here')")
    ignoring = f"trap '' HUP; exec {sys.executable} {path}"
    done = subprocess.run(["sh", "-c", ignoring], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "still here\n")


def test_sigterm_ends_what_ignores_ctrl_c(ended) -> None:
    """As a shell's background jobs do."""
    done = ended("signal.signal(signal.SIGINT, signal.SIG_IGN)\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(20)")
    assert (done.returncode, done.stderr) == (143, "Interrupted.\n")


def test_a_users_mistake_is_also_an_interp_error_and_a_value_error() -> None:
    assert issubclass(UserError, InterpError)
    assert issubclass(UserError, ValueError)
    assert (InterpError.exit_code, UserError.exit_code) == (1, 2)
