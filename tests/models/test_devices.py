"""Everything follows its input: on `meta`, where mixing devices fails, and on a GPU where there is one."""

import pytest
import torch

from interp.models.stack.config import POSITIONS
from interp.models.transformer import HookedTransformer

SHAPES = [{"position": position, "normalization": "LN"} for position in POSITIONS] + [{"normalization": None}]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(map(str, shape.values())))
def test_a_model_runs_on_meta_tensors(tiny, shape):
    model = tiny(d_mlp=8, **shape).to("meta")
    tokens = torch.zeros(3, 12, dtype=torch.long, device="meta")
    segment = torch.zeros_like(tokens)
    optimizer = torch.optim.AdamW(model.parameters())
    for options in ({}, {"segment": segment}, {"queries_from": 5}):
        model(tokens, "loss", **options).backward()
        optimizer.step()
    assert all(p.grad is not None and p.grad.is_meta for p in model.parameters())
    loss, cache = model.run_with_cache(tokens, "loss", names_filter=list(model.hook_dict), incl_bwd=True)
    assert loss.is_meta and all(value.is_meta for value in cache.values()) and len(cache) == 2 * len(model.hook_dict)
    halved = model.run_with_hooks(tokens, fwd_hooks=[(lambda _: True, lambda x, **_: x / 2)])
    assert halved.is_meta and halved.shape == (3, 12, 11)
    assert model.generate(tokens, 5).shape == (3, 17)


def test_a_model_can_be_made_on_meta(tiny):
    config = tiny(d_mlp=8).config
    with torch.device("meta"):
        model = HookedTransformer(config)
    assert model.device.type == "meta" and model.cfg.device == "meta"


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_everything_is_of_the_models_dtype(tiny, tokens, dtype):
    for shape in SHAPES:
        model = tiny(d_mlp=8, **shape).to(dtype)
        logits, cache = model.run_with_cache(tokens, names_filter=list(model.hook_dict))
        assert {logits.dtype} | {value.dtype for value in cache.values()} == {dtype} == {model.cfg.dtype}


@pytest.mark.gpu
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(map(str, shape.values())))
def test_a_gpu_gives_what_the_processor_gives(tiny, tokens, shape):
    model = tiny(d_mlp=8, **shape)
    segment = torch.arange(12).div(5, rounding_mode="floor").expand(3, -1)
    expected = [model(tokens), model(tokens, segment=segment), model(tokens, queries_from=4)]
    _, cache = model.run_with_cache(tokens)
    generated = model.generate(tokens, 8)
    model = model.cuda()
    tokens, segment = tokens.cuda(), segment.cuda()
    for out, there in zip(
        (model(tokens), model(tokens, segment=segment), model(tokens, queries_from=4)), expected, strict=True
    ):
        torch.testing.assert_close(out.cpu(), there)
    for name, value in model.run_with_cache(tokens, device="cpu")[1].items():
        torch.testing.assert_close(value, cache[name])
    assert torch.equal(model.generate(tokens, 8).cpu(), generated)
