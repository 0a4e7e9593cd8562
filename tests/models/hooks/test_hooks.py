"""Every hook point fires, is heard, and leaves nothing behind; a cache is a copy."""

import subprocess
import sys
from collections import Counter

import pytest
import torch
from transformer_lens import ActivationCache

from interp.base.errors import UserError
from tests.models.zeroing import to_zero, to_zero_in_place  # noqa: TID251

SHAPES = {
    "attention only, Hard-ALiBi": {"normalization": "LN"},
    "rotary": {"position": "rope", "windows": None, "d_mlp": 8, "rotary_dim": 2},
    "learned, parallel": {"position": "learned", "windows": None, "d_mlp": 8, "parallel": True, "normalization": "LN"},
    "no norm": {"position": "alibi", "d_mlp": 8, "normalization": None},
    "grouped": {
        **{"position": "rope", "windows": None, "rotary_dim": 2, "rotary_base": 50.0, "n_key_value_heads": 2},
        **{"qk_norm": "head", "attention_gate": True, "d_mlp": 8, "activation": "silu", "gated_mlp": True},
        **{"normalization": "RMS", "norm_eps": 0.1},
    },
    "norms after": {
        **{"position": "nope", "qk_norm": "layer", "score_cap": 1.5, "norm_after": True, "normalization": "RMS"},
        **{"d_mlp": 8, "activation": "relu2", "windows": None},
    },
}


@pytest.fixture(params=SHAPES)
def model(tiny, request):
    return tiny(**SHAPES[request.param])


def attached(model) -> int:
    """Hooks of TransformerLens's making, and of torch's, anywhere in the model."""
    points = sum(len(p.fwd_hooks) + len(p.bwd_hooks) for p in model.hook_dict.values())
    return points + sum(
        len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in model.modules()
    )


# ---------------------------------------------------------------------- firing


def test_every_hook_fires_exactly_once(model, tokens):
    fired = Counter()
    always = model.hook_names(None)
    model.run_with_hooks(tokens, fwd_hooks=[(name, lambda _, hook: fired.update([hook.name])) for name in always])
    assert fired == Counter(always)
    for name in set(model.hook_dict) - set(always):
        fired.clear()
        model.run_with_hooks(tokens, fwd_hooks=[(name, lambda _, hook: fired.update([hook.name]))])
        assert fired == Counter([name])


def test_only_what_costs_memory_or_says_nothing_waits_to_be_named(tiny):
    def waiting(**shape):
        model = tiny(**shape)
        return {name.rsplit(".", 1)[-1] for name in set(model.hook_dict) - set(model.hook_names(None))}

    split = {"hook_q_input", "hook_k_input", "hook_v_input", "hook_result", "hook_mlp_in"}
    assert waiting(d_mlp=8) == split
    assert waiting() == split | {"hook_mlp_out"}


def test_every_hook_that_is_listened_to_leaves_the_logits_as_they_are(model, tokens):
    expected = model(tokens)
    torch.testing.assert_close(
        model.run_with_hooks(tokens, fwd_hooks=[(lambda _: True, lambda *_, **__: None)]), expected
    )


def test_zeroing_any_hook_changes_the_logits(model, tokens):
    before = model(tokens)
    for name in model.hook_dict:
        changed = not torch.allclose(model.run_with_hooks(tokens, fwd_hooks=[(name, to_zero)]), before)
        without_mlp = model.config.d_mlp == 0 and name.endswith(("hook_mlp_in", "hook_mlp_out"))
        assert changed != without_mlp, name  # what such a block's MLP would read or write is nothing


def test_what_is_added_where_an_absent_mlp_would_write_enters_the_stream(tiny, tokens):
    model = tiny()
    steer = torch.randn(16, dtype=torch.float64)
    at_mlp = model.run_with_hooks(tokens, fwd_hooks=[("blocks.0.hook_mlp_out", lambda x, **_: x + steer)])
    at_stream = model.run_with_hooks(tokens, fwd_hooks=[("blocks.0.hook_resid_post", lambda x, **_: x + steer)])
    torch.testing.assert_close(at_mlp, at_stream)


