"""The selective scan: every method is the recurrence, in values and in gradients, at any length and from any state."""

import jaxtyping
import pytest
import torch
import torch.nn.functional as F
from numba import njit
from numba.core.caching import CompileResultCacheImpl
from torch._subclasses import FakeTensorMode

from interp.base.errors import UserError
from interp.models.scan import selective_numba, selective_torch
from interp.models.scan.methods import using
from interp.models.scan.selective import selective_scan, selective_scan_reference

METHODS = ["numba", "torch", "reference"]
FUSED = ["numba", "torch"]
NAMES = ["u", "delta", "A", "B", "C", "D", "initial"]
SHAPES = [(2, 19, 3, 2), (1, 33, 2, 1), (1, 1, 1, 1), (3, 5, 1, 4), (1, 16, 17, 2)]
"""(batch, length, channels, state): one chunk of positions, parts of one and more, and nothing but ones."""


def draw(batch, length, channels, state, dtype=torch.float64, grad=True):
    """u, delta, A, B, C, D and initial."""
    generator = torch.Generator().manual_seed(length)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=dtype)

    sequence, per_state = (batch, length, channels), (batch, length, state)
    inputs = [normal(*sequence), F.softplus(normal(*sequence)), -normal(channels, state).exp()]
    inputs += [normal(*per_state), normal(*per_state), normal(channels), normal(batch, channels, state)]
    return [x.requires_grad_(grad) for x in inputs]


def run(method, *inputs):
    with using(method):
        return selective_scan(*inputs)


def close(found, expected, tolerance):
    """Largest difference, as a share of the largest number."""
    for name, x, y in zip(["y", "final", *NAMES], found, expected, strict=False):
        assert x.shape == y.shape and x.dtype == y.dtype, name
        assert (x - y).abs().max() <= tolerance * y.abs().max(), name


# ---------------------------------------------------------------------- what it computes


@pytest.mark.parametrize("method", METHODS)
def test_one_channel_with_one_state_is_worked_out_by_hand(method):
    u, delta = torch.tensor([[[3.0], [-1.0]]]), torch.tensor([[[1.0], [2.0]]])
    A, B, C, D = torch.tensor([[-0.5]]), torch.tensor([[[2.0], [1.0]]]), torch.tensor([[[1.0], [4.0]]]), torch.ones(1)
    y, final = run(method, u, delta, A, B, C, D, torch.full((1, 1, 1), 8.0))
    first = 8 * torch.exp(torch.tensor(-0.5)) + 1 * 3 * 2
    second = first * torch.exp(torch.tensor(-1.0)) + 2 * -1 * 1
    torch.testing.assert_close(y.flatten(), torch.stack([first + 3, 4 * second - 1]))
    torch.testing.assert_close(final.flatten(), second[None])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("method", METHODS)
def test_gradients_of_all_inputs_are_those_of_finite_differences(method, shape):
    """Through y and through the final state; gradcheck asks for both."""
    assert torch.autograd.gradcheck(lambda *x: run(method, *x), draw(*shape), fast_mode=True)


@pytest.mark.parametrize("method", METHODS)
def test_inputs_need_not_be_contiguous(method):
    u, delta, A, B, C, D, initial = draw(2, 18, 3, 2)
    inputs = [u.detach().mT.contiguous().mT, delta.detach().mT.contiguous().mT, A.detach().T.contiguous().T]
    inputs += torch.cat([B, C], dim=-1).detach().split(2, dim=-1)  # as a layer cuts them from one product
    inputs += [D.detach().repeat_interleave(2)[::2], initial.detach().mT.contiguous().mT]
    assert sum(x.is_contiguous() for x in inputs) == 0
    assert torch.autograd.gradcheck(lambda *x: run(method, *x), [x.requires_grad_() for x in inputs])


