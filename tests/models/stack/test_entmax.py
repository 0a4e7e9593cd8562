"""alpha-entmax by Newton's method against the bisection of its authors' library, which shares no line with it."""

import pytest
import torch
from entmax import entmax_bisect

from interp.models.stack import entmax as module
from interp.models.stack.entmax import entmax

NEAR = {torch.float32: 2e-6, torch.float64: 1e-12}
ALPHAS = (1.02, 1.2, 1.5, 1.8, 1.95, 2.0)


def hard_rows(generator: torch.Generator, n: int = 70) -> torch.Tensor:
    """Alike and apart, with few keys and with all, one alone, and gaps that grow as powers: keys drop out singly."""
    drawn = [spread * torch.randn(60, n, generator=generator, dtype=torch.float64) for spread in (0.0, 0.1, 1, 10, 1e3)]
    hidden = 3 * torch.randn(60, n, generator=generator, dtype=torch.float64)
    hidden[torch.rand(60, n, generator=generator) < torch.linspace(0, 1, 60)[:, None]] = -torch.inf
    hidden[:, 4] = 1.0
    scale = 3 * torch.rand(60, 1, generator=generator, dtype=torch.float64)
    powers = [-scale * base ** torch.arange(n, dtype=torch.float64) for base in (0.5, 0.8, 1.3)]
    return torch.cat([*drawn, hidden, *powers, 40 + powers[1]])


@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("dtype", NEAR, ids=str)
def test_it_is_what_bisection_finds(generator, monkeypatch, dtype, asks):
    monkeypatch.setattr(module, "is_fake", lambda _: not asks)  # as on a GPU, where no value is asked for
    scores = hard_rows(generator(0)).to(dtype)
    for number in ALPHAS:
        alpha = torch.tensor(number, dtype=dtype)
        found, expected = entmax(scores, alpha), entmax_bisect(scores.double(), alpha.double(), n_iter=100)
        torch.testing.assert_close(found.double(), expected, atol=NEAR[dtype], rtol=0)
        assert (found[expected == 0] < NEAR[dtype]).all() and found[scores.isinf()].eq(0).all()
        assert (found == 0).sum() >= (expected == 0).sum() - 10
        torch.testing.assert_close(found.sum(dim=-1), torch.ones(len(scores), dtype=dtype))


@pytest.mark.parametrize("dtype", NEAR, ids=str)
def test_its_gradients_are_those_of_bisection(generator, dtype):
    some = generator(1)
    scores = hard_rows(some)[None].expand(3, -1, -1).clone()
    scores = scores[(scores.amax(dim=-1) - scores.amin(dim=-1)).isfinite()].view(3, -1, 70)
    weights = torch.randn(scores.shape, generator=some, dtype=torch.float64)
    alpha = torch.tensor([1.1, 1.5, 1.9], dtype=torch.float64)[:, None, None]

    def gradients(function, dtype):
        inputs = [x.to(dtype).requires_grad_() for x in (scores, alpha)]
        return torch.autograd.grad((function(*inputs) * weights.to(dtype)).sum(), inputs)

    found = gradients(entmax, dtype)
    expected = gradients(lambda *inputs: entmax_bisect(*inputs, n_iter=100), torch.float64)
    assert (found[0][expected[0] == 0] == 0).float().mean() > 0.999, "keys without attention are not moved"
    for one, other, near in zip(found, expected, (50 * NEAR[dtype], 1e4 * NEAR[dtype]), strict=True):
        torch.testing.assert_close(one.double(), other, atol=near, rtol=50 * NEAR[dtype])


def test_its_gradients_are_those_of_differences(generator):
    scores = torch.randn(2, 2, 3, 5, generator=generator(2), dtype=torch.float64)
    scores[0, 0, 0, 2:] = -torch.inf
    shown = scores.isfinite()
    w = torch.tensor([0.3, -1.0], dtype=torch.float64, requires_grad=True)

    def attention(values, w):
        return entmax(
            torch.full_like(scores, -torch.inf).masked_scatter(shown, values), (1 + w.sigmoid())[:, None, None]
        )

    assert torch.autograd.gradcheck(attention, (scores[shown].requires_grad_(), w))


def test_the_limit_of_its_alpha_is_softmax(generator):
    scores = 3 * torch.randn(20, 50, generator=generator(3))
    torch.testing.assert_close(entmax(scores, torch.tensor(1.0)), scores.softmax(dim=-1), atol=1e-6, rtol=1e-5)
    pair = torch.tensor([[0.0, -0.4, -torch.inf], [5.0, 3.9, 3.8], [2.0, -torch.inf, -torch.inf]])
    expected = torch.tensor([[0.7, 0.3, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])  # sparsemax: (1 + difference) / 2
    torch.testing.assert_close(entmax(pair, torch.tensor(2.0)), expected)
    assert entmax(torch.full((1, 3), -torch.inf), torch.tensor(1.5)).isnan().all(), "of nothing, as softmax"


def test_blocks_of_rows_and_half_precision_change_nothing_but_digits(generator, monkeypatch):
    scores = 3 * torch.randn(5, 2, 7, 9, generator=generator(4))
    alpha = torch.tensor([1.3, 1.7])[:, None, None]

    def outcome(scores):
        scores = scores.detach().requires_grad_()
        found = entmax(scores, alpha)
        return found, *torch.autograd.grad((found * torch.arange(9)).sum(), scores)

    whole = outcome(scores)
    monkeypatch.setattr(module, "CELLS", 40)
    for one, other in zip(outcome(scores), whole, strict=True):
        torch.testing.assert_close(one, other)
    half = outcome(scores.bfloat16())
    for one, other in zip(half, outcome(scores.bfloat16().float()), strict=True):
        assert one.dtype == torch.bfloat16
        torch.testing.assert_close(one, other.bfloat16(), atol=1e-2, rtol=1e-2)  # two of its digits