@pytest.mark.parametrize("grad", [False, True])
def test_an_edit_in_place_reaches_exactly_what_a_returned_one_does(model, tokens, grad):
    for name in model.hook_dict:
        with torch.set_grad_enabled(grad):
            returned = model.run_with_hooks(tokens, fwd_hooks=[(name, to_zero)])
            in_place = model.run_with_hooks(tokens, fwd_hooks=[(name, to_zero_in_place)])
        torch.testing.assert_close(in_place, returned, msg=lambda text, name=name: f"{name}: {text}", equal_nan=True)


def test_the_stream_is_the_sum_of_what_is_written(model, tokens):
    _, cache = model.run_with_cache(tokens)
    for layer in range(2):
        pre, attn, mid, post = (
            cache[f"blocks.{layer}.hook_{x}"] for x in ("resid_pre", "attn_out", "resid_mid", "resid_post")
        )
        torch.testing.assert_close(pre + attn, mid)
        torch.testing.assert_close(post, mid + cache[f"blocks.{layer}.hook_mlp_out"] if model.config.d_mlp else mid)
    scores, pattern = cache["blocks.1.attn.hook_attn_scores"], cache["blocks.1.attn.hook_pattern"]
    torch.testing.assert_close(scores.softmax(-1), pattern)
    assert scores[..., 0, 1:].isneginf().all()
    z = torch.einsum("bhqk,bkhd->bqhd", pattern, cache["blocks.1.attn.hook_v"])
    if model.config.attention_gate:
        torch.testing.assert_close(z, cache["blocks.1.attn.hook_attended"])
        z = z * cache["blocks.1.attn.hook_gate"].sigmoid()
    torch.testing.assert_close(z, cache["blocks.1.attn.hook_z"])


def test_head_results_add_up_to_what_attention_writes(model, tokens):
    summed = ("hook_result", "hook_attn_out", "hook_attn_heads")
    _, cache = model.run_with_cache(tokens, names_filter=lambda name: name.endswith(summed))
    for layer, block in enumerate(model.blocks):
        total = cache[f"blocks.{layer}.attn.hook_result"].sum(2) + block.attn.b_O
        torch.testing.assert_close(total, cache[f"blocks.{layer}.{block.heads_hook}"])


# ---------------------------------------------------------------------- nothing is left behind


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("run", ["run_with_hooks", "run_with_cache", "hooks"])
def test_no_hook_survives(tiny, tokens, error, run):
    model = tiny(d_mlp=8)

    def fail(*_, **__):
        raise error

    names = ["blocks.1.attn.hook_pattern", "ln_final.hook_scale"]
    with pytest.raises(error):
        if run == "run_with_hooks":
            model.run_with_hooks(tokens, fwd_hooks=[(lambda _: True, fail)], bwd_hooks=[(names[0], fail)])
        elif run == "run_with_cache":
            model.blocks[1].attn.hook_z.register_forward_hook(fail)
            model.run_with_cache(tokens, names_filter=names, incl_bwd=True)
        else:
            with model.hooks(fwd_hooks=[(name, to_zero) for name in names]):
                fail()
    assert attached(model) == (run == "run_with_cache")  # the one of our own


def test_an_inner_context_leaves_the_outer_hooks(tiny, tokens):
    model = tiny()
    plain, outer_only = model(tokens), []
    with model.hooks(fwd_hooks=[("hook_embed", to_zero)]):
        expected = model(tokens)
        model.run_with_hooks(tokens, fwd_hooks=[("blocks.0.attn.hook_z", to_zero)])
        outer_only.append(model(tokens))
    torch.testing.assert_close(outer_only[0], expected)
    torch.testing.assert_close(model(tokens), plain)


# ---------------------------------------------------------------------- unknown names


@pytest.mark.parametrize(
    "listen",
    [
        lambda m, t, name: m.run_with_hooks(t, fwd_hooks=[("hook_embed", to_zero), (name, to_zero)]),
        lambda m, t, name: m.run_with_hooks(t, bwd_hooks=[(name, to_zero)], reset_hooks_end=False),
        lambda m, t, name: m.run_with_cache(t, names_filter=name),
        lambda m, t, name: m.run_with_cache(t, names_filter=["hook_embed", name]),
        lambda m, _, name: m.add_hook(name, to_zero),
        lambda m, _, name: m.add_perma_hook(name, to_zero),
        lambda m, _, name: m.add_caching_hooks(name),
    ],
)
def test_a_name_that_does_not_exist_is_refused_with_the_nearest(tiny, tokens, listen):
    model = tiny()
    with pytest.raises(
        UserError, match=r"no hook point is called 'blocks.1.attn.hook_patern'.*blocks.1.attn.hook_pattern"
    ):
        listen(model, tokens, "blocks.1.attn.hook_patern")
    assert attached(model) == 0


