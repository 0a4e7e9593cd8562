"""nnsight reads and edits what our own hooks read and edit."""

import pytest
import torch

from interp.models.stack.attention import Attention

nnsight = pytest.importorskip("nnsight")

SHAPES = {
    "attention only": {"normalization": "LN"},
    "rotary, parallel": {"position": "rope", "windows": None, "d_mlp": 8, "parallel": True},
    "learned": {"position": "learned", "windows": None, "d_mlp": 8},
}


@pytest.fixture(params=SHAPES)
def model(tiny, request):
    return tiny(**SHAPES[request.param])


@pytest.fixture
def explicit_runs(monkeypatch):
    """Counts the layers that write their pattern out."""
    runs, explicit = [], Attention._explicit

    def counted(self, *args):
        runs.append(self)
        return explicit(self, *args)

    monkeypatch.setattr(Attention, "_explicit", counted)
    return runs


def point(root, name):
    for part in name.split("."):
        root = root[int(part)] if part.isdecimal() else getattr(root, part)
    return root


def split(name):
    return name.endswith(("hook_q_input", "hook_k_input", "hook_v_input"))


def test_a_trace_reads_what_a_cache_holds(model, tokens):
    traced = nnsight.NNsight(model)
    logits, cache = model.run_with_cache(tokens, names_filter=lambda name: not split(name))
    for name in model.hook_dict:
        with traced.trace(tokens):
            value = point(traced, name).output.save()
            out = traced.output.save()
        expected = cache[name] if name in cache else model.run_with_cache(tokens, names_filter=name)[1][name]
        torch.testing.assert_close(value, expected, msg=lambda text, name=name: f"{name}: {text}")
        torch.testing.assert_close(out, logits)


def test_a_trace_edits_as_our_own_hooks_do(model, tokens):
    traced = nnsight.NNsight(model)
    for name in model.hook_dict:
        expected = model.run_with_hooks(tokens, fwd_hooks=[(name, lambda x, **_: 0.5 * x)])
        with traced.trace(tokens):
            point(traced, name).output *= 0.5
            out = traced.output.save()
        torch.testing.assert_close(out, expected, msg=lambda text, name=name: f"{name}: {text}")
    name = "blocks.1.attn.hook_v"
    with traced.trace(tokens):
        point(traced, name).output[:, :, 2] = 0
        out = traced.output.save()

    def ablate(v, **_):
        v[:, :, 2] = 0

    torch.testing.assert_close(out, model.run_with_hooks(tokens, fwd_hooks=[(name, ablate)]))


def test_one_trace_reads_many_points_in_order(model, tokens):
    traced = nnsight.NNsight(model)
    _, cache = model.run_with_cache(tokens)
    with traced.trace(tokens):
        first = traced.blocks[0].attn.hook_pattern.output.save()
        mid = traced.blocks[0].hook_resid_mid.output.save()
        scale = traced.blocks[1].ln1.hook_scale.output.save()
        scores = traced.blocks[1].attn.hook_attn_scores.output.save()
        last = traced.ln_final.hook_normalized.output.save()
    for value, name in (
        (first, "blocks.0.attn.hook_pattern"),
        (mid, "blocks.0.hook_resid_mid"),
        (scale, "blocks.1.ln1.hook_scale"),
        (scores, "blocks.1.attn.hook_attn_scores"),
        (last, "ln_final.hook_normalized"),
    ):
        torch.testing.assert_close(value, cache[name])


def test_gradients_and_caches_of_a_trace_are_ours(model, tokens):
    traced = nnsight.NNsight(model)
    with traced.trace(tokens):
        z = traced.blocks[0].attn.hook_z.output
        with traced.output.square().sum().backward():
            gradient = z.grad.save()
    z = torch.zeros((), dtype=torch.float64, requires_grad=True)
    moved = model.run_with_hooks(tokens, fwd_hooks=[("blocks.0.attn.hook_z", lambda x, **_: x + z * gradient)])
    (slope,) = torch.autograd.grad(moved.square().sum(), z)
    torch.testing.assert_close(slope, gradient.square().sum())
    with traced.trace(tokens) as tracer:
        kept = tracer.cache(modules=[traced.blocks[1].attn.hook_pattern]).save()
    torch.testing.assert_close(kept.blocks[1].attn.hook_pattern.output, model.run_with_cache(tokens)[1]["pattern", 1])


def test_the_fast_path_runs_unless_a_trace_waits_for_a_pattern(tiny, tokens, explicit_runs):
    model = tiny()
    traced = nnsight.NNsight(model)
    model(tokens)
    with traced.trace(tokens):
        traced.blocks[0].attn.hook_z.output.save()
    assert not explicit_runs  # although the model stays wrapped for good
    with traced.trace(tokens):
        traced.blocks[1].attn.hook_pattern.output.save()
    assert explicit_runs == [model.blocks[1].attn]


def test_a_wrapped_model_still_runs_with_our_hooks_and_a_failed_trace_leaves_it_clean(tiny, tokens):
    model = tiny()
    logits, cache = model.run_with_cache(tokens)
    traced = nnsight.NNsight(model)
    with pytest.raises(Exception, match=r"(?i)index|select"), traced.trace(tokens):
        traced.blocks[0].attn.hook_pattern.output[:, 99] = 0
    again, after = model.run_with_cache(tokens)
    torch.testing.assert_close(again, logits)
    for name, value in cache.items():
        torch.testing.assert_close(after[name], value)
