"""Write, kept and read multiply to what hidden attention says arrives; each factor is what its own change changes."""

import pytest
import torch

from interp.base.errors import UserError
from interp.measure.circuits.recurrent_shares import recurrent_shares
from interp.models import build
from interp.models.hidden_attention.pattern import decompose
from interp.models.planted.delta import planted_delta_memory

TOKENS = torch.randint(0, 9, (2, 8), generator=torch.Generator().manual_seed(0))
QUERY = torch.tensor([7, 5])
MAMBA = {"kind": "mamba", "n_layers": 2, "d_model": 8, "d_vocab": 9, "d_state": 3}
MATRIX = {
    "linear_attention": {"d_conv": 3},
    "retnet": {},
    "gla": {"temperature": 2.0},
    "deltanet": {},
    "gated_deltanet": {},
    "mlstm": {"d_conv": 2},
    "rwkv7": {},
}
MAMBA2 = {"kind": "mamba2", "n_layers": 2, "d_model": 8, "d_vocab": 9, "d_state": 4, "d_head": 4}


@pytest.mark.parametrize(("shape", "heads"), [(MAMBA, 1), (MAMBA2, 4)])
def test_the_product_is_the_size_of_what_arrives(shape, heads):
    model = build(shape, seed=1).double()
    whole = decompose(model, TOKENS, 1, direct=False)
    arriving = whole.alpha[torch.arange(2), :, QUERY] * whole.inputs.transpose(1, 2)
    for head in range(heads):
        found = recurrent_shares(model, TOKENS, f"L1H{head}", QUERY)
        of_head = arriving.unflatten(1, (heads, -1))[:, head].norm(dim=1)
        torch.testing.assert_close(found.reach, of_head)
        assert ((found.kept <= 1 + 1e-9) & (found.kept >= 0)).all()
        assert (found.kept[0, 7] - 1).abs() < 1e-9  # nothing has decayed of what was just written


@pytest.mark.parametrize("kind", MATRIX)
def test_of_a_matrix_state_too_and_each_factor_is_what_a_run_by_hand_has(kind):
    shape = {"kind": kind, "n_layers": 2, "d_model": 8, "d_vocab": 9, "n_heads": 2} | MATRIX[kind]
    model = build(shape, seed=1).double()
    whole, at = decompose(model, TOKENS, 1, direct=False), torch.arange(2)
    arriving = (whole.alpha[at, :, QUERY] * whole.inputs.transpose(1, 2)).unflatten(1, (2, -1))
    states = {}
    for name in ("hook_write", "hook_state"):
        states[name] = model.run_with_cache(TOKENS, names_filter=f"blocks.1.mixer.{name}")[1][f"blocks.1.mixer.{name}"]
    for head in range(2):
        found = recurrent_shares(model, TOKENS, f"L1H{head}", QUERY)
        torch.testing.assert_close(found.reach, arriving[:, head].norm(dim=1))
        torch.testing.assert_close(found.kept[at, QUERY], torch.ones(2).double())
        assert not found.write[1, 6:].any() and not found.reach[1, 6:].any()
        values = slice(None) if kind not in ("linear_attention", "mlstm") else slice(-1)  # the rest normalises
        written = states["hook_write"][:, :, head][..., values].flatten(2).norm(dim=-1)
        torch.testing.assert_close(found.write[0], written[0])
        # the state after the first position is its write; a run in which nothing else is written keeps what is kept
        silent = torch.zeros_like(states["hook_write"])
        silent[:, 2] = states["hook_write"][:, 2]
        after = {}
        model.run_with_hooks(
            TOKENS,
            fwd_hooks=[
                ("blocks.1.mixer.hook_write", lambda x, hook, silent=silent: silent),  # noqa: ARG005
                ("blocks.1.mixer.hook_state", lambda x, hook, after=after: after.update(x=x)),  # noqa: ARG005
            ],
        )
        left = after["x"][at, QUERY][:, head][..., values].flatten(1).norm(dim=-1)
        torch.testing.assert_close((found.write * found.kept)[:, 2], left)


def test_a_planted_delta_memory_keeps_what_is_not_overwritten_and_reads_the_last_of_each_key_alone():
    model, table = planted_delta_memory(keys=5, values=3)
    tokens = table.draw(4, 20, 0)
    query = torch.tensor([19, 12, 17, 15])
    found = recurrent_shares(model.double(), tokens, "L0H0", query)
    at, key = torch.arange(20), table.key(tokens)
    wrote = (tokens < table.keys * table.values) & (at <= query[:, None])
    again = [
        [bool((key[b, k + 1 : query[b] + 1] == key[b, k])[wrote[b, k + 1 : query[b] + 1]].any()) for k in at]
        for b in range(4)
    ]
    stands = wrote & ~torch.tensor(again)
    torch.testing.assert_close(found.kept[wrote], stands[wrote].double(), atol=1e-4, rtol=0)
    asked = stands & (key == key.gather(1, query[:, None]))
    met = asked[stands].double() * found.read[asked].max()  # what a query is scaled by, where it asks for the key
    torch.testing.assert_close(found.read[stands], met, atol=1e-4, rtol=0)
    assert found.read[asked].min() > 0.1
    assert 0 < int(asked.sum()) < int(stands.sum()) < int(wrote.sum())


def test_logarithms_of_the_three_add_up():
    found = recurrent_shares(build(MAMBA, seed=2).double(), TOKENS, "L0H0", QUERY)
    others = torch.zeros(2, 8, dtype=torch.bool)
    others[:, 3:5] = True
    parts = torch.stack(found.against(torch.tensor([1, 2]), others)).sum(dim=0)
    logs = found.reach.log()
    torch.testing.assert_close(parts, logs[[0, 1], [1, 2]] - logs[:, 3:5].mean(dim=1))


def test_a_head_that_attends_is_refused_and_meta_tensors_are_not():
    with pytest.raises(UserError, match="Use decompose_score for it"):
        recurrent_shares(build({"kind": "transformer", "n_heads": 2, "d_model": 8}), TOKENS, "L0H0", QUERY)
    with torch.device("meta"):
        model = build(MAMBA)
        assert recurrent_shares(model, TOKENS.to("meta"), "L0H0", QUERY.to("meta")).reach.is_meta
