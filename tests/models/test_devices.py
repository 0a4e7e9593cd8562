"""Everything follows its input: on `meta`, where mixing devices fails, and on a GPU where there is one."""

import pytest
import torch

from interp.models import build
from interp.models.stack.config import POSITIONS
from interp.models.transformer import HookedTransformer

SHAPES = [{"position": position, "normalization": "LN"} for position in POSITIONS] + [
    {"normalization": None},
    {"qkv_conv": 3},
    {"pattern": "entmax"},
]


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


EVERY_KIND = [
    {"kind": "transformer", "n_heads": 2, "d_mlp": 8},
    {"kind": "mamba"},
    {"kind": "mamba2", "d_head": 8},
    {"kind": "lstm", "d_hidden": 12},
    {"kind": "hybrid", "layers": ["lstm", "attention", "mamba2"], "attention": {"n_heads": 2}, "mamba2": {"d_head": 8}},
]


@pytest.mark.parametrize("config", EVERY_KIND, ids=lambda config: config["kind"])
def test_every_forward_path_of_every_kind_runs_on_meta(config):
    """Fast and explicit, whole and in pieces, from and up to a layer, watched at one position, streamed, generating."""
    with torch.device("meta"):
        model = build({"d_model": 16, **config})
    tokens = torch.zeros(3, 12, dtype=torch.long, device="meta")
    past = model.new_past()
    for piece in tokens.split([5, 1, 6], dim=1):
        assert model(piece, past=past).is_meta
    stream = model(tokens, stop_at_layer=1)
    assert model(stream, start_at_layer=1).shape == (3, 12, 30)
    assert model(tokens[0], "loss").is_meta and model(tokens, queries_from=-1).shape == (3, 1, 30)
    steps = [
        f"blocks.{i}.mixer.{each}.4" for i, mixer in getattr(model, "mixers", {}).items() for each in mixer.per_step
    ]
    names = [*model.hook_dict, *steps]
    _, cache = model.run_with_cache(tokens, "loss", names_filter=names, incl_bwd=True)
    assert {value.device.type for value in cache.values()} == {"meta"} and len(cache) == 2 * len(names)
    for name in steps:
        halved = model.run_with_hooks(tokens, fwd_hooks=[(name, lambda x, hook: x / 2)])  # noqa: ARG005
        assert halved.is_meta
    if steps:
        assert all(part[steps[0]].is_meta for _, part in model.stream(tokens, steps[0], 12))
    assert model.generate(tokens, 2, temperature=1.0, generator=0).shape == (3, 14)


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
        torch.testing.assert_close(out.cpu(), there, atol=1e-4, rtol=1e-4)
    for name, value in model.run_with_cache(tokens, device="cpu")[1].items():
        torch.testing.assert_close(value, cache[name], atol=1e-4, rtol=1e-4)
    assert torch.equal(model.generate(tokens, 8).cpu(), generated)
