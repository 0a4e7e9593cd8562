"""Mamba-3: the layer in complex numbers, one position at a time; its scan; its edits; what cannot be."""

import pytest
import torch
import torch.nn.functional as F
from einops import einsum

from interp.base.errors import UserError
from interp.models import build
from interp.models.hidden_attention.pattern import decompose
from interp.models.recurrent.mamba3.model import Mamba3Config
from interp.models.recurrent.mamba3.recurrence import Trapezoid, trapezoidal_scan, trapezoidal_scan_reference

MIXER = "blocks.0.mixer."


@pytest.fixture(params=[{}, {"n_groups": 1, "rope_fraction": 1.0}], ids=["groups", "all turn"])
def model(recurrent, request):
    return recurrent("mamba3", **request.param)


def by_hand(mixer, x):
    """What a layer writes for one string, with complex states that turn: B and C stay as they are."""
    c, out = mixer.config, []
    states = [torch.zeros(c.d_state, c.d_head, dtype=torch.complex128) for _ in range(c.n_heads)]
    before = [torch.zeros_like(state) for state in states]
    for row in x:
        theta, written = torch.pi * torch.tanh(row @ mixer.W_theta), []
        for head in range(c.n_heads):
            group = head // (c.n_heads // c.n_groups)

            def map_of(W, norm, bias, group=group, head=head):
                part = (row @ W).view(c.n_groups, -1)[group]  # noqa: B023
                return part / (part.square().mean() + 1e-5).sqrt() * norm.w + bias[head]

            B, C = map_of(mixer.W_B, mixer.norm_B, mixer.b_B), map_of(mixer.W_C, mixer.norm_C, mixer.b_C)
            u = (row @ mixer.W_u).view(c.n_heads, -1)[head]
            step = torch.log1p(torch.exp(row @ mixer.W_dt[:, head] + mixer.b_dt[head]))
            rate = torch.log1p(torch.exp(row @ mixer.W_A[:, head])).clamp(min=c.A_floor)
            share = torch.sigmoid(row @ mixer.W_lambda[:, head])
            turn = torch.polar(torch.ones_like(theta), -step * theta)
            B, C = (torch.cat([torch.complex(z[: 2 * len(theta) : 2], z[1 : 2 * len(theta) : 2]),
                               z[2 * len(theta) :].to(torch.complex128)]) for z in (B, C))  # fmt: skip
            kept = torch.exp(-step * rate) * torch.cat([turn, torch.ones(len(B) - len(theta))])[:, None]
            new = torch.outer(B, u.to(B.dtype))
            state, last = states[head][: len(B)], before[head][: len(B)]
            state = kept * (state + (1 - share) * step * last) + share * step * new
            states[head], before[head] = state, new
            written.append((C.conj() @ state).real + mixer.D[head] * u)
        out.append((torch.cat(written) * F.silu(row @ mixer.W_gate)) @ mixer.W_out)
    return torch.stack(out)


def test_a_layer_is_its_complex_recurrence_written_out(model, tokens):
    _, cache = model.run_with_cache(tokens)
    with torch.no_grad():
        expected = torch.stack([by_hand(model.mixers[0], x) for x in cache["blocks.0.hook_mixer_in"]])
    torch.testing.assert_close(cache["blocks.0.hook_mixer_out"], expected, atol=1e-9, rtol=1e-9)


def drawn(length, dtype=torch.float64):
    """What the recurrence of two strings with two heads is made of, with what stood before them."""
    g = torch.Generator().manual_seed(0)
    alpha, share, step = (torch.rand(2, length, 2, generator=g, dtype=dtype) for _ in range(3))
    B, C = (torch.randn(2, length, 2, 3, generator=g, dtype=dtype) for _ in range(2))
    u, last_u = (torch.randn(2, n, 2, 4, generator=g, dtype=dtype) for n in (length, 1))
    last_B, initial = (
        torch.randn(2, 1, 2, 3, generator=g, dtype=dtype),
        torch.randn(2, 2, 3, 4, generator=g, dtype=dtype),
    )
    return alpha, (1 - share) * step, share * step, B, C, u, last_B, last_u, initial


def run(scan, alpha, trail, gamma, B, C, u, last_B, last_u, initial):
    before = torch.cat([last_B, B[:, :-1]], dim=1), torch.cat([last_u, u[:, :-1]], dim=1)
    return scan(Trapezoid(alpha, trail, gamma, B, C, u, *before), initial)


@pytest.mark.parametrize("length", [1, 2, 7, 16, 17, 65])
def test_the_scan_equals_the_recurrence_written_out_with_gradients(length):
    inputs, found = [part.requires_grad_() for part in drawn(length)], []
    for scan in (trapezoidal_scan, trapezoidal_scan_reference):
        results, g = run(scan, *inputs), torch.Generator().manual_seed(1)
        loss = sum((x * torch.randn(x.shape, generator=g, dtype=x.dtype)).sum() for x in results)
        found.append([*results, *torch.autograd.grad(loss, inputs)])
    for fast, slow in zip(*found, strict=True):
        torch.testing.assert_close(fast, slow)


def test_without_a_state_to_start_from_it_is_zero():
    *inputs, initial = drawn(5)
    for scan in (trapezoidal_scan, trapezoidal_scan_reference):
        torch.testing.assert_close(run(scan, *inputs, None), run(scan, *inputs, torch.zeros_like(initial)))


def test_the_gradient_of_the_scan_is_the_numerical_one():
    inputs = [part.requires_grad_() for part in drawn(4)]
    assert torch.autograd.gradcheck(lambda *parts: run(trapezoidal_scan, *parts), inputs)


