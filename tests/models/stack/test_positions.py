"""Windows as in the paper's code, ALiBi's slopes, RoPE against complex numbers."""

import pytest
import torch

from interp.base.errors import UserError
from interp.models.stack.layer_heads import alibi_slopes
from interp.models.stack.positions import attention_bias, rotate
from interp.models.transformer import TransformerConfig

WINDOWS = (1, 2, 3, 4, 5, 6, 7, 8) + (None,) * 8
"""The paper's sixteen heads: eight masked ones, head i seeing i + 1 positions, and eight that see everything."""


def pattern(model, tokens, layer):
    return model.run_with_cache(tokens)[1][f"blocks.{layer}.attn.hook_pattern"]


def test_a_row_of_hard_alibi_sees_its_window_itself_included_in_every_layer(tiny):
    model = tiny(n_heads=16, d_model=32, windows=WINDOWS)
    tokens = torch.randint(0, 11, (2, 20))
    for layer in range(2):
        seen = pattern(model, tokens, layer) > 0
        assert seen.sum(-1)[0, :, 15].tolist() == [1, 2, 3, 4, 5, 6, 7, 8] + [16] * 8
        for head, window in enumerate(WINDOWS):
            for query in range(20):
                first = 0 if window is None else max(0, query - window + 1)
                expected = [first <= key <= query for key in range(20)]
                assert seen[:, head, query].tolist() == [expected] * 2


def test_within_its_window_a_hard_alibi_head_weighs_by_content(tiny):
    model = tiny(windows=(3, 3, None, None))
    tokens = torch.randint(0, 11, (2, 9))
    scores = model.run_with_cache(tokens)[1]["blocks.0.attn.hook_attn_scores"]
    q, k = (model.run_with_cache(tokens)[1][f"blocks.0.attn.hook_{x}"] for x in "qk")
    content = torch.einsum("bqhd,bkhd->bhqk", q, k) / 2  # sqrt(d_head) = 2
    torch.testing.assert_close(scores[:, 0, 5, 3:6], content[:, 0, 5, 3:6])


def test_alibi_adds_slope_times_distance(tiny):
    assert alibi_slopes(8) == [2.0**-i for i in range(1, 9)]
    assert alibi_slopes(16) == [2.0 ** (-i / 2) for i in range(1, 17)]
    tokens = torch.randint(0, 11, (2, 9))
    model = tiny(position="alibi", windows=None)
    _, cache = model.run_with_cache(tokens)
    content = torch.einsum("bqhd,bkhd->bhqk", cache["blocks.1.attn.hook_q"], cache["blocks.1.attn.hook_k"]) / 2
    for head, slope in enumerate((1 / 4, 1 / 16, 1 / 64, 1 / 256)):
        for query in range(9):
            for key in range(query + 1):
                expected = content[:, head, query, key] - slope * (query - key)
                torch.testing.assert_close(cache["blocks.1.attn.hook_attn_scores"][:, head, query, key], expected)


def test_nope_is_blind_to_order_but_for_the_mask(tiny, tokens):
    """The last position's logits do not change when the earlier tokens change places: one layer sees a set."""
    shuffled = torch.cat([tokens[:, torch.randperm(11)], tokens[:, -1:]], dim=1)
    for position, blind in (("nope", True), ("alibi", False), ("rope", False), ("learned", False)):
        model = tiny(position=position, windows=None, n_layers=1)
        assert torch.allclose(model(tokens)[:, -1], model(shuffled)[:, -1]) == blind


