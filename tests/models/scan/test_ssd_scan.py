"""The recurrence of Mamba-2: against closed forms, both methods alike, and each gradient against finite differences."""

from collections.abc import Callable

import jaxtyping
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from interp.base.errors import UserError
from interp.models.scan.methods import using
from interp.models.scan.ssd import ssd_scan

METHODS = ["chunked", "reference"]
Inputs = dict[str, Tensor]


@pytest.fixture
def draw(generator: Callable[..., torch.Generator]) -> Callable[..., Inputs]:
    """Random inputs in double precision, each with a gradient."""

    def make(length: int, batch: int = 2, heads: int = 4, groups: int = 2, d_head: int = 3, state: int = 5) -> Inputs:
        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=source, dtype=torch.float64)

        source = generator(length)
        drawn = {
            "x": normal(batch, length, heads, d_head),
            "delta": normal(batch, length, heads).exp() / 2,
            "A": -normal(heads).exp(),
            "B": normal(batch, length, groups, state),
            "C": normal(batch, length, groups, state),
            "D": normal(heads),
            "initial": normal(batch, heads, d_head, state),
        }
        return {name: tensor.requires_grad_() for name, tensor in drawn.items()}

    return make


def run(method: str, inputs: Inputs, chunk: int | None = None) -> tuple[Tensor, Tensor]:
    with using(method):
        return ssd_scan(**inputs, chunk=chunk)


def gradients(outputs: tuple[Tensor, Tensor], inputs: Inputs) -> tuple[Tensor, ...]:
    """The gradients of a loss that weighs every number of y and of the final state differently."""
    loss = sum((out * torch.linspace(-1, 2, out.numel()).view(out.shape)).sum() for out in outputs)
    return torch.autograd.grad(loss, tuple(inputs.values()))


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_input_adds_up_to_a_geometric_series(method: str) -> None:
    length, delta, rate = 50, 0.25, -0.5
    ones = torch.ones(1, length, 1, 1, dtype=torch.float64)
    y, final = run(
        method, {"x": ones, "delta": delta * ones[..., 0], "A": rate * ones[0, 0, 0], "B": ones, "C": 2 * ones}
    )
    kept = torch.tensor(delta * rate, dtype=torch.float64).exp()
    state = delta * (1 - kept ** torch.arange(1, length + 1)) / (1 - kept)
    torch.testing.assert_close(y.flatten(), 2 * state)
    torch.testing.assert_close(final.flatten(), state[-1:])


@pytest.mark.parametrize("method", METHODS)
def test_what_is_written_once_is_read_back_times_the_decays_between(method: str) -> None:
    written, read = 3, 41
    x, B, C = torch.zeros(1, 60, 2, 3), torch.zeros(1, 60, 1, 4), torch.zeros(1, 60, 1, 4)
    x[0, written] = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    B[0, written, 0, 2] = C[0, read, 0, 2] = 1
    delta, A = torch.full((1, 60, 2), 0.1), torch.tensor([-0.1, -1.0])
    y, _ = run(method, {"x": x, "delta": delta, "A": A, "B": B, "C": C})
    decays = (A * 0.1 * (read - written)).exp()
    torch.testing.assert_close(y[0, read], 0.1 * x[0, written] * decays[:, None])
    assert y.count_nonzero() == 6


@pytest.mark.parametrize("method", METHODS)
def test_head_h_reads_the_group_that_holds_it(method: str, draw: Callable[..., Inputs]) -> None:
    inputs = draw(20, heads=6, groups=3) | {"D": torch.zeros(6, dtype=torch.float64)}
    inputs["C"] = inputs["C"].detach() * torch.tensor([0, 1, 0])[:, None]
    y, _ = run(method, inputs)
    assert y.abs().amax((0, 1, 3)).gt(0).tolist() == [False, False, True, True, False, False]


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 40])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_both_methods_give_the_same_outputs_and_gradients(
    length: int, groups: int, draw: Callable[..., Inputs]
) -> None:
    inputs = draw(length, groups=groups)
    chunked, reference = run("chunked", inputs), run("reference", inputs)
    torch.testing.assert_close(chunked, reference)
    torch.testing.assert_close(gradients(chunked, inputs), gradients(reference, inputs))


@pytest.mark.parametrize("chunk", [1, 7, 16, 64])
def test_the_length_of_a_chunk_changes_nothing(chunk: int, draw: Callable[..., Inputs]) -> None:
    inputs = draw(37)
    torch.testing.assert_close(run("chunked", inputs, chunk), run("reference", inputs))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("length", "groups"), [(1, 1), (3, 2)])
def test_gradients_are_those_of_finite_differences(
    method: str, length: int, groups: int, draw: Callable[..., Inputs]
) -> None:
    inputs = draw(length, batch=1, heads=2, groups=groups, d_head=2, state=2)

    def scan(*tensors: Tensor) -> tuple[Tensor, Tensor]:
        return run(method, dict(zip(inputs, tensors, strict=True)), chunk=2)

    assert gradcheck(scan, tuple(inputs.values()))
    assert gradgradcheck(scan, tuple(inputs.values()), fast_mode=True)


@pytest.mark.parametrize("method", METHODS)
def test_the_layout_of_the_inputs_in_memory_does_not_matter(method: str, draw: Callable[..., Inputs]) -> None:
    inputs = draw(21)
    strided = {name: tensor.mT.contiguous().mT if tensor.ndim > 1 else tensor for name, tensor in inputs.items()}
    assert not strided["x"].is_contiguous()
    outputs, expected = run(method, strided), run(method, inputs)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(gradients(outputs, inputs), gradients(expected, inputs))


