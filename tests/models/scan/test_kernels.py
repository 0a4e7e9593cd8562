"""The adapters to the CUDA kernels: with the authors' own reference functions in the kernels' place, and on a GPU.

In their place stand functions that refuse what the compiled kernels refuse (from the checks in their C++ code) and then
run the authors' reference. They import without Triton and CUDA because stand-ins for these are put into `sys.modules`.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from interp.models.scan import conv, kernels, selective, ssd
from interp.models.scan.methods import using

FILES = Path(sys.prefix) / "reference"
LIKE_A_KERNEL = {"rtol": 1e-4, "atol": 1e-4}
Inputs = dict[str, Tensor | None]
Scan = Callable[..., tuple[Tensor, Tensor]]


@pytest.fixture(scope="module")
def authors() -> Iterator[Any]:
    """Modules of the authors with their reference functions: `selective_scan`, `ssd_scan`, `causal_conv`."""
    if not FILES.is_dir():
        pytest.skip(f"the kernels' Python files are not in {FILES}; make setup puts them there")
    triton = MagicMock(__version__="3.5.0")
    triton.Config.return_value.num_warps = 1
    triton.autotune.return_value.return_value.configs = [MagicMock()]
    package = ModuleType("mamba_ssm")  # instead of its __init__, which imports all of its models
    package.__path__ = [str(FILES / "mamba_ssm")]
    stand_ins = {"triton": triton, "triton.language": triton, "mamba_ssm": package}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(FILES), *sys.path])
        for name in (*stand_ins, "selective_scan_cuda", "causal_conv1d_cuda"):
            patch.setitem(sys.modules, name, stand_ins.get(name, MagicMock()))
        from causal_conv1d import causal_conv1d_interface  # pyright: ignore[reportMissingImports]
        from mamba_ssm.ops import selective_scan_interface  # pyright: ignore[reportMissingImports]
        from mamba_ssm.ops.triton import ssd_combined  # pyright: ignore[reportMissingImports]

        modules = selective_scan_interface, ssd_combined, causal_conv1d_interface
        yield SimpleNamespace(**dict(zip(kernels.KERNELS, modules, strict=True)))
        for name in [name for name in sys.modules if name.split(".")[0] in ("mamba_ssm", "causal_conv1d")]:
            del sys.modules[name]


@pytest.fixture
def in_place_of_the_kernels(authors: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def selective_scan_fn(
        u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None = None, **how: Any
    ):
        assert u.dtype == delta.dtype == B.dtype == C.dtype == A.dtype == torch.float32
        assert D is None or D.dtype == torch.float32
        assert A.shape[1] <= 256
        found = authors.selective_scan.selective_scan_ref(u, delta, A, B, C, D, **how)
        if how.get("return_last_state"):
            return found[0], found[1].detach()  # the kernel's last state has no gradient
        return found

    def mamba_chunk_scan_combined(
        x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, chunk_size: int, *, D: Tensor | None,
        initial_states: Tensor | None, return_final_states: bool,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """The authors' chunk functions one after the other, as in `ssd_chunk_scan_combined_ref`, but with states."""
        assert return_final_states
        assert x.dtype == B.dtype == C.dtype != torch.float64
        assert (A.dtype, dt.dtype) == (torch.float32, torch.float32)
        length, short = x.shape[1], -x.shape[1] % chunk_size
        dt = F.pad(dt, (0, 0, 0, short))
        x, B, C = (F.pad(each, (0, 0, 0, 0, 0, short)) for each in (x, B, C))
        dt = rearrange(dt, "b (c l) h -> b h c l", l=chunk_size)
        sums = (dt * A[:, None, None]).cumsum(-1)
        writes = authors.ssd_scan.chunk_state_ref(B, x, dt, sums).flatten(-2)
        start = None if initial_states is None else initial_states.flatten(-2)
        states, final = authors.ssd_scan.state_passing_ref(writes, sums[..., -1], start)
        sizes = (x.shape[3], B.shape[3])
        y = authors.ssd_scan.chunk_scan_ref(B, C, x, dt, sums, states.unflatten(-1, sizes), D=D)
        return y[:, :length].to(x.dtype), final.unflatten(-1, sizes)

    def causal_conv1d_fn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        assert x.dtype != torch.float64
        assert 2 <= weight.shape[1] <= 4
        assert bias is None or bias.dtype == weight.dtype
        assert 1 in (x.stride(1), x.stride(2))
        if x.stride(1) == 1 and x.stride(2) > 1:  # channels innermost
            assert x.shape[1] % 8 == x.stride(0) % 8 == x.stride(2) % 8 == 0
        return authors.causal_conv.causal_conv1d_ref(x, weight, bias)

    monkeypatch.setattr(authors.selective_scan, "selective_scan_fn", selective_scan_fn)
    monkeypatch.setattr(authors.ssd_scan, "mamba_chunk_scan_combined", mamba_chunk_scan_combined)
    monkeypatch.setattr(authors.causal_conv, "causal_conv1d_fn", causal_conv1d_fn)
    for scan, (home, method) in PATHS.items():
        monkeypatch.setattr(home, "choose", lambda *_, method=method, **__: method)
        assert kernels.missing.__wrapped__(scan) is None


