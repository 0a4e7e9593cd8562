"""The device that was asked for, and no other."""

import pytest
import torch

from interp.base.errors import UserError
from interp.cli.devices import resolve_device


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


@pytest.mark.parametrize(("name", "found"), [("cuda", 0), ("cuda:0", 0), ("cuda:2", 2), (f"cuda:{'9' * 30}", 2)])
def test_a_device_that_the_machine_lacks_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, found: int) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: found)
    with pytest.raises(UserError, match=f"--device must be a device of this machine, which has {found} for CUDA"):
        resolve_device(name)


def test_mps_is_refused_for_it_has_no_float64() -> None:
    with pytest.raises(UserError, match="--device must be auto, cpu or cuda; got mps, which lacks the float64"):
        resolve_device("mps")


@pytest.mark.parametrize(
    "name", ["gpu", "cuda:", "cuda:x", "cuda:٣", "cuda:²", "cpu:0", "cuda:-1", "", "CUDA", "c" * 5000]
)
def test_a_device_that_means_nothing_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UserError, match="no device is called") as caught:
        resolve_device(name)
    assert len(str(caught.value)) < 200