def test_a_module_that_is_no_hook_point_and_a_filter_without_matches_are_refused(tiny, tokens):
    model = tiny()
    with pytest.raises(UserError, match=r"no hook point is called 'blocks\.0\.attn'"):
        model.add_hook("blocks.0.attn", to_zero)
    for listen in (
        lambda: model.run_with_cache(tokens, names_filter=lambda name: "mlp.hook_post" in name),
        lambda: model.run_with_hooks(tokens, fwd_hooks=[(lambda _: False, to_zero)]),
        lambda: model.add_hook(lambda _: False, to_zero),
    ):
        with pytest.raises(UserError, match="matches none of the model's"):
            listen()


def test_a_hook_that_the_run_does_not_come_to_is_refused(tiny, tokens):
    model = tiny()
    for listen in (
        lambda **stop: model.run_with_hooks(tokens, fwd_hooks=[("blocks.1.attn.hook_z", to_zero)], **stop),
        lambda **stop: model.run_with_cache(tokens, names_filter=["hook_embed", "blocks.1.attn.hook_z"], **stop),
    ):
        with pytest.raises(
            UserError, match=r"got blocks\.1\.attn\.hook_z, which it never reached. Choose start_at_layer"
        ):
            listen(stop_at_layer=1)
        listen(stop_at_layer=2)
    assert "blocks.1.attn.hook_z" not in model.run_with_cache(tokens, stop_at_layer=1)[1]  # all that there is


# ---------------------------------------------------------------------- the cache


