"""Forget gates and PaTH: blocks against products written out pair by pair, and models whose answers are known."""

import pytest
import torch

import interp.base.budget
from interp.base.budget import Budget
from interp.base.errors import UserError
from interp.models.stack.layer_heads import LayerHeads
from interp.models.stack.steps import ForgetGate, Reflections, joined, rows
from interp.models.stack.transport import transported_scores
from interp.models.transformer import HookedTransformer, TransformerConfig

NEAR = {torch.float32: 1e-5, torch.float64: 1e-10}


def drawn(n: int, n_queries: int, dtype=torch.float64, d: int = 5):
    generator = torch.Generator().manual_seed(n)
    q, k, w = (torch.randn(2, m, 3, d, generator=generator, dtype=torch.float64) for m in (n_queries, n, n))
    beta = 2 * torch.rand(2, n, 3, generator=generator, dtype=torch.float64)
    return tuple(x.to(dtype) for x in (q, k, torch.nn.functional.normalize(w, dim=-1), beta))


def written_out(q, k, w, beta):
    """Every pair by its own product; 0 where the key comes later."""
    n, first = k.shape[1], k.shape[1] - q.shape[1]
    eye = torch.eye(k.shape[-1], dtype=k.dtype)
    H = eye - beta[..., None, None] * w[..., :, None] * w[..., None, :]
    scores = []
    for i in range(first, n):
        row = []
        for j in range(n):
            key = k[:, j]
            for step in range(j + 1, i + 1):
                key = (H[:, step] @ key[..., None])[..., 0]
            row.append((q[:, i - first] * key).sum(dim=-1) / k.shape[-1] ** 0.5 * float(j <= i))
        scores.append(torch.stack(row, dim=-1))
    return torch.stack(scores, dim=2)


def seen(scores):
    n_queries, n = scores.shape[-2:]
    return scores.tril(n - n_queries)


@pytest.mark.parametrize("dtype", NEAR, ids=str)
@pytest.mark.parametrize(("n", "n_queries", "block"), [(11, 11, 4), (11, 3, 4), (12, 6, 4), (9, 1, 2), (7, 7, 64)])
def test_keys_carried_in_blocks_are_those_carried_pair_by_pair(n, n_queries, block, dtype):
    parts = drawn(n, n_queries, dtype)
    found = transported_scores(*parts, block=block)
    torch.testing.assert_close(seen(found), written_out(*parts), atol=NEAR[dtype], rtol=NEAR[dtype])


def test_many_steps_stay_exact_in_single_precision():
    parts = drawn(300, 300, torch.float64, d=8)
    exact = seen(transported_scores(*parts, block=300))
    found = seen(transported_scores(*(x.float() for x in parts), block=32))
    torch.testing.assert_close(found.double(), exact, atol=1e-5, rtol=1e-5)


