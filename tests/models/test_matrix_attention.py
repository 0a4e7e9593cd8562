"""Hidden attention of matrix-valued states, erasure included: it is the layer, its Jacobian, and blind to blocks."""

import pytest
import torch
from einops import einsum

from interp.base.budget import Budget
from interp.models.heads import HeadTable
from interp.models.hidden_attention import pattern as module
from interp.models.hidden_attention.layer import ReadLayer, needed
from interp.models.hidden_attention.pattern import decompose, hidden_attention, hidden_pattern, pattern_rows

SHAPES = {
    "linear_attention": {"gate": True, "d_conv": 3},
    "retnet": {},
    "gla": {"d_conv": 2},
    "deltanet": {},
    "gated_deltanet": {},
    "mlstm": {"d_conv": 2},
    "rwkv7": {},
}
MIXER = "blocks.0.mixer."


@pytest.fixture(params=SHAPES)
def model(recurrent, request):
    return recurrent(request.param, **SHAPES[request.param])


@pytest.mark.parametrize(
    "options", [{}, {"gated": True}, {"through_conv": True}, {"through_conv": True, "gated": True}]
)
def test_multiplied_with_the_inputs_it_reproduces_the_layers_output(model, tokens, options):
    for dtype, within in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        found = decompose(model.to(dtype), tokens, 0, **options)
        name = MIXER + ("hook_gated" if options.get("gated") else "hook_y")
        real = model.run_with_cache(tokens, names_filter=name)[1][name].flatten(2)
        again = einsum(found.alpha, found.inputs, "b c q k, b k c -> b q c")
        torch.testing.assert_close(again, real, rtol=0, atol=within * float(real.abs().max()))
        assert not found.remainder.any() and not found.alpha.triu(1).any()


def test_it_is_the_jacobian_with_all_but_the_values_held(model, tokens):
    tokens, last = tokens[:1, :6], {}
    names = [name for name in needed(model.mixers[0]) if name != "hook_v"]
    _, cache = model.run_with_cache(tokens, names_filter=[MIXER + name for name in (*names, "hook_v")])
    held = [(MIXER + name, lambda x, hook: cache[hook.name]) for name in names if "conv" not in name]  # noqa: ARG005

    def output(v):
        hooks = [
            *held,
            (MIXER + "hook_v", lambda x, hook: v),  # noqa: ARG005
            (MIXER + "hook_y", lambda x, hook: last.update(y=x)),  # noqa: ARG005
        ]
        model.run_with_hooks(tokens, fwd_hooks=hooks)
        return last["y"]

    jacobian = torch.autograd.functional.jacobian(output, cache[MIXER + "hook_v"])[0, :, :, :, 0]
    alpha = hidden_attention(model, tokens, 0)[0].unflatten(0, (2, 6))  # [head channel query key]
    expected = einsum(alpha, torch.eye(2), torch.eye(6), "h c q k, h g, c d -> q h c k g d")
    torch.testing.assert_close(jacobian, expected.to(jacobian))


def test_erasure_takes_away_what_a_key_brought(recurrent, tokens):
    """At full strength, of two writes along one key nothing of the first is seen after the second."""
    model, (first, second) = recurrent("deltanet"), (2, 6)

    def same(k, **_):
        return k.index_copy(1, torch.tensor([second]), k[:, [first]] / k[:, [first]].norm(dim=-1, keepdim=True))

    hooks = [(MIXER + "hook_k", same), (MIXER + "hook_beta", lambda beta, **_: torch.ones_like(beta))]
    with model.hooks(fwd_hooks=hooks):
        _, cache = model.run_with_cache(tokens, names_filter=[MIXER + name for name in needed(model.mixers[0])])
    values = {name: cache[MIXER + name] for name in needed(model.mixers[0])}
    values["hook_q"] = values["hook_k"]  # each position reads with its own key
    alpha = ReadLayer.of(model.mixers[0], values).alpha(slice(0, 12), slice(0, 12))
    assert alpha[:, :, second, :second].abs().max() < 1e-5
    torch.testing.assert_close(alpha[:, :, second, second], torch.ones_like(alpha[:, :, 0, 0]), atol=1e-5, rtol=1e-5)


def test_blocks_of_any_size_and_single_rows_give_the_same(model, tokens, monkeypatch):
    whole, pattern = decompose(model, tokens, 0, through_conv=True, gated=True).alpha, hidden_pattern(model, tokens, 0)
    torch.testing.assert_close(pattern.sum(-1), torch.ones(3, 2, 12, dtype=torch.float64))
    some = hidden_attention(model, tokens, 0, through_conv=True, gated=True, channels=slice(4, 9))
    torch.testing.assert_close(some, whole[:, 4:9])
    query, names = torch.tensor([11, 0, 7]), needed(model.mixers[0])
    _, cache = model.run_with_cache(tokens, names_filter=[MIXER + name for name in names])
    read = ReadLayer.of(model.mixers[0], {name: cache[MIXER + name] for name in names})
    torch.testing.assert_close(pattern_rows(read, query)[:, :, 0], pattern[torch.arange(3), :, query])
    monkeypatch.setattr(module, "QUERIES", 5)
    monkeypatch.setattr("interp.base.budget.CPU", Budget(floats=200))
    torch.testing.assert_close(hidden_attention(model, tokens, 0, through_conv=True, gated=True), whole)
    torch.testing.assert_close(hidden_pattern(model, tokens, 0), pattern)


def test_its_heads_are_named_and_it_runs_on_meta(model, tokens):
    assert HeadTable.of(model).names == ("L0H0", "L0H1")
    assert hidden_pattern(model.to("meta"), tokens.to("meta"), 0).shape == (3, 2, 12, 12)
