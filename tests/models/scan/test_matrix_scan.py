"""The scan of matrix-valued states against its recurrence written out, and against transformers' gated delta rule."""

from itertools import product

import jaxtyping
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers.models.qwen3_next.modeling_qwen3_next import torch_recurrent_gated_delta_rule

from interp.base.errors import UserError
from interp.models.scan import decays
from interp.models.scan.decays import is_gentle
from interp.models.scan.matrix import matrix_scan, matrix_scan_reference, matrix_states
from interp.models.scan.methods import using

FORMS = list(product(("decay of a head", "decay of a row"), ("adds", "erases")))
each_form = pytest.mark.parametrize("form", FORMS, ids="-".join)


def drawn(form, length, batch=2, heads=2, d_key=4, d_value=3, dtype=torch.float64, initial=True):
    """q, k, v, log_decay, erase, probe, initial."""
    generator = torch.Generator().manual_seed(length)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    at, rows = (batch, length, heads), d_key if form[0] == "decay of a row" else 1
    q, k, v = normal(*at, d_key), normal(*at, d_key), normal(*at, d_value)
    log_decay = -normal(*at, rows).abs()
    probe = torch.nn.functional.normalize(normal(*at, d_key), dim=-1)
    erase = probe * normal(*at, 1).sigmoid()
    erasing = (erase, probe) if form[1] == "erases" else (None, None)
    return q, k, v, log_decay, *erasing, normal(batch, heads, d_key, d_value) if initial else None


@pytest.mark.parametrize(("length", "chunk"), [(1, None), (7, 3), (16, 16), (37, None), (37, 64), (9, 1)])
@each_form
def test_chunks_give_the_recurrence_for_any_length_and_any_initial_state(form, length, chunk):
    for initial in (True, False):
        inputs = drawn(form, length, initial=initial)
        for found, expected in zip(matrix_scan(*inputs, chunk=chunk), matrix_scan_reference(*inputs), strict=True):
            torch.testing.assert_close(found, expected)


def test_the_recurrence_is_its_formula_one_number_at_a_time():
    *parts, state = drawn(FORMS[3], 5)
    (q, k, v, log_decay, erase, probe), state = (part[0, :, 0] for part in parts), state[0, 0]
    outputs = []
    for t in range(5):
        held = [[float(state[i, j]) for j in range(3)] for i in range(4)]
        for i, j in product(range(4), range(3)):
            along = sum(probe[t, m] * held[m][j] for m in range(4))
            state[i, j] = log_decay[t, i].exp() * held[i][j] - erase[t, i] * along + k[t, i] * v[t, j]
        outputs.append(torch.stack([sum(q[t, i] * state[i, j] for i in range(4)) for j in range(3)]))
    y, final = matrix_scan_reference(*drawn(FORMS[3], 5))
    torch.testing.assert_close(y[0, :, 0], torch.stack(outputs))
    torch.testing.assert_close(final[0, 0], state)


@each_form
def test_gradients_are_those_of_finite_differences(form):
    inputs = [None if x is None else x.requires_grad_() for x in drawn(form, 7, batch=1, heads=1, d_key=2, d_value=2)]
    assert torch.autograd.gradcheck(lambda *given: matrix_scan(*given, chunk=3), inputs)


@each_form
def test_gradients_are_those_of_the_recurrence(form):
    grads = []
    for scan in (matrix_scan, matrix_scan_reference):
        inputs = [None if x is None else x.requires_grad_() for x in drawn(form, 37)]
        y, final = scan(*inputs)
        given = [x for x in inputs if x is not None]
        grads.append(torch.autograd.grad((y.sin().sum() + final.cos().sum()), given))
    for found, expected in zip(*grads, strict=True):
        torch.testing.assert_close(found, expected)


@each_form
def test_ten_thousand_steps_in_single_precision_stay_close_to_double(form):
    inputs = drawn(form, 10_000, batch=1, heads=1)
    inputs[3].mul_(0.01)  # slow decays: much is summed
    single = matrix_scan(*(None if x is None else x.float() for x in inputs))
    for found, expected in zip(single, matrix_scan(*inputs), strict=True):
        assert found.dtype == torch.float32 and found.isfinite().all()
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_ten_thousand_writes_along_one_key_leave_its_last_value():
    k = torch.tensor([1.0, 0.0]).expand(1, 10_000, 1, 2)
    v = torch.randn(1, 10_000, 1, 3, generator=torch.Generator().manual_seed(0))
    y, final = matrix_scan(k, k, v, torch.zeros(1, 10_000, 1, 1), k, k)
    torch.testing.assert_close(y, v)
    torch.testing.assert_close(final[0, 0], torch.stack([v[0, -1, 0], torch.zeros(3)]))


