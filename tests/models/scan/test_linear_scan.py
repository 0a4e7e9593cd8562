"""The linear scan: every state of a diagonal recurrence, and its gradients."""

import jaxtyping
import pytest
import torch
from torch._subclasses import FakeTensorMode

from interp.base.errors import UserError
from interp.models.scan.linear import linear_scan, linear_scan_reference
from interp.models.scan.selective import selective_scan_reference

SHAPES = {
    "Mamba": ((2, 7, 3, 4), (2, 7, 3, 4)),
    "Mamba-2": ((2, 7, 3, 1, 1), (2, 7, 3, 2, 4)),
    "one number": ((1, 1), (1, 1)),
    "one position": ((2, 1, 3), (2, 1, 3)),
}


@pytest.fixture(params=SHAPES)
def inputs(request):
    decay, write = SHAPES[request.param]
    generator = torch.Generator().manual_seed(3)
    normal = [torch.randn(shape, generator=generator).double() for shape in (decay, write, write[:1] + write[2:])]
    return [normal[0].sigmoid().requires_grad_(), normal[1].requires_grad_(), normal[2].requires_grad_()]


def test_it_is_its_reference(inputs):
    torch.testing.assert_close(linear_scan(*inputs), linear_scan_reference(*inputs))
    torch.testing.assert_close(linear_scan(*inputs[:2]), linear_scan_reference(*inputs[:2]))


def test_gradients_are_those_of_finite_differences(inputs):
    assert torch.autograd.gradcheck(linear_scan, inputs)
    assert torch.autograd.gradgradcheck(linear_scan, inputs)


def test_inputs_need_not_be_contiguous():
    generator = torch.Generator().manual_seed(4)
    write = torch.randn(3, 4, 6, 2, generator=generator).double().permute(3, 2, 0, 1).requires_grad_()
    A_bar = torch.rand(2, 1, 3, 4, generator=generator).double().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a, *x: linear_scan(a.expand(2, 6, 3, 4), *x),
        (A_bar, write, write.detach()[:, 0].clone().requires_grad_()),
    )


def test_a_constant_decay_sums_a_geometric_series():
    states = linear_scan(torch.full((1, 50), 0.5), torch.ones(1, 50))
    torch.testing.assert_close(states[0], 2 - 0.5 ** torch.arange(50.0))


def test_read_out_it_is_the_selective_scan():
    generator = torch.Generator().manual_seed(5)
    u, B, C = (torch.randn(2, 9, n, generator=generator) for n in (3, 4, 4))
    delta, A = torch.rand(2, 9, 3, generator=generator), -torch.rand(3, 4, generator=generator)
    states = linear_scan((delta[..., None] * A).exp(), (delta * u)[..., None] * B[:, :, None])
    y, final = selective_scan_reference(u, delta, A, B, C)
    torch.testing.assert_close((states @ C[..., None]).squeeze(-1), y)
    torch.testing.assert_close(states[:, -1], final)


def test_half_precision_is_computed_in_float32():
    generator = torch.Generator().manual_seed(6)
    A_bar, write = (torch.rand(2, 300, 3, generator=generator).bfloat16() for _ in range(2))
    expected = linear_scan_reference(A_bar.float(), write.float()).bfloat16()
    assert torch.equal(linear_scan(A_bar, write), expected)


def test_it_runs_where_there_are_shapes_without_numbers():
    A_bar = torch.zeros(2, 5, 3, 1, device="meta", requires_grad=True)
    states = linear_scan(A_bar, torch.zeros(2, 5, 3, 4, device="meta"))
    states.sum().backward()
    assert states.shape == (2, 5, 3, 4) and A_bar.grad is not None and A_bar.grad.shape == A_bar.shape
    with FakeTensorMode():
        assert linear_scan(torch.zeros(2, 5, 3), torch.zeros(2, 5, 3)).shape == (2, 5, 3)


@pytest.mark.parametrize(
    ("A_bar", "write", "initial", "message"),
    [
        ((2, 5, 3), (2, 5, 4), None, r"A_bar of linear_scan must have the shape of write, \[2, 5, 4\]"),
        ((2, 5), (2, 5, 4), None, "A_bar of linear_scan must have"),
        ((2, 1, 4), (2, 5, 4), None, "A_bar of linear_scan must have"),
        ((2, 5, 4), (2, 5, 4), (2, 5), "initial of linear_scan must have shape"),
        ((2, 0, 4), (2, 0, 4), None, "with at least one position"),
        ((2,), (2,), None, "with at least one position"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(A_bar, write, initial, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # which would see it first
    start = None if initial is None else torch.zeros(initial)
    with pytest.raises(UserError, match=message):
        linear_scan(torch.zeros(A_bar), torch.zeros(write), start)
