"""The run on a GPU tells what failed and goes on; its parts put their tensors where they belong."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.slow  # minutes: each part is run as it will be
ROOT = Path(__file__).parents[2]
FAKES = {
    "__init__": "",
    "good": "def rows(device, quick):\n    yield {'what': device, 'ms': 1.5}\n    yield {'what': 'b', 'error': 'no'}\n",
    "slow": "import time\ndef rows(device, quick):\n    yield {'what': 'first'}\n    time.sleep(600)\n",
    "gone": "import os\ndef rows(device, quick):\n    yield {'what': 'first'}\n    os._exit(7)\n",
}


def test_a_part_that_fails_or_takes_too_long_is_told_with_the_rows_that_it_had(tmp_path, monkeypatch, capsys):
    gpu = import_module("gpu")
    (tmp_path / "on_gpu").mkdir()
    for name, text in FAKES.items():
        (tmp_path / "on_gpu" / f"{name}.py").write_text(text)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])  # a process of its own looks here first, too
    found = {name: gpu.run_part(name, "cpu", True, 60 if name != "slow" else 40) for name in ("good", "slow", "gone")}
    assert found["good"].rows == [{"what": "cpu", "ms": 1.5}, {"what": "b", "error": "no"}]
    assert found["slow"].rows == found["gone"].rows == [{"what": "first"}]
    assert [part.failed for part in found.values()] == [None, "stopped after 40 s", "exit code 7"]
    assert gpu.faults(found) == ["slow: stopped after 40 s", "gone: exit code 7", "good: b"]
    assert "ms 1.5" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so():
    done = subprocess.run([sys.executable, "benchmarks/gpu.py"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout.startswith("There is no CUDA device")


PRETENDED = """
import json, sys, torch
sys.path.insert(0, "benchmarks")
from importlib import import_module
from tests.devices.pretend import pretending
torch.accelerator.synchronize = lambda *_: None  # there is nothing to wait for
for part in sys.argv[1:]:
    with pretending() as device:
        for row in import_module(f"on_gpu.{part}").rows(str(device), True):
            print(json.dumps(row), flush=True)
"""


@pytest.mark.parametrize("part", ["equality", "steps", "scans", "studies", "memory", "paper"])
def test_each_part_runs_on_a_device_that_is_strict_about_what_lies_where(part):
    command = [sys.executable, "-c", PRETENDED, part]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) >= 2
    failed = [row for row in rows if "error" in row and "_thnn_fused_lstm_cell" not in row["error"]]
    assert failed == []  # but for torch's own LSTM, which belongs to devices
