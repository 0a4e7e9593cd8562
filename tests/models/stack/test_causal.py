"""Attention of the last positions without a mask equals attention with the mask written out."""

import pytest
import torch
import torch.nn.functional as F

from interp.models.stack import causal
from interp.models.stack.causal import attends_without_mask, causal_attention


def drawn(queries: int, keys: int, dtype: torch.dtype) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(queries)
    return [3 * torch.randn(2, n, 3, 8, generator=generator, dtype=dtype) for n in (queries, keys, keys)]


def masked(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    mask = torch.ones(q.shape[1], k.shape[1], dtype=torch.bool).tril(k.shape[1] - q.shape[1])
    q, k, v = (y.transpose(1, 2) for y in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)


@pytest.mark.parametrize(("queries", "keys"), [(1, 1), (1, 9), (7, 7), (7, 30), (12, 13), (30, 30)])
@pytest.mark.parametrize("at_once", [1, 5, 7, 2048])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_it_equals_attention_with_the_mask_written_out(queries, keys, at_once, dtype, monkeypatch) -> None:
    monkeypatch.setattr(causal, "QUERIES_AT_ONCE", at_once)
    q, k, v = drawn(queries, keys, dtype)
    with torch.no_grad():
        assert attends_without_mask(q, k, v)
        found = causal_attention(q, k, v)
    expected = masked(*(y.double() for y in (q, k, v)))
    least = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 5e-2}[dtype]
    torch.testing.assert_close(found.double(), expected, atol=least, rtol=least)


def test_scores_far_apart_overflow_nowhere() -> None:
    q, k, v = drawn(6, 20, torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(causal_attention(q * 1e3, k, v), masked(q * 1e3, k, v))


@pytest.mark.parametrize("which", range(3), ids="qkv")
def test_numbers_of_a_head_need_not_lie_side_by_side(which) -> None:
    strided, spread = drawn(6, 20, torch.float32), drawn(6, 20, torch.float32)
    strided[which] = strided[which].mT.contiguous().mT
    spread[which] = spread[which][..., :1].expand(spread[which].shape)
    with torch.no_grad():
        for q, k, v in (strided, spread):
            torch.testing.assert_close(causal_attention(q, k, v), masked(q, k, v), atol=2e-5, rtol=2e-5)


def test_a_constant_that_a_hook_expands_is_read_as_it_is(tiny, tokens) -> None:
    model = tiny(position="nope", windows=None)
    hooks = [("blocks.1.attn.hook_v", lambda v, hook: v.new_tensor(0.5).expand_as(v))]  # noqa: ARG005
    expected = model.run_with_hooks(tokens, fwd_hooks=hooks)
    with torch.no_grad():
        torch.testing.assert_close(model.run_with_hooks(tokens, fwd_hooks=hooks), expected)


def test_it_is_left_to_the_mask_where_the_kernel_does_not_serve() -> None:
    q, k, v = drawn(2, 5, torch.float32)
    assert not attends_without_mask(q, k, v)  # gradients
    with torch.no_grad():
        assert not attends_without_mask(q, k, v[..., :4])
        assert not attends_without_mask(*(y.to("meta") for y in (q, k, v)))
        with torch.autocast("cpu", torch.bfloat16):
            assert not attends_without_mask(q, k, v)


@pytest.mark.parametrize(
    "shape", [{}, {"windows": (None,) * 4}, {"position": "rope"}], ids=["nope", "no limits", "rope"]
)
def test_a_model_writes_no_mask_out_where_none_is_needed(tiny, tokens, shape, monkeypatch) -> None:
    model = tiny(**{"position": "nope", "windows": None, **shape})
    expected = model(tokens)
    monkeypatch.setattr("interp.models.stack.masks.head_bias", _refuse)
    past = model.new_past()
    with torch.no_grad():
        torch.testing.assert_close(model(tokens), expected)
        torch.testing.assert_close(model(tokens, queries_from=4), expected[:, 4:])
        parts = [model(tokens[:, some], past=past) for some in (slice(0, 5), slice(5, 12))]
    torch.testing.assert_close(torch.cat(parts, dim=1), expected)


def _refuse(*_: object) -> None:
    raise AssertionError("a mask was written out")
