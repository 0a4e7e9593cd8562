"""Stacked weights are those of the layers, and the circuits that they make are what the heads compute."""

import pytest
import torch

import interp
from interp.base.errors import UserError


def model(**config) -> interp.HookedTransformer:
    shape = {"n_layers": 2, "n_heads": 2, "d_model": 8, "normalization": None, "position": "nope"}
    return interp.HookedTransformer(interp.TransformerConfig(**{**shape, **config}), seed=1).eval()


@torch.no_grad()
def test_ov_is_what_a_head_writes_and_qk_what_it_scores():
    opened = model()
    for block in opened.blocks:
        for bias in (block.attn.b_QKV, block.attn.b_O):
            bias.zero_()
    tokens = torch.tensor([[3, 1, 4, 1, 5]])
    opened.cfg  # noqa: B018
    opened.set_use_attn_result(True)
    _, cache = opened.run_with_cache(tokens)
    for layer in (0, 1):
        stream = cache["resid_pre", layer][0]
        for head in (0, 1):
            written = cache["pattern", layer][0, head] @ stream @ opened.OV[layer, head].AB
            torch.testing.assert_close(cache["result", layer][0, :, head], written)
            scores = stream @ opened.QK[layer, head].AB @ stream.T / 4**0.5
            seen = torch.ones(5, 5).tril().bool()
            torch.testing.assert_close(cache["attn_scores", layer][0, head][seen], scores[seen])


def test_weights_have_the_shapes_of_transformerlens():
    opened = model(n_layers=3)
    for name, shape in {"W_Q": (3, 2, 8, 4), "W_O": (3, 2, 4, 8), "b_V": (3, 2, 4), "b_O": (3, 8)}.items():
        assert tuple(getattr(opened, name).shape) == shape
    torch.testing.assert_close(opened.W_K[2], opened.blocks[2].attn.W_K)


def test_layers_with_other_heads_are_not_stacked():
    with pytest.raises(UserError, match="W_Q of all layers must have one shape to be stacked; got 2"):
        model(n_heads=(4, 2)).W_Q  # noqa: B018