@pytest.mark.parametrize("shape", [(4, 100, 48, 16), (3, 37, 1050, 9)])
@pytest.mark.parametrize("method", FUSED)
def test_in_float32_the_fused_methods_are_the_reference(method, shape):
    """The second has more channels than go into one block, and not by whole registers."""
    inputs = draw(*shape, dtype=torch.float32)

    def everything(y, final):
        return [y, final, *torch.autograd.grad((y.cos().sum() + (final**2).sum()), inputs)]

    close(everything(*run(method, *inputs)), everything(*selective_scan_reference(*inputs)), 1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_without_D_and_initial_they_are_zero(method):
    inputs = draw(2, 20, 3, 4, grad=False)
    zeros = [torch.zeros_like(x) for x in inputs[5:]]
    close(run(method, *inputs[:5]), run(method, *inputs[:5], *zeros), 0)


@pytest.mark.parametrize("at", [1, 16, 23])
@pytest.mark.parametrize("method", METHODS)
def test_two_pieces_with_the_state_carried_over_are_the_whole(method, at):
    u, delta, A, B, C, D, initial = draw(2, 40, 5, 3, grad=False)
    early, state = run(method, u[:, :at], delta[:, :at], A, B[:, :at], C[:, :at], D, initial)
    late, final = run(method, u[:, at:], delta[:, at:], A, B[:, at:], C[:, at:], D, state)
    close([torch.cat([early, late], dim=1), final], run(method, u, delta, A, B, C, D, initial), 1e-14)


@pytest.mark.parametrize("method", METHODS)
def test_gradients_have_gradients(method):
    assert torch.autograd.gradgradcheck(lambda *x: run(method, *x), draw(1, 3, 2, 2))
    inputs = draw(1, 3, 2, 2, grad=False)
    inputs[1].requires_grad_()  # of one input alone
    assert torch.autograd.gradgradcheck(lambda delta: run(method, inputs[0], delta, *inputs[2:]), inputs[1])


# ---------------------------------------------------------------------- numbers at the edge


def test_the_kernels_exponential_is_exact_to_1e_7_down_to_where_it_is_zero():
    """Read through the scan: one step from the state 1 without input leaves exp(delta A)."""
    x = torch.cat([torch.linspace(-87.33, 88.3, 200_001), -torch.logspace(-30, 0, 1000), torch.zeros(1)])
    one, nothing = torch.ones(1, 1, len(x)), torch.zeros(1, 1, 1)
    found = run("numba", 0 * one, one, x[:, None], nothing, nothing, None, one.mT)[1].flatten()
    expected = x.double().exp()
    assert ((found - expected).abs() / expected).max() < 1e-7
    far = torch.tensor([-87.4, -1e3, -1e30, -torch.inf, 89, 1e30, torch.inf, torch.nan])
    one = torch.ones(1, 1, len(far))
    found = run("numba", 0 * one, one, far[:, None], nothing, nothing, None, one.mT)[1].flatten()
    assert found[:4].eq(0).all() and found[4:7].isposinf().all() and found[7].isnan()


@pytest.mark.parametrize("method", METHODS)
def test_where_the_decay_underflows_only_the_last_write_is_left(method):
    u, _, A, B, C, _, initial = draw(2, 20, 3, 4, dtype=torch.float32)
    delta = torch.full_like(u, 1e4).requires_grad_()
    y, final = run(method, u, delta, A - 1, B, C, None, initial)
    write = (delta * u)[..., None] * B[:, :, None]
    torch.testing.assert_close(final, write[:, -1])
    torch.testing.assert_close(y, (write * C[:, :, None]).sum(-1), rtol=1e-5, atol=1e-2)
    grads = torch.autograd.grad(y.sum() + final.sum(), (u, delta, A, B, C, initial))
    assert all(grad.isfinite().all() for grad in grads) and grads[2].eq(0).all() and grads[5].eq(0).all()


@pytest.mark.parametrize("method", FUSED)
def test_ten_thousand_steps_stay_at_the_closed_form(method):
    """u = B = C = 1 throughout: the state is delta (1 - a^t) / (1 - a)."""
    length, delta, A = 10_000, 0.01, -0.05
    ones = torch.ones(1, length, 1)
    y, _ = run(method, ones, delta * ones, torch.full((1, 1), A), ones, ones)
    decay = torch.tensor(delta * A, dtype=torch.float64).exp()
    expected = delta * (1 - decay ** torch.arange(1, length + 1)) / (1 - decay)
    assert ((y.flatten() - expected) / expected).abs().max() < 1e-4  # a float32 decay so near 1 is good to 6e-8 / 5e-4


@pytest.mark.parametrize("method", METHODS)
def test_half_precision_is_computed_in_float32_also_under_autocast(method):
    inputs = draw(2, 20, 3, 4, dtype=torch.float32, grad=False)
    halves = [x.bfloat16() for x in inputs]
    y, final = run(method, *halves)
    expected = run(method, *(x.float() for x in halves))
    assert y.dtype == torch.bfloat16 and torch.equal(y, expected[0].bfloat16()) and torch.equal(final, expected[1])
    inputs = [x.requires_grad_() for x in inputs]
    y, final = run(method, *inputs)
    grads = torch.autograd.grad(y.square().sum(), inputs)
    with torch.autocast("cpu", torch.bfloat16):
        again = run(method, *inputs)
        close([*again, *torch.autograd.grad(again[0].square().sum(), inputs)], [y, final, *grads], 0)


# ---------------------------------------------------------------------- where and how it runs


def test_threads_change_no_bit():
    inputs = draw(5, 130, 700, 8, dtype=torch.float32)

    def everything():
        y, final = run("numba", *inputs)
        return [y, final, *torch.autograd.grad(y.sin().sum() + final.sum(), inputs)]

    alone = everything()
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        together = everything()
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(x, y) for x, y in zip(alone, together, strict=True))


