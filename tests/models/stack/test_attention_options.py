"""Grouped queries, norms of queries and keys, gates, caps, norms that come after and gated MLPs, by their formulas."""

import pytest
import torch
import torch.nn.functional as F

from interp.base.errors import UserError
from interp.models.stack.positions import rotate
from interp.models.transformer import HookedTransformer, TransformerConfig
from tests.models.stack.outcomes import assert_same, outcome  # noqa: TID251

GROUPED = {"position": "rope", "windows": None, "n_key_value_heads": 2, "normalization": "RMS"}
EVERYTHING = GROUPED | {
    **{"qk_norm": "head", "attention_gate": True, "score_cap": 1.5, "norm_after": True, "rotary_dim": 2},
    **{"rotary_base": 50.0, "norm_eps": 0.1, "d_mlp": 8, "gated_mlp": True, "activation": "silu"},
}
SHAPES = {
    "grouped": GROUPED,
    "normed": GROUPED | {"qk_norm": "head"},
    "normed together": GROUPED | {"qk_norm": "layer", "n_key_value_heads": 1},
    "gated": {"attention_gate": True},
    "capped": {"score_cap": 0.7, "position": "alibi", "windows": None},
    "convolved": GROUPED | {"qkv_conv": 2, "attention_gate": True},
    "everything": EVERYTHING,
}
SEGMENT = torch.tensor([[0] * 12, [0] * 5 + [1] * 7, [3] * 2 + [1] * 4 + [2] * 6])


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_both_paths_the_last_positions_and_a_past_give_the_same(tiny, tokens, shape):
    model = tiny(**shape)
    fast, cut = outcome(model, tokens, segment=SEGMENT), outcome(model, tokens, cut=slice(7, None))
    assert_same((cut[0][:, 7:], cut[1]), outcome(model, tokens, queries_from=7))
    past = model.new_past()
    parts = [model(part, past=past) for part in tokens.split([5, 1, 6], dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), model(tokens))
    for block in model.blocks:
        block.attn.fast = False
    assert_same(fast, outcome(model, tokens, segment=SEGMENT))


@torch.no_grad()
def test_heads_that_share_keys_and_values_are_heads_with_the_same_ones(tiny, tokens):
    shared = tiny(**GROUPED)
    apart = tiny(**GROUPED | {"n_key_value_heads": None})
    weights = {name: value for name, value in shared.state_dict().items() if name in apart.state_dict()}
    for layer, block in enumerate(shared.blocks):
        weights |= {f"blocks.{layer}.attn.{name}": getattr(block.attn, name) for name in ("W_QKV", "b_QKV")}
    apart.load_state_dict(weights)
    torch.testing.assert_close(shared(tokens), apart(tokens))
    edits = [("blocks.0.attn.hook_k", lambda k, **_: k.index_fill(2, torch.tensor([1]), 0.0))]  # of one head alone
    edited = [model.run_with_hooks(tokens, fwd_hooks=edits) for model in (shared, apart)]
    torch.testing.assert_close(*edited)
    assert not torch.allclose(edited[0], shared(tokens))
    _, cache = shared.run_with_cache(tokens, names_filter=lambda name: name.endswith(("hook_k", "hook_pattern")))
    k, pattern = cache["blocks.0.attn.hook_k"], cache["blocks.0.attn.hook_pattern"]
    assert torch.equal(k[:, :, 0], k[:, :, 1]) and not torch.allclose(k[:, :, 1], k[:, :, 2])
    assert pattern.shape[1] == 4 and not torch.allclose(pattern[:, 0], pattern[:, 1])


