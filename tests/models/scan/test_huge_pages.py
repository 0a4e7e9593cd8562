"""Tensors in large pages are tensors like others."""

import torch

from interp.models.scan import huge_pages
from interp.models.scan.linear import linear_scan


def test_a_large_tensor_is_an_ordinary_one(monkeypatch):
    generator = torch.Generator().manual_seed(7)
    x, y = torch.randn(3, 1, 50, generator=generator), torch.randn(20, 1, generator=generator)
    expected = x * y
    monkeypatch.setattr(huge_pages, "LARGE", 1)  # everything is large
    assert torch.equal(huge_pages.product(x, y), expected) and torch.equal(huge_pages.copy(expected), expected)
    part = huge_pages.copy(expected)[1]
    assert torch.equal(part + 0, expected[1])  # the memory lives as long as a view of it
    assert torch.autograd.gradcheck(
        linear_scan, (torch.rand(2, 3).double().requires_grad_(), torch.ones(2, 3).double())
    )
    weight = y.clone().requires_grad_()
    huge_pages.product(x, weight).sum().backward()
    torch.testing.assert_close(weight.grad, x.sum().expand(20, 1))