PATHS = {
    "selective_scan": (selective, "mamba-ssm"),
    "ssd_scan": (ssd, "mamba-ssm"),
    "causal_conv": (conv, "causal-conv1d"),
}


def drawing(source: torch.Generator) -> Callable[..., Tensor]:
    return lambda *shape: torch.randn(shape, generator=source, device=source.device)


def selective_inputs(source: torch.Generator, length: int) -> Inputs:
    normal = drawing(source)
    return {
        "u": normal(2, length, 8),
        "delta": normal(2, length, 8).exp() / 10,
        "A": -normal(8, 5).exp(),
        "B": normal(2, length, 5),
        "C": normal(2, length, 5),
        "D": normal(8),
    }


def ssd_inputs(source: torch.Generator, length: int) -> Inputs:
    normal = drawing(source)
    return {
        "x": normal(2, length, 4, 16),
        "delta": normal(2, length, 4).exp() / 100,  # exp(-delta A) may not overflow, which the authors' functions take
        "A": -normal(4).exp(),
        "B": normal(2, length, 2, 16),
        "C": normal(2, length, 2, 16),
        "D": normal(4),
        "initial": normal(2, 4, 16, 16),
    }


def conv_inputs(source: torch.Generator, length: int, channels: int = 8, width: int = 4) -> Inputs:
    normal = drawing(source)
    return {
        "x": normal(2, length, channels),
        "weight": normal(channels, width),
        "bias": normal(channels),
        "initial": normal(2, width - 1, channels),
    }


def assert_same(scan: Scan, reference: Scan, inputs: Inputs, **tolerance: float) -> None:
    """Outputs, and gradients through both of them to every input."""
    tensors = {name: tensor.requires_grad_() for name, tensor in inputs.items() if tensor is not None}
    found = []
    for function in (scan, reference):
        y, final = function(**inputs)
        weights = torch.linspace(-1, 1, final.numel(), device=y.device).view(final.shape)
        found.append(
            (y, final, torch.autograd.grad(y.square().sum() + (final * weights).sum(), tuple(tensors.values())))
        )
    torch.testing.assert_close(*found, **tolerance)


@pytest.mark.usefixtures("in_place_of_the_kernels")
@pytest.mark.parametrize("length", [1, 30])
@pytest.mark.parametrize("without", [None, "D"])
def test_the_selective_scan_maps_onto_its_kernel(length: int, without: str | None, generator: Any) -> None:
    inputs = selective_inputs(generator(), length) | {name: None for name in [without] if name}
    assert_same(selective.selective_scan, selective.selective_scan_reference, inputs, **LIKE_A_KERNEL)


@pytest.mark.usefixtures("in_place_of_the_kernels")
@pytest.mark.parametrize("length", [1, 16, 40])
@pytest.mark.parametrize("without", [None, "D", "initial"])
def test_the_scan_of_mamba_2_maps_onto_its_kernel(length: int, without: str | None, generator: Any) -> None:
    inputs = ssd_inputs(generator(), length) | {name: None for name in [without] if name}

    def in_several_chunks(**inputs: Tensor | None) -> tuple[Tensor, Tensor]:
        return ssd.ssd_scan(**inputs, chunk=16)  # pyright: ignore[reportArgumentType]

    for scan in (ssd.ssd_scan, in_several_chunks):
        assert_same(scan, ssd.ssd_scan_reference, inputs, **LIKE_A_KERNEL)


@pytest.mark.usefixtures("in_place_of_the_kernels")
def test_the_authors_recurrence_of_mamba_2_is_the_reference(authors: Any, generator: Any) -> None:
    inputs = ssd_inputs(generator(), 30) | {"initial": None}
    theirs = authors.ssd_scan.ssd_selective_scan(*list(inputs.values())[:-1])
    torch.testing.assert_close(theirs, ssd.ssd_scan_reference(**inputs)[0], **LIKE_A_KERNEL)


@pytest.mark.usefixtures("in_place_of_the_kernels")
@pytest.mark.parametrize(("channels", "width"), [(8, 4), (8, 2), (5, 3)])
@pytest.mark.parametrize("length", [1, 2, 20])
@pytest.mark.parametrize("without", [None, "bias", "initial"])
def test_the_convolution_maps_onto_its_kernel(
    channels: int, width: int, length: int, without: str | None, generator: Any
) -> None:
    inputs = conv_inputs(generator(), length, channels, width) | {name: None for name in [without] if name}
    assert_same(conv.causal_conv, conv.causal_conv_reference, inputs, **LIKE_A_KERNEL)


