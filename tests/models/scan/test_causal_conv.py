"""The causal convolution: against a sum written out, both methods alike, and gradients against finite differences."""

from collections.abc import Callable

import jaxtyping
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from interp.base.errors import UserError
from interp.models.scan.conv import causal_conv
from interp.models.scan.methods import using

METHODS = ["shifted", "reference"]
Inputs = dict[str, Tensor]


@pytest.fixture
def draw(generator: Callable[..., torch.Generator]) -> Callable[..., Inputs]:
    """Random inputs in double precision, each with a gradient."""

    def make(length: int, width: int = 4, batch: int = 2, channels: int = 3) -> Inputs:
        shapes = {
            "x": (batch, length, channels),
            "weight": (channels, width),
            "bias": (channels,),
            "initial": (batch, width - 1, channels),
        }
        source = generator(length)
        return {
            name: torch.randn(shape, generator=source, dtype=torch.float64).requires_grad_()
            for name, shape in shapes.items()
        }

    return make


def run(method: str, inputs: Inputs) -> tuple[Tensor, Tensor]:
    with using(method):
        return causal_conv(**inputs)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("width", [1, 2, 4, 6])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 11])
def test_every_output_is_the_sum_over_the_inputs_before_it(
    method: str, width: int, length: int, draw: Callable[..., Inputs]
) -> None:
    inputs = draw(length, width)
    out, window = run(method, inputs)
    x, weight, bias, initial = (tensor.detach() for tensor in inputs.values())
    seen = torch.cat([initial, x], dim=1)
    for t in range(length):
        expected = bias + sum(weight[:, j] * seen[:, t + j] for j in range(width))
        torch.testing.assert_close(out[:, t], expected)
    assert window.shape == (2, width - 1, 3)
    assert window.equal(seen[:, length:])


@pytest.mark.parametrize("method", METHODS)
def test_without_a_bias_and_a_past_both_are_zero(method: str, draw: Callable[..., Inputs]) -> None:
    inputs = draw(2)
    zeros = {name: torch.zeros_like(inputs[name]) for name in ("bias", "initial")}
    bare = run(method, {name: inputs[name] for name in ("x", "weight")})
    torch.testing.assert_close(bare, run(method, inputs | zeros))


def test_blocks_of_strings_change_nothing(draw: Callable[..., Inputs], monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = draw(6, batch=5)

    def outcome(method: str) -> list[Tensor]:
        made = run(method, inputs)
        return [*made, *torch.autograd.grad([(x * x).sum() for x in made], list(inputs.values()))]

    for cells in (1, 2 * 6 * 3, 2**16):
        monkeypatch.setattr("interp.models.scan.conv.CELLS", cells)
        torch.testing.assert_close(outcome("shifted"), outcome("reference"))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("length", "width"), [(1, 4), (2, 4), (6, 4), (3, 1)])
def test_gradients_are_those_of_finite_differences(
    method: str, length: int, width: int, draw: Callable[..., Inputs]
) -> None:
    inputs = draw(length, width, batch=1, channels=2)
    if width == 1:
        inputs["initial"] = inputs["initial"].detach()  # has no numbers

    def conv(*tensors: Tensor) -> tuple[Tensor, Tensor]:
        return run(method, dict(zip(inputs, tensors, strict=True)))

    assert gradcheck(conv, tuple(inputs.values()))
    assert gradgradcheck(conv, tuple(inputs.values()))


@pytest.mark.parametrize("method", METHODS)
def test_the_layout_of_the_inputs_in_memory_does_not_matter(method: str, draw: Callable[..., Inputs]) -> None:
    inputs = draw(9)
    strided = {name: tensor.mT.contiguous().mT if tensor.ndim > 1 else tensor for name, tensor in inputs.items()}
    assert not strided["x"].is_contiguous()
    torch.testing.assert_close(run(method, strided), run(method, inputs))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cut", [1, 2, 7])
def test_a_string_in_two_parts_is_the_string(method: str, cut: int, draw: Callable[..., Inputs]) -> None:
    inputs = draw(9)
    whole = run(method, inputs)
    first, window = run(method, inputs | {"x": inputs["x"][:, :cut]})
    second, last = run(method, inputs | {"x": inputs["x"][:, cut:], "initial": window})
    parts = torch.cat([first, second], dim=1), last
    torch.testing.assert_close(parts, whole)
    grads = [
        torch.autograd.grad((out**2).sum() + (end**3).sum(), tuple(inputs.values())) for out, end in (parts, whole)
    ]
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize("method", METHODS)
def test_half_precision_comes_back_in_half_precision(method: str, draw: Callable[..., Inputs]) -> None:
    inputs = {name: tensor.detach().float() for name, tensor in draw(9).items()}
    exact, _ = run("reference", inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out, window = run(method, inputs | {"x": inputs["x"].bfloat16()})
    assert (out.dtype, window.dtype) == (torch.bfloat16, torch.bfloat16)
    torch.testing.assert_close(out.float(), exact, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_both_methods_run_on_meta_tensors(method: str, draw: Callable[..., Inputs]) -> None:
    inputs = {name: tensor.detach().to("meta").requires_grad_() for name, tensor in draw(9).items()}
    out, window = run(method, inputs)
    grads = torch.autograd.grad(out.sum() + window.sum(), tuple(inputs.values()))
    assert [grad.shape for grad in grads] == [tensor.shape for tensor in inputs.values()]


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("weight", (2, 4), r"weight of .* must have shape \[channel=3 width\]; got \[2, 4\]"),
        ("weight", (3, 1, 4), r"weight of .* must have shape \[channel=3 width\]; got \[3, 1, 4\]"),
        ("bias", (4,), r"bias of .* must have shape \[channel=3\]; got \[4\]"),
        ("initial", (2, 4, 3), r"\[2, 3, 3\], as the filters have 4 columns; got \[2, 4, 3\]"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    name: str, shape: tuple[int, ...], message: str, draw: Callable[..., Inputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(UserError, match=message):
        causal_conv(**draw(9) | {name: torch.zeros(shape)})