@pytest.mark.parametrize("method", FUSED)
def test_what_autograd_keeps_grows_with_length_and_holds_no_state_per_position(method):
    def kept(length):
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
            run(method, *draw(2, length, 32, 16, dtype=torch.float32))
        return sum(sizes)

    assert kept(4096) - kept(2048) == 2 * (kept(2048) - kept(1024))
    assert kept(4096) < 2 * 4096 * 32 * 16 / 2


def test_on_a_cpu_numba_runs_unless_another_method_is_asked_for(monkeypatch):
    inputs = draw(1, 4, 2, 2)
    assert "_Fused" in type(selective_scan(*inputs)[1].grad_fn).__name__
    monkeypatch.setattr(selective_torch, "forward", lambda *_, **__: 1 / 0)
    selective_scan(*inputs)
    with pytest.raises(ZeroDivisionError), using("torch"):
        selective_scan(*inputs)
    with using("reference"):
        assert "_Fused" not in type(selective_scan(*inputs)[1].grad_fn).__name__


def test_it_runs_where_there_are_shapes_without_numbers():
    inputs = [x.to("meta").requires_grad_() for x in draw(2, 40, 3, 4, grad=False)]
    y, final = selective_scan(*inputs)
    assert y.is_meta and y.shape == (2, 40, 3) and final.shape == (2, 3, 4)
    assert [x.shape for x in torch.autograd.grad(y.sum(), inputs)] == [x.shape for x in inputs]
    with FakeTensorMode(allow_non_fake_inputs=True):
        y, final = selective_scan(*(torch.zeros_like(x) for x in draw(2, 40, 3, 4)))
    assert y.shape == (2, 40, 3) and final.shape == (2, 3, 4)


def test_without_a_folder_to_keep_kernels_in_they_are_compiled_all_the_same(monkeypatch):
    monkeypatch.setattr(CompileResultCacheImpl, "_locator_classes", [])
    with pytest.raises(RuntimeError, match="no locator"):
        njit(cache=True)(lambda x: 2 * x)
    assert selective_numba._compiled(lambda x: 2 * x)(3) == 6


@pytest.mark.parametrize("wrong", [name for name in NAMES if name != "u"])
def test_a_tensor_that_does_not_fit_is_refused_by_name(wrong, monkeypatch):
    inputs = dict(zip(NAMES, draw(2, 6, 3, 4), strict=True))
    inputs[wrong] = inputs[wrong][..., :-1]
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # which would see it first
    # A tells how many states there are, so where it is wrong the next one that has states is named
    blamed = {"A": "B"}.get(wrong, wrong)
    with pytest.raises(UserError, match=rf"{blamed} of selective_scan must have shape .*; got"):
        selective_scan(**inputs)


@pytest.mark.parametrize(("shape", "axis"), [((2, 0, 3, 4), "pos"), ((2, 5, 0, 4), "channel"), ((2, 5, 3, 0), "state")])
def test_no_position_no_channel_or_no_state_is_refused(shape, axis):
    with pytest.raises(UserError, match=f"at least one {axis}"):
        selective_scan(*draw(*shape))


@pytest.mark.parametrize("method", METHODS)
def test_no_string_is_no_string(method):
    inputs = draw(0, 20, 3, 4)
    y, final = run(method, *inputs)
    assert y.shape == (0, 20, 3) and final.shape == (0, 3, 4)
    assert all(not grad.any() for grad in torch.autograd.grad(y.sum() + final.sum(), inputs))