@torch.no_grad()
def test_a_layer_with_everything_is_its_formula(tiny, tokens):
    model = tiny(**EVERYTHING)
    names = ["hook_embed", "blocks.0.hook_resid_post", "blocks.0.hook_attn_heads", "blocks.0.attn.hook_attn_scores"]
    _, cache = model.run_with_cache(tokens, names_filter=names)
    attn, x, block = model.blocks[0].attn, cache["hook_embed"], model.blocks[0]

    def rms(y, w):
        return y / (y.square().mean(-1, keepdim=True) + 0.1).sqrt() * w

    q, k, v = (torch.einsum("bpm,mhd->bphd", x, attn.W_QKV[:, i]) + attn.b_QKV[i] for i in range(3))
    positions = torch.arange(12)[None]
    q, k = (rotate(rms(y, norm.w.view(4, 4)), positions, 2, 50.0) for y, norm in ((q, attn.q_norm), (k, attn.k_norm)))
    scores = 1.5 * (torch.einsum("bqhd,bkhd->bhqk", q, k) / 2 / 1.5).tanh()
    scores = scores.masked_fill(torch.ones(12, 12, dtype=torch.bool).triu(1), -torch.inf)
    torch.testing.assert_close(cache["blocks.0.attn.hook_attn_scores"], scores)
    gate = (torch.einsum("bpm,mhd->bphd", x, attn.W_gate) + attn.b_gate).sigmoid()
    z = torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), v) * gate
    written = torch.einsum("bphd,hdm->bpm", z, attn.W_O) + attn.b_O
    torch.testing.assert_close(cache["blocks.0.hook_attn_heads"], written)
    mid, mlp = x + rms(written, block.ln1_post.w), block.mlp
    inner = F.silu(mid @ mlp.W_gate + mlp.b_gate) * (mid @ mlp.W_in + mlp.b_in)
    after = mid + rms(inner @ mlp.W_out + mlp.b_out, block.ln2_post.w)
    torch.testing.assert_close(cache["blocks.0.hook_resid_post"], after)


@pytest.mark.parametrize("normalization", ["LN", "LNPre", "RMS", None])
@torch.no_grad()
def test_what_blocks_add_when_their_parts_write_only_their_biases_is_their_written_bias(tiny, tokens, normalization):
    model = tiny(norm_after=True, d_mlp=8, normalization=normalization)
    for name, parameter in model.named_parameters():
        if normalization and name.endswith(("b_O", "b_out")):  # constant over the width: a norm makes nothing of it
            parameter.fill_(0.0 if normalization == "RMS" else 0.7)
    silent = [
        (f"blocks.{i}.{name}", lambda x, **_: 0 * x) for i in range(2) for name in ("attn.hook_z", "mlp.hook_post")
    ]
    with model.hooks(fwd_hooks=silent):
        added = model(tokens, stop_at_layer=2) - model.W_E[tokens]
    torch.testing.assert_close(added, model.accumulated_bias(2).expand_as(added), atol=1e-5, rtol=1e-5)
    assert bool(model.accumulated_bias(2).any()) == (normalization in ("LN", None))


@torch.no_grad()
def test_scores_of_single_rows_are_those_of_the_pattern(tiny, tokens):
    model = tiny(**EVERYTHING)
    q_name, k_name = model.query_key_names(1)
    _, cache = model.run_with_cache(tokens, names_filter=[q_name, k_name, "blocks.1.attn.hook_attn_scores"])
    query = torch.tensor([4, 9, 11])
    rows = model.scores_at(1, cache[q_name][torch.arange(3), query], cache[k_name], query)
    torch.testing.assert_close(rows, cache["blocks.1.attn.hook_attn_scores"][torch.arange(3), :, query])


def test_squares_of_positive_parts_are_an_activation(tiny, tokens):
    model = tiny(d_mlp=8, activation="relu2")
    _, cache = model.run_with_cache(tokens, names_filter=lambda name: ".mlp." in name)
    torch.testing.assert_close(cache["blocks.0.mlp.hook_post"], cache["blocks.0.mlp.hook_pre"].clamp(min=0) ** 2)


def test_a_config_without_the_options_is_written_down_as_it_was():
    assert set(TransformerConfig().to_dict()).isdisjoint({"n_key_value_heads", "qk_norm", "norm_eps", "gated_mlp"})
    model = HookedTransformer(TransformerConfig(n_heads=4, d_model=16, **EVERYTHING))
    assert TransformerConfig(**model.config.to_dict()) == model.config


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"n_key_value_heads": 3}, r"n_key_value_heads must divide the 4 heads of each layer; got 3\."),
        ({"n_key_value_heads": 0}, r"n_key_value_heads must be an integer from 1"),
        ({"qk_norm": "both"}, r"no normalization of queries and keys is called 'both'"),
        ({"score_cap": 0.0}, r"score_cap must be a positive number; got 0\.0\."),
        ({"score_cap": 1.0, "position": "path"}, r"score_cap must be None with the positions of 'path'; got 1\.0\."),
        ({"norm_eps": -1.0}, r"norm_eps must be a finite number of at least 0; got -1\.0\."),
        ({"even": True, "attention_gate": True}, r"even must be False with attention_gate"),
    ],
)
def test_options_that_cannot_be_are_refused(shape, message):
    with pytest.raises(UserError, match=message):
        TransformerConfig(n_heads=4, d_model=16, **shape)
