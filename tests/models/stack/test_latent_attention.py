"""Latent attention is its formula on every path, keeps its keys and values, and refuses what does not go with it."""

import pytest
import torch

from interp.base.errors import UserError
from interp.models.transformer import TransformerConfig

LATENT = {"d_head": 4, "d_latent": 5, "d_shared_key": 2, "d_value": 3, "position": "nope", "windows": None}


@pytest.mark.parametrize("shared", [2, 0])
@torch.no_grad()
def test_it_is_attention_over_keys_and_values_of_a_normalised_latent(tiny, tokens, shared):
    """DeepSeek-V2, equations 9 to 15 without positions: head by head, query by query."""
    model = tiny(**LATENT | {"d_shared_key": shared, "n_layers": 1})
    attn, x = model.blocks[0].attn, model.run_with_cache(tokens)[1]["blocks.0.ln1.hook_normalized"]
    c = x @ attn.W_latent + attn.b_latent
    c = c / (c.square().mean(-1, keepdim=True) + 1e-6).sqrt() * attn.latent_norm.w
    want = torch.zeros_like(x) + attn.b_O
    for head in range(4):
        q, v = x @ attn.W_queries[:, head] + attn.b_queries[head], c @ attn.W_values[:, head]
        k = c @ attn.W_keys[:, head]
        k = torch.cat([k, x @ attn.W_shared_key + attn.b_shared_key], -1) if shared else k
        for at in range(tokens.shape[1]):
            p = (torch.einsum("bd,bkd->bk", q[:, at], k[:, : at + 1]) / 2).softmax(-1)
            want[:, at] += torch.einsum("bk,bkd->bd", p, v[:, : at + 1]) @ attn.W_O[head]
    attn.fast = False
    for _ in range(2):
        found = model.run_with_cache(tokens, names_filter="blocks.0.hook_attn_out")[1]["blocks.0.hook_attn_out"]
        torch.testing.assert_close(found, want)
        attn.fast = True


@torch.no_grad()
def test_watching_the_paths_into_heads_changes_nothing_and_an_edit_of_one_reaches_its_head_alone(tiny, tokens):
    model = tiny(**LATENT)
    paths = [f"blocks.1.attn.hook_{part}_input" for part in "qkv"]
    logits, cache = model.run_with_cache(tokens, names_filter=[*paths, "blocks.1.attn.hook_k", "blocks.1.attn.hook_v"])
    torch.testing.assert_close(logits, model(tokens))

    def edit(value, **_):
        value[:, :, 1] += torch.arange(16.0)
        return value

    for path, reached in ((paths[1], "hook_k"), (paths[2], "hook_v")):
        with model.hooks(fwd_hooks=[(path, edit)]):
            edited = model.run_with_cache(tokens, names_filter=["blocks.1.attn.hook_k", "blocks.1.attn.hook_v"])[1]
        for name in ("hook_k", "hook_v"):
            changed = (edited[f"blocks.1.attn.{name}"] - cache[f"blocks.1.attn.{name}"]).abs().amax((0, 1, 3)) > 1e-9
            assert changed.tolist() == [False, name == reached, False, False]


@torch.no_grad()
def test_reading_on_equals_reading_at_once_and_what_is_kept_has_the_shapes_that_were_told(tiny, tokens):
    model = tiny(**LATENT)
    past = model.new_past()
    steps = [model(part, past=past) for part in tokens.split([5, 1, 6], dim=1)]
    torch.testing.assert_close(torch.cat(steps, dim=1), model(tokens))
    kept = {name: tuple(part.shape[1:]) for name, part in past[0].tensors().items()}
    assert kept == model.blocks[0].past_shapes(12) == {"keys": (12, 4, 4), "values": (12, 4, 3)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d_latent": None, "d_value": None}, "d_latent must be given with d_shared_key or d_value; got None"),
        ({"d_shared_key": 4}, "d_shared_key must be from 0 to less than d_head, 4; got 4"),
        ({"d_latent": 0}, "d_latent must be an integer from 1"),
        ({"d_value": 0}, "d_value must be an integer from 1"),
        ({"qk_norm": "head"}, "d_latent must be None with qk_norm; got 5"),
        ({"n_key_value_heads": 2}, "d_latent must be None with n_key_value_heads; got 5"),
        ({"attention_gate": True}, "d_latent must be None with attention_gate; got 5"),
        ({"qkv_conv": 3}, "d_latent must be None with qkv_conv; got 5"),
    ],
)
def test_what_does_not_go_with_a_latent_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        TransformerConfig(**{"n_heads": 4, "d_model": 16} | LATENT | changes)


def test_maps_that_are_not_there_are_refused_and_older_configs_stay(tiny):
    with pytest.raises(
        UserError, match="must map the stream itself to keys and values for W_QKV; got one with a latent"
    ):
        _ = tiny(**LATENT).blocks[0].attn.W_K
    assert not {"d_latent", "d_shared_key", "d_value"} & TransformerConfig().to_dict().keys()
