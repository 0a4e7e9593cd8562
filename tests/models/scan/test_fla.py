"""The adapter to flash-linear-attention's kernels, with its recurrences as it documents them in the kernels' place."""

import sys
from types import ModuleType

import pytest
import torch

from interp.base.errors import UserError
from interp.models import build
from interp.models.scan import fla
from interp.models.scan.matrix import matrix_scan_reference
from interp.models.scan.methods import choose, using, why_not

CUDA = torch.device("cuda")


def recurrence(q, k, v, decay, a=None, b=None, *, scale, initial_state, output_final_state):
    """What all three compute, of a decay for each row: S = exp(decay) S + b (a . S) + k v."""
    assert output_final_state and initial_state is not None and initial_state.dtype == decay.dtype == torch.float32
    assert q.dtype == k.dtype == v.dtype
    state, outputs = initial_state, []
    for t in range(q.shape[1]):
        erased = 0 if a is None else b[:, t, :, :, None] * (a[:, t, :, None] @ state)
        state = decay[:, t, :, :, None].exp() * state + erased + k[:, t, :, :, None] * v[:, t, :, None]
        outputs.append(scale * (q[:, t, :, None] @ state)[:, :, 0])
    return torch.stack(outputs, dim=1), state


@pytest.fixture
def in_place_of_the_kernels(monkeypatch):
    called = []

    def alike(q, k, v, *, g, **options):
        assert g.shape == q.shape[:3]
        called.append("alike")
        return recurrence(q, k, v, g[..., None].expand_as(q), **options)

    def rows(q, k, v, *, g, **options):
        assert g.shape == q.shape
        called.append("rows")
        return recurrence(q, k, v, g, **options)

    def erasing(q, k, v, *, a, b, gk, **options):
        assert a.shape == b.shape == gk.shape == q.shape and gk.is_contiguous()
        called.append("erasing")
        return recurrence(q, k, v, gk, a, b, **options)

    for where, function in {"alike": alike, "rows": rows, "erasing": erasing}.items():
        module, name = fla.KERNELS[where]
        stand_in = ModuleType(module)
        setattr(stand_in, name, function)
        for depth in range(1, module.count(".") + 1):
            parent = module.rsplit(".", depth)[0]
            monkeypatch.setitem(sys.modules, parent, ModuleType(parent))
        monkeypatch.setitem(sys.modules, module, stand_in)
    fla.missing.cache_clear()
    yield called
    fla.missing.cache_clear()


@pytest.mark.parametrize("where", fla.KERNELS)
def test_each_recurrence_goes_to_the_function_that_has_it(where, in_place_of_the_kernels):
    g = torch.Generator().manual_seed(0)
    q, k, erase, probe = (torch.randn(2, 9, 3, 4, generator=g) for _ in range(4))
    v, initial = torch.randn(2, 9, 3, 5, generator=g), torch.randn(2, 3, 4, 5, generator=g)
    log_decay = -torch.rand(2, 9, 3, 4 if where == "rows" else 1, generator=g)
    pair = (0.1 * erase, probe) if where == "erasing" else (None, None)
    assert fla.missing() is None
    found = fla.matrix_scan(q, k, v, log_decay, *pair, initial)
    for ours, expected in zip(found, matrix_scan_reference(q, k, v, log_decay, *pair, initial), strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)
    assert in_place_of_the_kernels == [where]


def test_they_are_taken_only_where_they_are_asked_for(monkeypatch):
    monkeypatch.setattr(fla, "missing", lambda: None)
    assert choose("matrix_scan", CUDA) == "chunked"
    with using("fla"):
        assert choose("matrix_scan", CUDA) == "fla"


def test_where_they_cannot_run_the_reason_is_told(monkeypatch):
    model, tokens = build({"kind": "gated_deltanet", "d_model": 16}), torch.zeros(1, 4, dtype=torch.long)
    with (
        using("fla"),
        pytest.raises(UserError, match=r"got 'fla': its kernels need CUDA; the tensors are on cpu\. Leave it"),
    ):
        model(tokens)
    monkeypatch.setattr(fla, "missing", lambda: "flash-linear-attention is not installed")
    assert why_not("matrix_scan", "fla", CUDA) == "flash-linear-attention is not installed"
    monkeypatch.setattr(fla, "missing", lambda: None)
    assert why_not("matrix_scan", "fla", CUDA, dtype=torch.float64) == "its kernels know no float64"
    keys, values = torch.zeros(1, 2, 1, 257), torch.zeros(1, 2, 1, 4)
    with pytest.raises(UserError, match="d_key must be at most 256 for the kernels of flash-linear-attention; got 257"):
        fla.matrix_scan(keys, keys, values, values[..., :1])


def test_what_is_missing_is_named(monkeypatch):
    fla.missing.cache_clear()
    monkeypatch.setitem(sys.modules, "fla", None)
    assert "flash-linear-attention" in str(fla.missing())
    fla.missing.cache_clear()


@pytest.mark.gpu
@pytest.mark.parametrize("where", fla.KERNELS)
def test_on_the_device_kernels_and_reference_agree(where):
    if reason := fla.missing():
        pytest.skip(reason)
    g = torch.Generator().manual_seed(0)
    q, k, v, probe = (torch.randn(2, 100, 2, 32, generator=g).to(CUDA, torch.bfloat16) for _ in range(4))
    probe = torch.nn.functional.normalize(probe, dim=3)
    log_decay = -torch.rand(2, 100, 2, 32 if where == "rows" else 1, generator=g).to(CUDA)
    pair = (0.5 * probe, probe) if where == "erasing" else (None, None)
    y, state = fla.matrix_scan(q, k, v, log_decay, *pair)
    wide = [None if part is None else part.float() for part in (q, k, v, log_decay, *pair)]
    expected, last = matrix_scan_reference(*wide)
    for ours, theirs in ((y, expected), (state, last)):
        torch.testing.assert_close(ours.float(), theirs, rtol=0, atol=2e-2 * float(theirs.abs().max()))