@pytest.mark.parametrize("decay", [-1e4, -1e-6])
@each_form
def test_what_forgets_at_once_or_never_stays_exact(form, decay):
    inputs = [None if x is None else x.float() for x in drawn(form, 60)]
    inputs[3] = torch.full_like(inputs[3], decay)
    for found, expected in zip(matrix_scan(*inputs), matrix_scan_reference(*inputs), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("erases", ["adds", "erases"])
@pytest.mark.parametrize("most", [1.0, 29.0, 31.0, 200.0])
def test_rows_that_decay_little_or_much_over_a_chunk_give_the_recurrence_in_single_precision(most, erases):
    """On either side of the bound of gentle chunks, with rows that differ as much as they can."""
    inputs = [None if x is None else x.float() for x in drawn(("decay of a row", erases), 50)]
    log_decay = torch.zeros_like(inputs[3])
    log_decay[:, 3, :, 0] = log_decay[:, 30, :, 1] = -most
    assert is_gentle(log_decay, 25) == (most < 30)
    inputs[3] = log_decay
    grads = []
    for scan in (matrix_scan, matrix_scan_reference):
        given = [None if x is None else x.clone().requires_grad_() for x in inputs]
        y, final = scan(*given)
        there = [x for x in given if x is not None]
        grads.append([y, final, *torch.autograd.grad(y.sin().sum() + final.cos().sum(), there)])
    for found, expected in zip(*grads, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-5 * float(expected.detach().abs().max()))


def test_no_number_is_read_where_there_is_none():
    assert not is_gentle(torch.zeros(1, 9, 1, 2, device="meta"), 4)
    answers = []

    def ask(x):
        answers.append(is_gentle(x, 4))
        return x.sum()

    x = torch.zeros(3, 1, 9, 1, 2)
    torch.vmap(ask)(x)
    torch.vmap(torch.func.grad(ask))(x)
    torch.func.grad(lambda x: torch.vmap(ask)(x).sum())(x)
    with FakeTensorMode():
        ask(torch.zeros(1, 9, 1, 2))
    assert answers == [False] * 4
    torch.func.grad(ask)(x[0])
    assert answers.pop(), "a gradient alone hides no number"


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_a_failure_while_decays_are_read_is_not_taken_for_an_answer(error, monkeypatch):
    def fail(*_):
        raise error("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(decays, "cut", fail)
    with pytest.raises(error, match="illegal memory access"):
        is_gentle(torch.zeros(1, 9, 1, 2), 4)


@pytest.mark.parametrize("initial", [True, False])
def test_the_gated_delta_rule_is_that_of_transformers(initial):
    q, k, v, g, _, _, state = drawn(("decay of a head", "adds"), 50, dtype=torch.float32, initial=initial)
    k, beta = torch.nn.functional.normalize(k, dim=-1), torch.rand(2, 50, 2, generator=torch.Generator().manual_seed(0))
    expected, final = torch_recurrent_gated_delta_rule(
        q, k, v, g=g[..., 0], beta=beta, initial_state=state, output_final_state=True
    )
    written, kept = beta[..., None] * k, g.exp()
    found = matrix_scan(q * 4**-0.5, written, v, g, kept * written, k, state)
    torch.testing.assert_close(found[0], expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found[1], final, atol=1e-5, rtol=1e-5)


@each_form
def test_every_state_is_made_from_writes_and_an_edit_goes_on(form):
    q, k, v, log_decay, erase, probe, state = drawn(form, 12)
    write = k[..., None] * v[..., None, :]
    states = matrix_states(log_decay.exp(), write, erase, probe, state)
    torch.testing.assert_close((q[..., None, :] @ states).squeeze(-2), matrix_scan_reference(*drawn(form, 12))[0])
    edited = matrix_states(log_decay.exp(), write, erase, probe, state, {4: torch.zeros_like})
    rest = [None if x is None else x[:, 5:] for x in (log_decay.exp(), write, erase, probe)]
    assert torch.equal(edited[:, :4], states[:, :4]) and not edited[:, 4].any()
    torch.testing.assert_close(edited[:, 5:], matrix_states(*rest))


@each_form
def test_it_runs_on_meta_and_by_the_method_that_is_asked_for(form):
    inputs = [None if x is None else x.to("meta") for x in drawn(form, 20)]
    assert [x.is_meta for x in matrix_scan(*inputs)] == [True, True]
    inputs = drawn(form, 20)
    with using("reference"):
        y, _ = matrix_scan(*inputs)
    assert torch.equal(y, matrix_scan_reference(*inputs)[0])


def test_what_does_not_fit_together_is_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    q, k, v, log_decay, erase, probe, state = drawn(FORMS[1], 6)
    with pytest.raises(UserError, match=r"k of matrix_scan must have shape \[batch=2 pos=6 head=2 d_key=4\]; got"):
        matrix_scan(q, k[..., :3], v, log_decay)
    with pytest.raises(UserError, match="log_decay of matrix_scan must have shape"):
        matrix_scan(q, k, v, log_decay.expand(-1, -1, -1, 3))
    with pytest.raises(UserError, match="initial of matrix_scan must have shape"):
        matrix_scan(q, k, v, log_decay, initial=state[:, :1])
    with pytest.raises(UserError, match="erase and probe of matrix_scan must be given together; got one alone"):
        matrix_scan(q, k, v, log_decay, erase)
    with pytest.raises(UserError, match="chunk of matrix_scan must be at least one position; got 0"):
        matrix_scan(q, k, v, log_decay, erase, probe, chunk=0)
    with pytest.raises(UserError, match="q of matrix_scan must have at least one position; got none"):
        matrix_scan(q[:, :0], k[:, :0], v[:, :0], log_decay[:, :0])
