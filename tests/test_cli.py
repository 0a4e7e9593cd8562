"""The command lines of the analyses: fast help, one sentence for a mistake, the device that was asked for."""

import os
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from interp.base.errors import InterpError, UserError
from interp.cli import Common, resolve_device, run

SCRIPT = '''"""Count letters.

Example:
    python count.py --letters 3
"""
import sys
from dataclasses import dataclass

from interp.cli import Common, run
from interp.base.errors import InterpError, UserError


@dataclass(frozen=True)
class Options(Common):
    letters: int = 2
    """How many letters."""


def main(options):
    print(options.letters, options.tiny, options.out)
    if options.letters < 0:
        raise UserError("letters should be at least 0.")
    if options.letters == 13:
        raise InterpError("the disk is full.")
    if options.letters == 14:
        raise KeyboardInterrupt
    if options.letters == 15:
        raise RuntimeError("a bug")
    if options.letters > 2**40:
        import torch
        torch.empty(options.letters)


if __name__ == "__main__":
    try:
        run(main, Options)
    finally:
        print("torch" in sys.modules)
'''


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scripts") / "count.py"
    path.write_text(SCRIPT)
    return path


def call(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False)


def test_options_of_the_script_and_common_ones_arrive(script: Path) -> None:
    done = call(script, "--letters", "5", "--tiny", "--out", "here")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["5 True here", "False"]  # and torch was not imported


@pytest.mark.parametrize(
    ("letters", "code", "sentence"),
    [(-1, 2, "letters should be at least 0."), (13, 1, "the disk is full."), (14, 130, "Interrupted.")],
)
def test_a_refusal_is_one_sentence_and_an_exit_code(script: Path, letters: int, code: int, sentence: str) -> None:
    done = call(script, "--letters", str(letters))
    assert (done.returncode, done.stderr) == (code, sentence + "\n")


def test_a_bug_keeps_its_traceback(script: Path) -> None:
    done = call(script, "--letters", "15")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "RuntimeError: a bug" in done.stderr


def test_what_does_not_fit_into_memory_ends_in_a_sentence(script: Path) -> None:
    done = call(script, "--letters", str(2**50))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith("What was asked for does not fit into memory; take shorter strings")


@pytest.mark.parametrize("arguments", [("--leters", "3"), ("--letters", "three"), ("--no-tiny",)])
def test_a_wrong_option_exits_2_and_names_it(script: Path, arguments: tuple[str, ...]) -> None:
    done = call(script, *arguments)
    assert done.returncode == 2
    assert arguments[-1] in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("seed", ["-1", "99999999999999999999"])
def test_a_seed_that_no_generator_takes_is_refused(script: Path, seed: str) -> None:
    done = call(script, "--seed", seed)
    assert (done.returncode, done.stdout) == (2, "False\n")
    assert done.stderr == f"a seed is a whole number from 0 to 4294967295; {seed} came.\n"


@pytest.mark.parametrize("below", ["", "deeper/down"])
def test_a_file_in_the_place_of_the_results_is_refused_before_any_work(
    script: Path, tmp_path: Path, below: str
) -> None:
    (tmp_path / "taken").write_text("mine")
    done = call(script, "--out", str(tmp_path / "taken" / below))
    assert (done.returncode, done.stdout) == (2, "False\n")
    assert done.stderr.endswith(f"{tmp_path / 'taken'} is a file; choose another.\n")
    assert (tmp_path / "taken").read_text() == "mine"


def test_help_teaches_and_takes_less_than_half_a_second(script: Path) -> None:
    def cpu_seconds() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    seconds = []
    for _ in range(3):
        before = cpu_seconds()
        done = call(script, "--help")
        seconds.append(cpu_seconds() - before)
    assert done.returncode == 0
    for words in (
        "Count letters.",
        "    python count.py --letters 3",
        "How many letters.",
        "--device",
        "planted:ngram?n=3",
    ):
        assert words in done.stdout
    assert done.stdout.splitlines()[-1] == "False"  # torch was not imported
    assert min(seconds) < 0.5


def test_ctrl_c_in_the_middle_of_work_exits_130_without_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "wait.py"
    path.write_text(
        "import signal, time\nfrom interp.cli import Common, run\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs inherit it ignored
        "def main(_):\n    print('working', flush=True)\n    time.sleep(30)\nrun(main, Common, args=[])\n"
    )
    with subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        os.kill(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr) == (130, "Interrupted.\n")


def test_run_hands_over_exactly_the_parsed_options() -> None:
    @dataclass(frozen=True)
    class Options(Common):
        letters: tuple[int, ...] = (1, 2)

    seen = []
    with pytest.raises(SystemExit) as left:
        run(lambda options: seen.append(options), Options, args=["--seed", "7", "--letters", "3", "4", "5"])
    assert left.value.code == 0
    assert seen == [Options(seed=7, letters=(3, 4, 5))]


def test_auto_takes_cuda_then_the_cpu_and_never_mps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == torch.device("cuda")


def test_a_device_that_exists_is_taken_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name in ("cpu", "cuda", "cuda:0", "cuda:1"):
        assert resolve_device(name) == torch.device(name)


@pytest.mark.parametrize(("name", "found"), [("cuda", 0), ("cuda:0", 0), ("cuda:2", 2)])
def test_a_device_that_the_machine_lacks_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, found: int) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: found)
    with pytest.raises(UserError, match=f"device {name} was asked for"):
        resolve_device(name)


def test_mps_is_refused_for_it_has_no_float64() -> None:
    with pytest.raises(UserError, match="device mps has no float64"):
        resolve_device("mps")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cpu:0", "cuda:-1", "", "CUDA"])
def test_a_device_that_means_nothing_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UserError, match="no device is called"):
        resolve_device(name)


def test_a_users_mistake_is_also_an_interp_error_and_a_value_error() -> None:
    assert issubclass(UserError, InterpError)
    assert issubclass(UserError, ValueError)
    assert (InterpError.exit_code, UserError.exit_code) == (1, 2)