def test_ten_thousand_positions_neither_grow_nor_drift():
    alpha, *rest = drawn(10_000, dtype=torch.float32)
    inputs = [alpha * 0.01 + 0.99, *rest]
    with torch.no_grad():
        found = run(trapezoidal_scan, *inputs)
        exact = run(trapezoidal_scan_reference, *(part.double() for part in inputs))
    for fast, slow in zip(found, exact, strict=True):
        scale = slow.abs().max()
        torch.testing.assert_close(fast.double() / scale, slow / scale, atol=1e-5, rtol=0)


def test_with_all_weight_on_the_steps_end_it_is_mamba_2s_rule(model, tokens):
    names = [MIXER + name for name in ("hook_state", "hook_alpha", "hook_delta", "hook_B", "hook_u")]
    with model.hooks(fwd_hooks=[(MIXER + "hook_lambda", lambda share, **_: torch.ones_like(share))]):
        _, cache = model.run_with_cache(tokens, names_filter=names)
    states, alpha, delta, B, u = (cache[name] for name in names)
    state = torch.zeros_like(states[:, 0])
    for t in range(12):
        state = alpha[:, t, :, None, None] * state + (delta[:, t, :, None] * B[:, t])[..., None] * u[:, t, :, None]
        torch.testing.assert_close(states[:, t], state)


@pytest.mark.parametrize("at", [0, 5, 11])
@pytest.mark.parametrize("point", ["hook_write", "h"])
def test_an_edit_of_a_write_or_a_state_fades_and_is_read_as_the_closed_form_says(model, tokens, point, at):
    names = [MIXER + name for name in ("hook_state", "hook_y", "hook_alpha", "hook_C")]
    _, plain = model.run_with_cache(tokens, names_filter=names)
    extra = torch.randn(plain[names[0]].shape[2:], dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def add(value, **_):
        many = extra.expand(3, 1, -1, -1, -1)
        return value + extra if point == "h" else value.index_add(1, torch.tensor([at]), many)

    with model.hooks(fwd_hooks=[(MIXER + (f"h.{at}" if point == "h" else point), add)]):
        _, edited = model.run_with_cache(tokens, names_filter=names)
    assert torch.equal(edited[names[0]][:, :at], plain[names[0]][:, :at])
    left = extra.expand(3, -1, -1, -1)
    for t in range(at, 12):
        left = left if t == at else plain[names[2]][:, t, :, None, None] * left
        torch.testing.assert_close(edited[names[0]][:, t] - plain[names[0]][:, t], left)
        read = (plain[names[3]][:, t, :, None] @ left).squeeze(2)
        torch.testing.assert_close(edited[names[1]][:, t] - plain[names[1]][:, t], read)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("direct", [False, True])
def test_hidden_attention_times_the_inputs_is_the_output(model, tokens, gated, direct):
    found = decompose(model, tokens, 0, gated=gated, direct=direct)
    name = MIXER + ("hook_gated" if gated else "hook_y")
    real = model.run_with_cache(tokens, names_filter=name)[1][name].flatten(2)
    again = einsum(found.alpha, found.inputs, "b c q k, b k c -> b q c") + found.remainder
    torch.testing.assert_close(again, real, atol=1e-10, rtol=0)
    assert not found.alpha.triu(1).any() and bool(found.remainder.any()) is not direct


def test_hidden_attention_is_the_jacobian_with_all_but_the_inputs_held(recurrent, tokens):
    model, last = recurrent("mamba3"), {}
    _, cache = model.run_with_cache(tokens[:1, :6], names_filter=MIXER + "hook_u")

    def output(u):
        hooks = [
            (MIXER + "hook_u", lambda x, hook: u),  # noqa: ARG005
            (MIXER + "hook_y", lambda x, hook: last.update(y=x)),  # noqa: ARG005
        ]
        model.run_with_hooks(tokens[:1, :6], fwd_hooks=hooks)
        return last["y"].flatten(2)[0]

    jacobian = torch.autograd.functional.jacobian(output, cache[MIXER + "hook_u"])[:, :, 0].flatten(3)
    alpha = decompose(model, tokens[:1, :6], 0).alpha[0]
    for channel in range(alpha.shape[0]):
        torch.testing.assert_close(jacobian[:, channel, :, channel], alpha[channel])


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"d_head": 7}, r"d_head must divide the 128 channels \(expand x d_model\); got 7"),
        ({"n_groups": 3}, "n_groups must divide the 4 heads; got 3"),
        ({"d_state": 3}, "rope_fraction must be a share of d_state=3 with at least two numbers; got 0.5"),
        ({"rope_fraction": 1.5}, "rope_fraction must be a share of d_state=64 with at least two numbers; got 1.5"),
        ({"A_floor": 0.0}, "A_floor must be a positive number; got 0"),
        ({"dt_min": 0.2}, "dt_min, dt_max and dt_floor must be positive, and dt_min at most dt_max; got 0.2, 0.1"),
    ],
)
def test_a_config_that_cannot_be_is_refused(fields, match):
    with pytest.raises(UserError, match=match):
        Mamba3Config(**fields)


def test_a_hybrid_with_attention_is_one_line(tokens):
    model = build({"kind": "hybrid", "layers": ("mamba3", "attention"), "d_model": 16, "d_vocab": 11,
                   "mamba3": {"d_head": 8, "d_state": 8}, "attention": {"n_heads": 2}})  # fmt: skip
    past = model.new_past()
    pieces = torch.cat([model(part, past=past) for part in tokens.split([5, 1, 6], dim=1)], dim=1)
    torch.testing.assert_close(pieces, model(tokens), atol=1e-5, rtol=1e-4)
