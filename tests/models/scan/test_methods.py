"""Which implementation runs where, and how it is overridden; devices are only named, so none is needed."""

import pytest
import torch

from interp.base.errors import UserError
from interp.models.scan import kernels
from interp.models.scan.methods import choose, chosen, using, why_not

CPU, META, CUDA = torch.device("cpu"), torch.device("meta"), torch.device("cuda")
SCANS = ("selective_scan", "ssd_scan", "causal_conv")


def taken(device: torch.device) -> tuple[str, ...]:
    return tuple(chosen(device)[scan] for scan in SCANS)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if both packages were here with their kernels."""
    monkeypatch.setattr(kernels, "missing", {}.get)


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "missing", lambda scan: f"nothing was installed for {scan}")


@pytest.mark.parametrize(
    ("device", "methods"),
    [(CPU, ("numba", "chunked", "shifted")), (META, ("torch", "chunked", "shifted"))],
)
@pytest.mark.usefixtures("installed")
def test_without_cuda_the_projects_own_paths_run(device: torch.device, methods: tuple[str, ...]) -> None:
    assert taken(device) == methods


@pytest.mark.usefixtures("installed")
def test_on_cuda_the_kernels_run_where_they_are_installed() -> None:
    assert taken(CUDA) == ("mamba-ssm", "mamba-ssm", "causal-conv1d")


@pytest.mark.usefixtures("absent")
def test_on_cuda_without_the_kernels_torch_runs() -> None:
    assert taken(CUDA) == ("torch", "chunked", "shifted")


@pytest.mark.usefixtures("installed")
def test_a_kernel_is_passed_over_for_what_it_cannot_do() -> None:
    assert choose("selective_scan", CUDA, has_initial=True) == "torch"
    assert choose("ssd_scan", CUDA, has_initial=True) == "mamba-ssm"
    assert choose("causal_conv", CUDA, has_initial=True) == "causal-conv1d"
    for scan, own in zip(SCANS, ("torch", "chunked", "shifted"), strict=True):
        assert choose(scan, CUDA, dtype=torch.float64) == own
        assert choose(scan, CUDA, dtype=torch.bfloat16) != own
    assert [choose("causal_conv", CUDA, width=width) for width in (1, 2, 4, 5)] == [
        "shifted",
        "causal-conv1d",
        "causal-conv1d",
        "shifted",
    ]


def test_using_holds_inside_its_block_only_and_for_the_scans_that_have_the_method() -> None:
    usual = chosen(CPU)
    with using("reference"):
        assert set(chosen(CPU).values()) == {"reference"}
        with using("torch"):
            assert chosen(CPU) == usual | {"selective_scan": "torch"}
        assert set(chosen(CPU).values()) == {"reference"}
    assert chosen(CPU) == usual
    with pytest.raises(KeyError), using("reference", "numba"):
        raise KeyError
    assert chosen(CPU) == usual


def test_the_first_of_several_that_a_scan_has_is_used() -> None:
    with using("torch", "reference"):
        assert taken(CPU) == ("torch", "reference", "reference")


@pytest.mark.usefixtures("absent")
def test_a_method_that_cannot_run_is_refused_with_its_reason() -> None:
    with using("mamba-ssm"):
        with pytest.raises(
            UserError,
            match=r"ssd_scan must be run by a method that works here; got 'mamba-ssm': .* need CUDA; .* on cpu",
        ):
            choose("ssd_scan", CPU)
        with pytest.raises(UserError, match="'mamba-ssm': nothing was installed for selective_scan"):
            choose("selective_scan", CUDA)
    with using("numba"), pytest.raises(UserError, match="numba's kernels run on a CPU; the tensors are on cuda"):
        choose("selective_scan", CUDA)


@pytest.mark.usefixtures("installed")
def test_every_reason_names_what_is_in_the_way() -> None:
    assert "state of zeros" in (why_not("selective_scan", "mamba-ssm", CUDA, has_initial=True) or "")
    assert "float64" in (why_not("ssd_scan", "mamba-ssm", CUDA, dtype=torch.float64) or "")
    assert "these have 7" in (why_not("causal_conv", "causal-conv1d", CUDA, width=7) or "")
    assert why_not("causal_conv", "causal-conv1d", CUDA) is None


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"no method of a scan is called 'chunk'; the nearest known: .*chunked"):
        using("chunk").__enter__()