@pytest.mark.usefixtures("in_place_of_the_kernels")
def test_a_slice_of_a_wider_projection_reaches_the_kernel_in_a_layout_that_it_takes(generator: Any) -> None:
    wide = torch.randn(2, 20, 19, generator=generator())
    inputs = conv_inputs(generator(), 20)
    outputs = conv.causal_conv(**inputs | {"x": wide[..., 3:11]})
    torch.testing.assert_close(outputs, conv.causal_conv_reference(**inputs | {"x": wide[..., 3:11]}), **LIKE_A_KERNEL)


@pytest.mark.usefixtures("in_place_of_the_kernels")
def test_half_precision_comes_back_in_half_precision_and_its_states_in_single(generator: Any) -> None:
    for scan, inputs, halves in (
        (selective.selective_scan, selective_inputs(generator(), 20), ("u", "B", "C")),
        (ssd.ssd_scan, ssd_inputs(generator(), 20), ("x", "B", "C")),
        (conv.causal_conv, conv_inputs(generator(), 20), ("x", "initial")),
    ):
        inputs |= {name: inputs[name].bfloat16() for name in halves}
        y, final = scan(**inputs)
        assert y.dtype == torch.bfloat16
        assert final.dtype == (torch.bfloat16 if scan is conv.causal_conv else torch.float32)


@pytest.fixture
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if no module of either package had been looked for; forgets those that the test makes."""

    def theirs() -> list[str]:
        return [name for name in sys.modules if name.split(".")[0] in ("mamba_ssm", "causal_conv1d")]

    for name in theirs():
        monkeypatch.delitem(sys.modules, name)
    kernels.missing.cache_clear()
    yield
    kernels.missing.cache_clear()
    for name in theirs():
        del sys.modules[name]


@pytest.mark.usefixtures("asked_anew")
@pytest.mark.parametrize(
    ("scan", "files", "reason"),
    [
        ("selective_scan", {}, "mamba-ssm is not installed"),
        ("causal_conv", {}, "causal-conv1d is not installed"),
        (
            "selective_scan",
            {"mamba_ssm/__init__.py": "import selective_scan_cuda_of_nobody"},
            "mamba-ssm is installed without selective_scan_cuda_of_nobody, which it needs",
        ),
        (
            "selective_scan",
            {"mamba_ssm/ops/selective_scan_interface.py": "selective_scan_cuda = None\ndef selective_scan_fn(): ..."},
            "mamba-ssm is installed without its compiled kernel",
        ),
        (
            "ssd_scan",
            {"mamba_ssm/ops/triton/ssd_combined.py": "mamba_chunk_scan_combined = None"},
            "mamba-ssm is installed without its compiled kernel",
        ),
        (
            "causal_conv",
            {"causal_conv1d/__init__.py": "raise ImportError('undefined symbol: _ZN3c10\\nin a library')"},
            "causal-conv1d cannot be imported: undefined symbol: _ZN3c10",
        ),
        ("causal_conv", {"causal_conv1d/causal_conv1d_interface.py": "def causal_conv1d_fn(): ..."}, None),
    ],
)
def test_what_is_missing_is_named(
    scan: str, files: dict[str, str], reason: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        folders = Path(name).parents[:-1]
        for folder in reversed(folders):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "__init__.py").touch()
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert kernels.missing(scan) == reason


def test_with_the_packages_but_not_their_kernels_the_projects_own_paths_run() -> None:
    if not FILES.is_dir():
        pytest.skip(f"the kernels' Python files are not in {FILES}; make setup puts them there")
    script = f"""
import sys; sys.path.insert(0, {str(FILES)!r})
import torch
from interp.models.scan.methods import choose
from interp.models.scan.kernels import KERNELS, missing
print(*map(missing, KERNELS), sep="\\n")
print(*(choose(scan, torch.device("cuda")) for scan in KERNELS))
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    *reasons, chosen = told.splitlines()
    assert [" is installed without " in reason for reason in reasons] == [True] * 3
    assert chosen == "torch chunked shifted"


@pytest.mark.gpu
@pytest.mark.parametrize("scan", kernels.KERNELS)
@pytest.mark.parametrize("length", [1, 100, 300])
def test_on_the_device_kernels_and_references_agree(scan: str, length: int, generator: Any) -> None:
    if reason := kernels.missing(scan):
        pytest.skip(reason)
    source = generator(0, "cuda")
    module, method, draw = {
        "selective_scan": (selective, "mamba-ssm", selective_inputs),
        "ssd_scan": (ssd, "mamba-ssm", ssd_inputs),
        "causal_conv": (conv, "causal-conv1d", conv_inputs),
    }[scan]
    tolerance = 2e-2 if scan == "ssd_scan" else 1e-3  # Triton multiplies in TF32
    with using(method):
        run, reference = getattr(module, scan), getattr(module, f"{scan}_reference")
        assert_same(run, reference, draw(source, length), rtol=tolerance, atol=tolerance)
