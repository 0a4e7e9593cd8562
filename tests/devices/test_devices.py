"""A model, its training and every study give the same numbers wherever they run.

On a GPU where there is one; everywhere else on a device that only pretends (`pretend`), and refuses what CUDA refuses.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.devices.checks import CHECKS, KERNELS, Impossible, check  # noqa: TID251

ROOT = Path(__file__).parents[2]
OF_DEVICES = ("numba", "fused", *KERNELS)
"""Methods that belong to a kind of device; the pretended one has none of them."""
PRETENDED = [name for name in CHECKS if name.split(" by ")[-1] not in OF_DEVICES]
SLOW = {
    *(f"{what} {kind}" for what in ("model", "training") for kind in ("nope", "alibi", "long")),
    *(f"model {kind}" for kind in ("gated_deltanet", "gla", "mlstm", "gated_deltanet_hybrid")),
    *(f"training {kind}" for kind in ("gated_deltanet", "gla", "rwkv7", "mlstm", "mamba3", "gated_deltanet_hybrid")),
    *(f"study view of {kind}" for kind in ("hard-alibi", "mamba")),
    "study state of mamba2",
    "study hybrid of hybrid",
    "study heads of a planted model",
    "study backwards of a planted model",
}
"""What differs from another check by a bias on the scores or by sizes alone, or is a part of another: of the study of
ablations the view of attention, of the study of a hybrid's heads the scores of hidden attention. The state of a
Mamba-2 is measured for a minute; by default that of an LSTM, which is smaller. The heads of a hybrid are part of its
study, and pass through all that those of a planted model do. Writing backwards ablates as the study of ablations
does. Layers with matrix-valued states share all but what they ask of them; by default RWKV-7, which asks for most,
stands for them, with Mamba-3."""


@pytest.fixture(scope="module")
def told(pytestconfig: pytest.Config) -> dict[str, str | None]:
    """What went wrong in each check; in a process of its own, for the device is there for good."""
    asked = [name for name in PRETENDED if pytestconfig.getoption("--runslow") or name not in SLOW]
    command = [sys.executable, "-m", "tests.devices.on_pretend", *asked]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    found = dict(map(json.loads, done.stdout.splitlines()))
    assert len(found) == len(asked), done.stderr
    return found


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in PRETENDED])
def test_a_device_that_is_strict_gives_the_same_numbers(name: str, told: dict[str, str | None]) -> None:
    assert told[name] is None, told[name]


@pytest.mark.gpu
@pytest.mark.parametrize("name", CHECKS)
def test_a_gpu_gives_the_same_numbers(name: str) -> None:
    try:
        check(name, torch.device("cuda", 0))
    except Impossible as reason:
        pytest.skip(str(reason))


WRONG = {
    "a sum": "torch.ones(3, device=device) + torch.ones(3)",
    "a product of matrices": "torch.ones(3, 3, device=device) @ torch.ones(3, 3)",
    "a mask": "torch.ones(3, device=device).masked_fill(torch.ones(3) > 0, 0.0)",
    "a concatenation": "torch.cat([torch.ones(3, device=device), torch.ones(3)])",
    "values at an index": "torch.ones(3, device=device).index_put_((torch.tensor([0]),), torch.ones(1))",
    "an embedding": "F.embedding(torch.zeros(2, dtype=torch.long), torch.ones(3, 3, device=device))",
    "a numpy array": "torch.ones(3, device=device).numpy()",
    "an array made of it": "np.asarray(torch.ones(3, device=device))",
    "a layer": "torch.nn.Linear(3, 3).to(device)(torch.ones(2, 3))",
}
RIGHT = {
    "a number": "torch.ones(3, device=device) + torch.tensor(2.0)",
    "an index": "torch.ones(3, device=device)[torch.tensor([0, 1])]",
    "a copy": "torch.ones(3).to(device) + torch.ones(3, device=device)",
    "a copy in place": "torch.ones(3, device=device).copy_(torch.ones(3))",
    "a list": "torch.tensor([1.0, 2.0], device=device) * torch.ones(2, device=device)",
    "an array": "torch.ones(3, device=device).cpu().numpy()",
    "a gradient": "torch.nn.Linear(3, 3).to(device)(torch.ones(2, 3, device=device)).sum().backward()",
}


def test_the_device_that_pretends_refuses_what_cuda_refuses_and_nothing_else() -> None:
    script = f"""
import numpy as np, torch, torch.nn.functional as F
from tests.devices.pretend import pretending
with pretending() as device:
    for code in {[*WRONG.values(), *RIGHT.values()]}:
        try:
            eval(code)
            print("ran")
        except (RuntimeError, TypeError) as error:
            print("refused" if "device" in str(error) or "numpy" in str(error) else repr(error))
    there = torch.arange(6.0, device=device).view(2, 3).T
    assert there.device == device and there.tolist() == [[0, 3], [1, 4], [2, 5]] and there.sum().item() == 15
    there[0] = 7
    assert there.cpu().tolist() == [[7, 7], [1, 4], [2, 5]]
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["refused"] * len(WRONG) + ["ran"] * len(RIGHT), done.stdout + done.stderr
    assert done.returncode == 0, done.stderr