@pytest.mark.parametrize("method", METHODS)
def test_a_string_in_two_parts_is_the_string(method: str, draw: Callable[..., Inputs]) -> None:
    inputs = draw(33)
    whole = run(method, inputs)
    along = ("x", "delta", "B", "C")
    first, state = run(method, inputs | {name: inputs[name][:, :13] for name in along})
    second, final = run(method, inputs | {name: inputs[name][:, 13:] for name in along} | {"initial": state})
    parts = torch.cat([first, second], dim=1), final
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(gradients(parts, inputs), gradients(whole, inputs))


def test_decays_that_underflow_leave_outputs_and_gradients_exact(draw: Callable[..., Inputs]) -> None:
    double = {name: tensor.detach() for name, tensor in draw(40).items()}
    double["delta"][:, ::3] *= 1e5  # exp(delta A) is 0 there, and a sum with it in a chunk has lost the others' digits
    double["x"][:, ::3] /= 1e5
    single = {name: tensor.float().requires_grad_() for name, tensor in double.items()}
    double = {name: tensor.detach().double().requires_grad_() for name, tensor in single.items()}
    outputs, expected = run("chunked", single), run("reference", double)
    torch.testing.assert_close(outputs, tuple(out.float() for out in expected), rtol=1e-5, atol=1e-5)
    for gradient, exact in zip(gradients(outputs, single), gradients(expected, double), strict=True):
        torch.testing.assert_close(gradient, exact.float(), rtol=1e-4, atol=1e-6 * exact.abs().max().item())


def test_a_decay_rate_that_lets_nothing_through_has_no_gradient_from_rounding(draw: Callable[..., Inputs]) -> None:
    double = draw(40)
    double["delta"] = (double["delta"].detach() * 0 + 30).requires_grad_()
    double["A"] = torch.full((4,), -1.0, dtype=torch.float64).requires_grad_()
    single = {name: tensor.detach().float().requires_grad_() for name, tensor in double.items()}
    rate = list(double).index("A")
    exact = gradients(run("reference", double), double)[rate]
    torch.testing.assert_close(gradients(run("chunked", single), single)[rate].double(), exact, rtol=1e-4, atol=0)


def test_ten_thousand_steps_arrive_where_the_series_does() -> None:
    ones = torch.ones(1, 10_000, 1, 1)
    y, final = run("chunked", {"x": ones, "delta": 0.01 * ones[..., 0], "A": -ones[0, 0, 0], "B": ones, "C": ones})
    limit = 0.01 / (1 - torch.tensor(-0.01).exp())
    torch.testing.assert_close(final.flatten()[0], limit)
    assert y.isfinite().all()


def test_what_is_kept_for_the_backward_grows_with_the_length_alone(draw: Callable[..., Inputs]) -> None:
    def kept(length: int) -> int:
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            run("chunked", draw(length))
        return sum(sizes)

    assert kept(2048) < 2.05 * kept(1024)


@pytest.mark.parametrize("method", METHODS)
def test_under_autocast_the_recurrence_stays_in_float32(method: str, draw: Callable[..., Inputs]) -> None:
    inputs = {name: tensor.detach().float() for name, tensor in draw(400).items()}
    inputs["delta"] = torch.full_like(inputs["delta"], 1e-3)  # exp(-1e-3) is 1 in bfloat16
    halves = {name: tensor.bfloat16() if name in ("x", "B", "C") else tensor for name, tensor in inputs.items()}
    rounded = {name: tensor.float() for name, tensor in halves.items()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, final = run(method, halves)
    expected, expected_final = run("reference", rounded)
    assert (y.dtype, final.dtype) == (torch.bfloat16, torch.float32)
    torch.testing.assert_close(final, expected_final, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(y, expected.bfloat16(), rtol=0.01, atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_both_methods_run_on_meta_tensors(method: str, draw: Callable[..., Inputs]) -> None:
    inputs = {name: tensor.detach().to("meta").requires_grad_() for name, tensor in draw(20).items()}
    y, final = run(method, inputs)
    assert (y.shape, final.shape) == (inputs["x"].shape, inputs["initial"].shape)
    grads = torch.autograd.grad(y.sum() + final.sum(), tuple(inputs.values()))
    assert [grad.shape for grad in grads] == [tensor.shape for tensor in inputs.values()]


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("delta", (2, 20, 3), r"delta of .* must have shape \[batch=2 pos=20 head=4\]; got \[2, 20, 3\]"),
        ("A", (4, 5), r"A of .* must have shape \[head=4\]; got \[4, 5\]"),
        ("C", (2, 20, 2, 6), r"C of .* must have shape \[batch=2 pos=20 group=2 state=5\]; got \[2, 20, 2, 6\]"),
        ("D", (1,), r"D of .* must have shape \[head=4\]"),
        ("initial", (2, 4, 5, 3), r"initial of .* must have shape \[batch=2 head=4 d_head=3 state=5\]"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    name: str, shape: tuple[int, ...], message: str, draw: Callable[..., Inputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(UserError, match=message):
        ssd_scan(**draw(20) | {name: torch.zeros(shape)})


def test_groups_that_do_not_divide_the_heads_and_empty_strings_and_chunks_are_refused(
    draw: Callable[..., Inputs],
) -> None:
    with pytest.raises(UserError, match="divide the 4 heads; got 3 groups"):
        ssd_scan(**draw(20, groups=3))
    with pytest.raises(UserError, match="x of ssd_scan must have at least one position; got none"):
        ssd_scan(**draw(0))
    with pytest.raises(UserError, match="at least one position; got 0"):
        ssd_scan(**draw(20), chunk=0)