def test_gradients_of_carried_keys_are_those_of_the_products():
    parts = [x.requires_grad_() for x in drawn(5, 3, d=2)]
    assert torch.autograd.gradcheck(lambda *x: seen(transported_scores(*x, block=2)), parts)
    weights = torch.randn(2, 3, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    made = [
        torch.autograd.grad((form * weights).sum(), parts)
        for form in (seen(transported_scores(*parts, block=2)), written_out(*parts))
    ]
    for one, other in zip(*made, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("dtype", NEAR, ids=str)
def test_a_forget_gate_adds_the_logarithm_of_every_step_between(dtype):
    q, k, _, beta = drawn(9, 4, dtype)
    f = beta / 2
    found = ForgetGate.scores(q, k, f[..., None])
    for i in range(5, 9):
        for j in range(i + 1):
            between = f[:, j + 1 : i + 1].log().sum(dim=1)
            expected = (q[:, i - 5] * k[:, j]).sum(dim=-1) / 5**0.5 + between
            torch.testing.assert_close(found[:, :, i - 5, j], expected, atol=NEAR[dtype], rtol=NEAR[dtype])
    gates = f.double().detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: seen(ForgetGate.scores(q.double(), k.double(), x[..., None])), gates)


def test_a_gate_that_is_shut_hides_what_came_before_and_nothing_else():
    q = k = torch.zeros(1, 6, 1, 2)
    f = torch.ones(1, 6, 1, 1)
    f[0, [2, 4]] = 0
    scores = ForgetGate.scores(q, k, f)
    assert scores.isfinite().all()
    torch.testing.assert_close(scores[0, 0, 5].exp(), torch.tensor([0.0, 0, 0, 0, 1, 1]))


@pytest.mark.parametrize("kind", [ForgetGate, Reflections])
def test_one_row_of_each_string_is_a_row_of_all(kind):
    q, k, w, beta = drawn(8, 8)
    steps = joined((w, beta)) if kind is Reflections else beta[..., None] / 2
    query = torch.tensor([5, 7])
    found = rows(kind(4, LayerHeads(5, None, None, (False,) * 3)), q[[0, 1], query], k, steps, query)
    whole = seen(kind.scores(q, k, steps))
    for string, at in enumerate(query.tolist()):
        torch.testing.assert_close(found[string, :, : at + 1], whole[string, :, at, : at + 1])


@pytest.mark.parametrize("position", ["forget", "path"])
def test_blocks_of_queries_heads_of_their_own_and_a_past_are_one_function(tiny, tokens, position, monkeypatch):
    shapes = (
        {"position": position, "windows": None},
        {"position": position, "even": True, "windows": (2, None, 3, None)},
    )
    monkeypatch.setattr("interp.models.stack.attention.LEAST_QUERIES", 2)
    for shape in shapes:
        model = tiny(**shape)
        expected = model(tokens).detach()
        watched = model.run_with_hooks(
            tokens, fwd_hooks=[(f"blocks.1.attn.hook_{part}_input", lambda x, hook: None) for part in "qkv"]  # noqa: ARG005
        )  # fmt: skip
        torch.testing.assert_close(watched.detach(), expected)
        with torch.no_grad(), monkeypatch.context() as patch:
            patch.setattr(interp.base.budget, "CPU", Budget(pairs=100))
            torch.testing.assert_close(model(tokens), expected)
            past = model.new_past()
            parts = [model(some, past=past) for some in tokens.split([5, 1, 6], dim=1)]
        torch.testing.assert_close(torch.cat(parts, dim=1), expected)


@pytest.mark.parametrize("position", ["forget", "path"])
def test_rows_of_a_model_are_those_of_its_scores(tiny, tokens, position):
    model = tiny(position=position)
    _, cache = model.run_with_cache(tokens)
    q, k = (cache[name] for name in model.query_key_names(1))
    query = torch.tensor([4, 11, 0])
    steps = joined(tuple(cache[name] for name in model.step_names(1)))
    found = model.scores_at(1, q[range(3), query], k, query, steps)
    torch.testing.assert_close(found, cache["blocks.1.attn.hook_attn_scores"][range(3), :, query])
    with pytest.raises(UserError, match=r"steps must be what blocks\.1\.attn\.hook_.* hold for scores of this layer"):
        model.scores_at(1, q[:, 0], k, query)


def blank(position: str, d_head: int = 2) -> HookedTransformer:
    """One head, all weights 0; letters one-hot in the stream."""
    config = TransformerConfig(
        n_layers=1, n_heads=1, d_model=4, d_head=d_head, d_vocab=4, position=position, normalization=None
    )
    model = HookedTransformer(config).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        model.W_E.copy_(torch.eye(4))
    return model


def test_a_gate_that_a_separator_shuts_averages_what_came_since():
    model, tokens = blank("forget", d_head=4), torch.tensor([[0, 1, 3, 1, 2, 2, 3, 0]])  # 3 separates
    attention = model.blocks[0].attn
    with torch.no_grad():
        attention.step.b_f.fill_(60.0)
        attention.step.W_f[3] = -120.0
    _, cache = model.run_with_cache(tokens)
    torch.testing.assert_close(cache["blocks.0.attn.hook_f"][0, :, 0], (tokens[0] != 3).double(), atol=1e-12, rtol=0)
    expected = torch.tensor([[0.0, 0, 1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0, 1, 1]]).double() / torch.tensor([[4], [2]])
    torch.testing.assert_close(cache["blocks.0.attn.hook_pattern"][0, 0, [5, 7]], expected)


def test_a_reflection_at_every_one_tells_whether_their_number_is_even():
    """PaTH follows a state: with beta = 2 at the token 1, and 0 at others, a score's sign is a parity."""
    model, tokens = blank("path"), torch.tensor([[1, 0, 1, 1, 0, 2, 1, 1, 0]])
    attention = model.blocks[0].attn
    with torch.no_grad():
        attention.W_QKV[:, :2, 0, 0] = 1.0
        attention.step.W_w[:, 0, 0] = 1.0
        attention.step.b_beta.fill_(-60.0)
        attention.step.W_beta[1] = 120.0
    _, cache = model.run_with_cache(tokens)
    ones = (tokens[0] == 1).double().cumsum(0)
    parity = 1 - 2 * ((ones[:, None] - ones) % 2)
    scores = cache["blocks.0.attn.hook_attn_scores"][0, 0] * 2**0.5
    torch.testing.assert_close(scores.masked_fill(scores.isinf(), 0.0), parity.tril())


@pytest.mark.parametrize("position", ["forget", "path"])
def test_what_hooks_change_is_what_scores_are_made_of(tiny, tokens, position):
    model = tiny(position=position)
    plain = tiny(position="nope")
    plain.load_state_dict({name: value for name, value in model.state_dict().items() if ".step." not in name})
    name, nothing = {"forget": ("hook_f", 1.0), "path": ("hook_beta", 0.0)}[position]
    hooks = [(f"blocks.{layer}.attn.{name}", lambda x, hook: torch.full_like(x, nothing)) for layer in (0, 1)]  # noqa: ARG005
    torch.testing.assert_close(model.run_with_hooks(tokens, fwd_hooks=hooks), plain(tokens))
    assert not torch.allclose(model(tokens), plain(tokens))