def test_a_cache_is_a_copy_of_what_was(model, tokens):
    _, expected = model.run_with_cache(tokens)
    for name in expected:
        cache, save, _ = model.get_caching_hooks(name)
        with torch.no_grad():
            model.run_with_hooks(tokens, fwd_hooks=[*save, (name, to_zero_in_place)])
        torch.testing.assert_close(cache[name], expected[name], msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("cut", [3, -1, (2, 5), [1, 4]], ids=str)
def test_pos_slice_cuts_positions_of_every_hook(model, tokens, cut):
    _, full = model.run_with_cache(tokens, names_filter=list(model.hook_dict))
    _, sliced = model.run_with_cache(tokens, names_filter=list(model.hook_dict), pos_slice=cut)
    index = {int: [cut], tuple: slice(2, 5)}.get(type(cut), cut)  # one position keeps its axis
    for name, value in full.items():
        of_query = name.endswith(("hook_pattern", "hook_attn_scores"))
        torch.testing.assert_close(sliced[name], value[:, :, index] if of_query else value[:, index])


def test_a_cache_can_be_chosen_moved_squeezed_or_a_plain_dict(tiny, tokens):
    model = tiny()
    out, cache = model.run_with_cache(
        tokens[:1], names_filter=lambda name: "attn.hook_z" in name, remove_batch_dim=True
    )
    assert isinstance(cache, ActivationCache) and not cache.has_batch_dim
    assert {name: value.shape for name, value in cache.items()} == {
        f"blocks.{layer}.attn.hook_z": (12, 4, 4) for layer in range(2)
    }
    torch.testing.assert_close(out, model(tokens[:1]))
    _, cache = model.run_with_cache(tokens, device="meta", return_cache_object=False)
    assert type(cache) is dict and all(value.is_meta for value in cache.values())
    assert model.device.type == "cpu"


def test_the_batch_axis_of_several_strings_cannot_be_removed(tiny, tokens):
    model = tiny()
    with pytest.raises(AssertionError, match="batch size 3"):
        model.run_with_cache(tokens, remove_batch_dim=True)
    _, save, _ = model.get_caching_hooks(remove_batch_dim=True)
    with pytest.raises(UserError, match=r"remove_batch_dim must be False .*; got 3 strings at hook_embed"):
        model.run_with_hooks(tokens, fwd_hooks=save)
    assert attached(model) == 0


def test_cached_gradients_are_those_of_the_loss(model, tokens):
    loss, cache = model.run_with_cache(tokens, return_type="loss", incl_bwd=True)
    for name in (name for name in cache if not name.endswith("_grad")):
        here = torch.zeros((), dtype=torch.float64, requires_grad=True)  # a step along a fixed direction
        direction = torch.randn(cache[name].shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        finite = cache[name].isfinite()
        moved = [(name, lambda x, here=here, d=direction, **_: x + here * d)]
        (slope,) = torch.autograd.grad(model.run_with_hooks(tokens, return_type="loss", fwd_hooks=moved), here)
        torch.testing.assert_close(
            (cache[name + "_grad"] * direction)[finite].sum(), slope, msg=lambda text, n=name: f"{n}: {text}"
        )
    assert attached(model) == 0 and loss.ndim == 0


def test_hooks_given_to_a_cached_run_are_seen_by_it(tiny, tokens):
    model = tiny()
    with model.hooks(fwd_hooks=[("blocks.0.attn.hook_z", to_zero)]):
        _, cache = model.run_with_cache(tokens)
    assert not cache["blocks.0.attn.hook_z"].any()


def test_permanent_hooks_stay_and_caching_hooks_fill_until_reset(tiny, tokens):
    model = tiny()
    model.add_perma_hook("hook_embed", to_zero)
    cache = model.add_caching_hooks(["hook_embed"])
    for _ in range(2):
        model(tokens)
    assert not cache["hook_embed"].any() and attached(model) == 4  # each is known to TransformerLens and to torch
    model.reset_hooks()
    assert attached(model) == 2
    model.reset_hooks(including_permanent=True)
    assert attached(model) == 0


def test_a_stretch_of_layers_can_be_run_alone(model, tokens):
    whole = model(tokens)
    for stop in range(3):
        resid = model(tokens, stop_at_layer=stop)
        torch.testing.assert_close(model(resid, start_at_layer=stop), whole)
    torch.testing.assert_close(
        model(model(tokens, stop_at_layer=1), start_at_layer=1, stop_at_layer=2), model(tokens, stop_at_layer=2)
    )


COMPILED = """
import torch
from interp.models.transformer import HookedTransformer, TransformerConfig

tokens = torch.randint(0, 30, (2, 9))
for in_place in (True, False):
    model = HookedTransformer(TransformerConfig(n_heads=4, d_model=16, windows=(1, 2, None, None)))
    plain, hooks = model(tokens), [("blocks.1.attn.hook_pattern", lambda x, **_: 0 * x)]
    hooked = model.run_with_hooks(tokens, fwd_hooks=hooks)
    assert not torch.allclose(hooked, plain)
    compiled = model if in_place else torch.compile(model, backend="eager")
    if in_place:
        model.compile(backend="eager")
    for _ in range(2):
        torch.testing.assert_close(compiled(tokens), plain)
        with compiled.hooks(fwd_hooks=hooks):
            torch.testing.assert_close(compiled(tokens), hooked)
        assert len(compiled.run_with_cache(tokens)[1]) == len(model.hook_names(None))
"""


@pytest.mark.slow
def test_hooks_fire_on_a_compiled_model():
    """In a process of its own: what checks array types in the tests cannot be compiled."""
    subprocess.run([sys.executable, "-c", COMPILED], check=True)


def test_losses_are_the_cross_entropy_of_the_next_token(tiny, tokens):
    model = tiny()
    logits = model(tokens)
    expected = -logits[:, :-1].log_softmax(-1).gather(2, tokens[:, 1:, None])[..., 0]
    torch.testing.assert_close(model(tokens, "loss", loss_per_token=True), expected)
    torch.testing.assert_close(model(tokens, "both"), (logits, expected.mean()))
    assert model(tokens, None) is None
    with pytest.raises(UserError, match="no return type is called 'logit'"):
        model(tokens, "logit")
    with pytest.raises(UserError, match="a loss needs the token ids"):
        model(model(tokens, stop_at_layer=1), "loss", start_at_layer=1)
