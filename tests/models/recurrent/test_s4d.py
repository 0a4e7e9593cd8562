"""S4D: the layer in complex numbers, one position at a time; its scan; its edits; what cannot be."""

import math

import pytest
import torch
import torch.nn.functional as F
from einops import einsum

from interp.base.errors import UserError
from interp.models import build
from interp.models.hidden_attention.pattern import decompose, hidden_pattern
from interp.models.recurrent.s4d.model import S4DConfig
from interp.models.recurrent.s4d.recurrence import Diagonal, diagonal_scan, diagonal_scan_reference
from interp.models.scan.methods import using

MIXER = "blocks.0.mixer."


def by_hand(mixer, x):
    """What a layer writes for one string; each channel's two-sided state, conjugates included."""
    out, step = [], mixer.log_dt.exp()
    A = torch.complex(-mixer.A_log.exp(), mixer.A_im)
    A, C = (torch.cat([z, z.conj()], dim=1) for z in (A, torch.view_as_complex(mixer.C)))
    A_bar = torch.exp(step[:, None] * A)
    B_bar = (A_bar - 1) / (step[:, None] * A) * step[:, None]
    state = torch.zeros_like(A)
    for u in x:
        state = A_bar * state + B_bar * u[:, None]
        y = (C * state).sum(1)
        assert y.imag.abs().max() < 1e-12
        out.append(F.gelu(y.real + mixer.D * u) @ mixer.W_out + mixer.b_out)
    return torch.stack(out)


def test_a_layer_is_its_recurrence_written_out(recurrent, tokens):
    model = recurrent("s4d")
    _, cache = model.run_with_cache(tokens)
    with torch.no_grad():
        expected = torch.stack([by_hand(model.mixers[0], x) for x in cache["blocks.0.hook_mixer_in"]])
    torch.testing.assert_close(cache["blocks.0.hook_mixer_out"], expected)


def drawn(length, dtype=torch.float64):
    """Real and imaginary parts of what a recurrence of three channels is made of; its input, and a state."""
    g = torch.Generator().manual_seed(0)
    kept = torch.rand(3, 4, generator=g, dtype=dtype)
    parts = [torch.stack([-kept, 3 * torch.randn(3, 4, generator=g, dtype=dtype)], dim=2)]
    parts += [torch.randn(3, 4, 2, generator=g, dtype=dtype) for _ in range(2)]
    u, initial = torch.randn(2, length, 3, generator=g, dtype=dtype), torch.randn(2, 3, 4, 2, generator=g, dtype=dtype)
    return [u, *parts, initial]


def run(scan, u, log_A_bar, B_bar, C, initial):
    complex_parts = [torch.view_as_complex(part) for part in (log_A_bar, B_bar, C)]
    y, last = scan(u, Diagonal(*complex_parts), None if initial is None else torch.view_as_complex(initial))
    return y, torch.view_as_real(last)


