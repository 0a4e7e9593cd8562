"""A short convolution of queries, keys and values: by every way one function, and one layer with it recalls n-grams."""

import pytest
import torch
import torch.nn.functional as F

from interp.base.errors import UserError
from interp.models.stack.layer_heads import LayerHeads
from interp.models.stack.short_conv import ShortConv
from interp.models.transformer import HookedTransformer, TransformerConfig
from tests.models.stack.outcomes import assert_same, outcome  # noqa: TID251

SHAPES = {
    "plain": {"qkv_conv": 3, "position": "nope", "windows": None},
    "windows and an MLP": {"qkv_conv": 4, "d_mlp": 8},
    "turned": {"qkv_conv": 2, "position": "rope"},
    "in one layer": {"qkv_conv": (0, 3), "position": "alibi", "score_scale": "ssmax"},
    "even heads": {"qkv_conv": (3, 0), "even": True, "position": "nope"},
    "even heads alone": {"qkv_conv": 2, "even": True, "position": "nope", "windows": (1, 2, 3, 2)},
    "wider than strings": {"qkv_conv": 20, "position": "nope"},
}
WAYS = {
    "kernels": ["blocks.0.attn.hook_q", "blocks.1.attn.hook_q"],
    "written out": ["blocks.0.attn.hook_pattern", "blocks.1.attn.hook_pattern"],
}
SEGMENT = torch.tensor([[0] * 5 + [1] * 7])


@pytest.mark.parametrize("shape", SHAPES)
def test_every_way_is_one_function(tiny, tokens, shape):
    model = tiny(**SHAPES[shape])
    plain = outcome(model, tokens)
    for listen in WAYS.values():
        assert_same(plain, outcome(model, tokens, listen))
    full = outcome(model, tokens, cut=slice(7, None))
    assert_same((full[0][:, 7:], full[1]), outcome(model, tokens, queries_from=7))
    past = model.new_past()
    parts = [model(tokens[:, some], past=past) for some in (slice(0, 5), slice(5, 6), slice(6, 12))]
    torch.testing.assert_close(torch.cat(parts, dim=1), model(tokens))
    packed = model(tokens[:1], segment=SEGMENT)
    torch.testing.assert_close(packed[:, :5], model(tokens[:1, :5]))
    torch.testing.assert_close(packed[:, 5:], model(tokens[:1, 5:]))


def test_what_attention_uses_is_the_convolution_of_what_stands_before_it(tiny, tokens):
    model = tiny(qkv_conv=3)
    _, cache = model.run_with_cache(tokens)
    weight = model.blocks[1].attn.conv.W_conv
    for part, name in enumerate("qkv"):
        raw, made = (cache[f"blocks.1.attn.{kind}_{name}"].flatten(2).mT for kind in ("hook_raw", "hook"))
        filters = weight[:, part].flatten(1).T.flip(1)[:, None]
        expected = F.conv1d(F.pad(raw, (2, 0)), filters, groups=len(filters))
        torch.testing.assert_close(made, expected)
    edited = model.run_with_hooks(tokens, fwd_hooks=[("blocks.1.attn.hook_raw_v", lambda x, hook: 0 * x)])  # noqa: ARG005
    assert not torch.allclose(edited, model(tokens))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("n", "width"), [(7, 3), (1, 4), (2, 6)])
def test_it_is_the_sum_place_by_place_with_its_gradients(generator, n, width, dtype):
    some = generator(n)
    conv = ShortConv(width, LayerHeads(3, None, None, (False, False)))
    conv = conv.to(torch.promote_types(dtype, torch.float32))
    torch.nn.init.normal_(conv.W_conv, generator=some)
    inputs = [torch.randn(2, n, 2, 3, generator=some, dtype=torch.float64).to(dtype).requires_grad_() for _ in "qkv"]
    before = torch.randn(2, width - 1, 3, 2, 3, generator=some, dtype=torch.float64).to(dtype).requires_grad_()

    def outcome(x, after, into):
        return x, after, *torch.autograd.grad((x * x).sum() + (after * after).sum(), into)

    for window in (None, before):
        into = [*inputs, conv.W_conv, *([] if window is None else [window])]
        qkv, after = conv(inputs, window=window)
        found = outcome(torch.stack(qkv, dim=2), after, into)
        expected = outcome(*conv.place_by_place(torch.stack(inputs, dim=2), window=window), into)
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == other.dtype
            near = 1e-12 if dtype == torch.float64 else 5e-2  # sums of a few numbers of three digits
            torch.testing.assert_close(one, other, atol=near, rtol=near)


def test_paths_into_queries_keys_and_values_are_convolved_too(tiny, tokens):
    model = tiny(qkv_conv=3)
    for name in ("q", "k", "v"):
        point = f"blocks.1.attn.hook_{name}_input"
        watched = model.run_with_hooks(tokens, fwd_hooks=[(point, lambda x, hook: None)], queries_from=4)  # noqa: ARG005
        torch.testing.assert_close(watched, model(tokens, queries_from=4))


def test_one_layer_with_it_recalls_what_followed_an_n_gram():
    """Weights by hand, as in CAT: block t of a key holds the letter t + 1 back, that of a query the letter t back."""
    n, letters = 2, 6
    config = TransformerConfig(
        n_layers=1, n_heads=1, d_model=letters, d_head=n * letters, d_vocab=letters, position="nope",
        normalization=None, qkv_conv=n + 1,
    )  # fmt: skip
    model, one_hot = HookedTransformer(config), torch.eye(letters)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        model.W_E.copy_(one_hot)
        model.unembed.W_U.copy_(one_hot)
        attention = model.blocks[0].attn
        for block in range(n):
            here = slice(block * letters, (block + 1) * letters)
            attention.W_QKV[:, 0, 0, here] = 60 * one_hot
            attention.W_QKV[:, 1, 0, here] = one_hot
            attention.conv.W_conv[block, 0, 0, here] = 1
            attention.conv.W_conv[block + 1, 1, 0, here] = 1
        attention.W_QKV[:, 2, 0, :letters] = one_hot
        attention.conv.W_conv[0, 2] = 1
        attention.W_O[0, :letters] = 10 * one_hot
    string = torch.tensor([[0, 1, 2, 1, 3, 0, 4, 5, 2, 2, 5, 1]])  # no two letters in a row stand twice
    twice = torch.cat([string, string], dim=1)
    answered = model(twice)[:, len(string[0]) + n - 1 : -1].argmax(dim=-1)
    assert answered.tolist() == string[:, n:].tolist()


def test_a_width_that_mixes_nothing_is_refused():
    with pytest.raises(UserError, match="qkv_conv must be a width of at least 2, or 0 for none"):
        TransformerConfig(qkv_conv=1)
    with pytest.raises(UserError, match="qkv_conv must be one value, or one for each of 2 layers; got 3"):
        TransformerConfig(qkv_conv=(0, 2, 2))
    assert "qkv_conv" not in TransformerConfig().to_dict(), "older recipes keep their name"