def test_rope_turns_pairs_as_complex_numbers_do():
    x = torch.randn(2, 7, 3, 8, dtype=torch.float64)
    positions = torch.arange(7)[None]
    for dim in (8, 4, 2):
        pairs = torch.complex(x[..., : dim // 2], x[..., dim // 2 : dim])  # GPT-NeoX pairs i with i + dim/2
        angle = torch.arange(7.0, dtype=torch.float64)[:, None] * 10000.0 ** (-torch.arange(0, dim, 2) / dim)
        turned = pairs * torch.polar(torch.ones_like(angle), angle)[:, None]
        expected = torch.cat([turned.real, turned.imag, x[..., dim:]], dim=-1)
        torch.testing.assert_close(
            rotate(x, positions, dim, 10000.0), expected, atol=1e-6, rtol=1e-6
        )  # angles in float32


def test_rope_scores_depend_on_the_distance_alone():
    q, k = torch.randn(2, 1, 6, 2, 16)
    for shift in (1, 100, 1000):
        scores = [
            torch.einsum("bqhd,bkhd->bhqk", rotate(q, at, 16, 1e4), rotate(k, at, 16, 1e4))
            for at in (torch.arange(6)[None], torch.arange(6)[None] + shift)
        ]
        torch.testing.assert_close(*scores, atol=2e-3, rtol=0)  # an angle of 1000 rad is known to 6e-5 in float32


def test_partial_rope_leaves_the_rest_of_the_head_alone(tiny, tokens):
    _, cache = tiny(position="rope", windows=None, d_head=8, rotary_dim=2).run_with_cache(tokens)
    q, turned = cache["blocks.0.attn.hook_q"], cache["blocks.0.attn.hook_rot_q"]
    assert torch.equal(q[..., 2:], turned[..., 2:]) and torch.equal(q[:, 0], turned[:, 0])
    assert not torch.isclose(q[:, 1:, :, :2], turned[:, 1:, :, :2]).all()


def test_a_bias_of_heads_that_are_all_alike_has_one_head():
    at = torch.arange(4)
    assert attention_bias(at, at, torch.float32).shape == (1, 4, 4)
    assert attention_bias(at[2:], at, torch.float32, slopes=[0.5, 0.25], windows=(None, 2)).tolist() == [
        [[-1.0, -0.5, 0.0, -torch.inf], [-1.5, -1.0, -0.5, 0.0]],
        [[-torch.inf, -0.25, 0.0, -torch.inf], [-torch.inf, -torch.inf, -0.25, 0.0]],
    ]


def test_learned_positions_are_bounded_and_the_others_are_not(tiny):
    long = torch.randint(0, 11, (1, 41))
    with pytest.raises(UserError, match=r"at most 40 positions, the n_ctx that this model has learned; got 41"):
        tiny(position="learned", windows=None)(long)
    assert tiny(position="rope", windows=None)(long).shape == (1, 41, 11)


def test_hard_alibi_has_windows_for_any_number_of_heads():
    """Some heads are limited and some see everything, but for one head, which must see everything."""
    for n_heads in range(1, 20):
        windows = TransformerConfig(n_heads=n_heads, d_head=4).windows
        assert len(windows) == n_heads and windows[-1] is None
        limited = [window for window in windows if window is not None]
        assert limited == list(range(2, len(limited) + 2)) and (limited or n_heads == 1)
    assert TransformerConfig().windows == (2, 3, 4, 5, 6, None, None, None)
    assert TransformerConfig(position="nope").windows is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"position": "rotary"}, "no position encoding is called 'rotary'"),
        ({"position": "nope", "activation": "swish"}, "no activation is called 'swish'"),
        ({"position": "nope", "normalization": "Batch"}, "no normalization is called 'Batch'"),
        ({"windows": (1, 2)}, "one entry for each of 8 heads, or be left out; got 2"),
        ({"windows": (0,) * 8}, "windows must be integers of at least 1"),
        ({"windows": ("all",) * 8}, r"windows\[0\] must be an integer or a list or None"),
        ({"position": "nope", "n_heads": 7}, "d_model must be a multiple of n_heads; got 128 and 7"),
        ({"position": "rope", "rotary_dim": 3}, "rotary_dim must be even and at most d_head, 16; got 3"),
        ({"position": "rope", "rotary_dim": 18}, "rotary_dim must be even and at most d_head, 16; got 18"),
        ({"position": "nope", "n_layers": 0}, "n_layers must be an integer from 1 to 4096; got 0"),
        ({"position": "nope", "n_layers": 10**5}, "n_layers must be an integer from 1 to 4096; got 100000"),
        ({"position": "nope", "d_mlp": -4}, "d_mlp must be an integer from 0 to 2147483647; got -4"),
        ({"position": "nope", "d_head": 0}, "d_head must be an integer from 1 to 2147483647; got 0"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(fields, message):
    with pytest.raises(UserError, match=message):
        TransformerConfig(**fields)