def test_a_model_runs_the_recurrence_written_out_if_asked(recurrent, tokens, monkeypatch):
    model, gradients = recurrent("s4d"), []
    for methods in ((), ("reference",)):
        model.zero_grad()
        with using(*methods):
            assert model.scans() == {"diagonal_scan": methods[0] if methods else "chunked"}
            logits = model(tokens)
            logits.sin().sum().backward()
        gradients.append([logits, *(weight.grad.clone() for weight in model.parameters())])
        monkeypatch.setattr(Diagonal, "kernel", None)  # which the chunks are made of
    for fast, obvious in zip(*gradients, strict=True):
        torch.testing.assert_close(fast, obvious, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length", [1, 2, 31, 32, 33, 70])
@pytest.mark.parametrize("starts", [False, True])
def test_the_scan_equals_the_recurrence_written_out_with_gradients(length, starts):
    inputs, found = [part.requires_grad_() for part in drawn(length)], []
    for scan in (diagonal_scan, diagonal_scan_reference):
        results, g = run(scan, *inputs[:-1], inputs[-1] if starts else None), torch.Generator().manual_seed(1)
        loss = sum((x * torch.randn(x.shape, generator=g, dtype=x.dtype)).sum() for x in results)
        found.append([*results, *torch.autograd.grad(loss, inputs if starts else inputs[:-1])])
    for fast, slow in zip(*found, strict=True):
        torch.testing.assert_close(fast, slow)


def test_the_gradient_of_the_scan_is_the_numerical_one():
    inputs = [part.requires_grad_() for part in drawn(5)]
    assert torch.autograd.gradcheck(lambda *parts: run(diagonal_scan, *parts), inputs)


def test_ten_thousand_positions_neither_grow_nor_drift():
    u, log_A_bar, *rest = drawn(10_000, dtype=torch.float32)
    inputs = [u, log_A_bar * torch.tensor([0.002, 1.0]), *rest]
    with torch.no_grad():
        found = run(diagonal_scan, *inputs)
        exact = run(diagonal_scan_reference, *(part.double() for part in inputs))
    for fast, slow in zip(found, exact, strict=True):
        scale = slow.abs().max()
        torch.testing.assert_close(fast.double() / scale, slow / scale, atol=1e-4, rtol=0)


@pytest.mark.parametrize("at", [0, 5, 11])
@pytest.mark.parametrize("point", ["hook_write", "h"])
def test_an_edit_of_a_write_or_a_state_fades_and_is_read_as_the_closed_form_says(recurrent, tokens, point, at):
    model = recurrent("s4d")
    names = [MIXER + "hook_state", MIXER + "hook_y"]
    _, plain = model.run_with_cache(tokens, names_filter=names)
    extra = torch.randn(plain[names[0]].shape[2:], dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def add(value, **_):
        many = extra.expand(3, 1, -1, -1, -1)
        return value + extra if point == "h" else value.index_add(1, torch.tensor([at]), many)

    with torch.no_grad(), model.hooks(fwd_hooks=[(MIXER + (f"h.{at}" if point == "h" else point), add)]):
        _, edited = model.run_with_cache(tokens, names_filter=names)
    change = torch.view_as_complex(edited[names[0]] - plain[names[0]])
    assert not change[:, :at].any()
    with torch.no_grad():
        parts = model.mixers[0].diagonal()
        for t in range(at, 12):
            left = (parts.log_A_bar * (t - at)).exp() * torch.view_as_complex(extra)
            torch.testing.assert_close(change[:, t], left.expand(3, -1, -1))
            read = 2 * (parts.C * left).sum(1).real.expand(3, -1)
            torch.testing.assert_close(edited[names[1]][:, t] - plain[names[1]][:, t], read)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("direct", [False, True])
def test_hidden_attention_times_the_inputs_is_the_output(recurrent, tokens, gated, direct):
    model = recurrent("s4d")
    found = decompose(model, tokens, 0, gated=gated, direct=direct)
    name = MIXER + ("hook_gated" if gated else "hook_y")
    real = model.run_with_cache(tokens, names_filter=name)[1][name]
    again = einsum(found.alpha, found.inputs, "b c q k, b k c -> b q c") + found.remainder
    torch.testing.assert_close(again, real, atol=1e-10, rtol=0)
    assert not found.alpha.triu(1).any() and bool(found.remainder.any()) is not direct
    if not gated:
        assert torch.equal(found.alpha[0, :, 3, 1], found.alpha[1, :, 9, 7])  # by distance alone


def test_a_pattern_of_it_has_one_head(recurrent, tokens):
    assert hidden_pattern(recurrent("s4d"), tokens, 0).shape == (3, 1, 12, 12)


def test_first_weights_are_the_authors():
    mixer = build({"kind": "s4d", "d_model": 64, "d_state": 8}).mixers[0]
    assert torch.equal(mixer.A_log.exp(), torch.full((64, 4), 0.5))
    torch.testing.assert_close(mixer.A_im[5], math.pi * torch.arange(4.0))
    inverse = build({"kind": "s4d", "d_model": 64, "d_state": 8, "frequencies": "inv"}).mixers[0].A_im[0]
    torch.testing.assert_close(inverse, 8 / math.pi * torch.tensor([7.0, 8 / 3 - 1, 8 / 5 - 1, 8 / 7 - 1]))
    step = mixer.log_dt.exp()
    assert 0.001 <= step.min() < 0.002 and 0.05 < step.max() <= 0.1


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"d_state": 5}, "d_state must be even for s4d, whose states are complex; got 5"),
        ({"frequencies": "log"}, "no frequencies is called 'log'"),
        ({"dt_min": 0.5}, "dt_min and dt_max must be positive, the smaller first; got 0.5 and 0.1"),
    ],
)
def test_a_config_that_cannot_be_is_refused(fields, match):
    with pytest.raises(UserError, match=match):
        S4DConfig(**fields)
