"""Hooks of recurrent models: each hook point fires once, is heard, changes nothing by being read, is named rightly."""

from collections import Counter

import pytest
import torch

from interp.base.errors import UserError
from interp.models.hooks.read_point import ReadPoint
from tests.models.zeroing import to_zero, to_zero_in_place  # noqa: TID251


@pytest.fixture
def model(recurrent, kind):
    return recurrent(kind)


def steps(model, *positions):
    """Names of the states of single positions, of every recurrent layer."""
    return [
        f"blocks.{layer}.mixer.{quantity}.{t}"
        for layer, mixer in model.mixers.items()
        for quantity in mixer.per_step
        for t in positions
    ]


def everything(model):
    """All hook points that can be listened to at once, the states of two positions among them."""
    for name in steps(model, 4, 11):
        model.resolve(name)
    return [name for name in model.hook_dict if not name.endswith(("hook_q_input", "hook_k_input", "hook_v_input"))]


def writable(model):
    return [name for name in everything(model) if not isinstance(model.hook_dict[name], ReadPoint)]


def all_states(model, layer):
    """The hook point that holds h at every position."""
    kind = "state" if hasattr(model.mixers[layer], "hook_state") else "h"
    return f"blocks.{layer}.mixer.hook_{kind}"


def idle(model):
    """Hook points of this model at which nothing can happen: what a layer without an MLP would read or write."""
    without = [f"blocks.{layer}.hook_mlp" for layer, block in enumerate(model.blocks) if block.mlp is None]
    return {name for name in model.hook_dict if name.startswith(tuple(without))}


# ---------------------------------------------------------------------- firing


def test_every_hook_fires_exactly_once_with_all_others_and_alone(model, tokens):
    fired, names = Counter(), everything(model)
    model.run_with_hooks(tokens, fwd_hooks=[(name, lambda _, hook: fired.update([hook.name])) for name in names])
    assert fired == Counter(names)
    for name in names:
        fired.clear()
        model.run_with_hooks(tokens, fwd_hooks=[(name, lambda _, hook: fired.update([hook.name]))])
        assert fired == Counter([name])


def test_only_whole_states_wait_to_be_named(model):
    waiting = {name.rsplit(".", 1)[-1] for name in set(model.hook_dict) - set(model.hook_names(None))}
    large = {name for mixer in model.mixers.values() for name in mixer.large}
    attention = {"hook_q_input", "hook_k_input", "hook_v_input", "hook_result", "hook_mlp_in", "hook_mlp_out"}
    attention -= {"hook_mlp_out"} if model.mlp_width else set()
    assert waiting == large | {"hook_mixer_input"} | (attention if model.attention else set())
    model.resolve("blocks.0.mixer.h.3")
    assert "blocks.0.mixer.h.3" not in model.hook_names(None)


def test_reading_changes_neither_the_logits_nor_what_else_is_read(model, tokens):
    expected = model(tokens)
    names = everything(model)
    logits, together = model.run_with_cache(tokens, names_filter=names)
    torch.testing.assert_close(logits, expected, atol=1e-10, rtol=1e-10)
    for name in names:
        logits, alone = model.run_with_cache(tokens, names_filter=name)
        torch.testing.assert_close(logits, expected, atol=1e-10, rtol=1e-10)
        torch.testing.assert_close(alone[name], together[name], msg=lambda text, name=name: f"{name}: {text}")
        assert list(alone) == [name]


@pytest.mark.by_default(7)
def test_zeroing_any_hook_changes_the_logits_and_in_place_is_the_same(model, tokens):
    before = model(tokens)
    for name in writable(model):
        changed = model.run_with_hooks(tokens, fwd_hooks=[(name, to_zero)])
        assert torch.allclose(changed, before) == (name in idle(model)), name
        with torch.no_grad():
            in_place = model.run_with_hooks(tokens, fwd_hooks=[(name, to_zero_in_place)])
        torch.testing.assert_close(in_place, changed, msg=lambda text, name=name: f"{name}: {text}")


def test_pos_slice_cuts_positions_whatever_axes_are_behind(model, tokens):
    names = [name for name in model.hook_dict if not name.endswith(("hook_pattern", "hook_attn_scores"))]
    _, full = model.run_with_cache(tokens, names_filter=names)
    _, cut = model.run_with_cache(tokens, names_filter=names, pos_slice=(2, 5))
    for name, value in full.items():
        assert value.shape[:2] == (3, 12), name
        torch.testing.assert_close(cut[name], value[:, 2:5])


@pytest.mark.by_default(7)
def test_cached_gradients_are_those_of_the_loss(model, tokens):
    names = [name for name in writable(model) if name not in idle(model)]
    _, cache = model.run_with_cache(tokens, return_type="loss", incl_bwd=True, names_filter=names)
    for name in names:
        here = torch.zeros((), dtype=torch.float64, requires_grad=True)
        direction = torch.randn(cache[name].shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        finite = cache[name].isfinite()
        moved = [(name, lambda x, here=here, d=direction, **_: x + here * d)]
        (slope,) = torch.autograd.grad(model.run_with_hooks(tokens, return_type="loss", fwd_hooks=moved), here)
        total = (cache[name + "_grad"] * direction)[finite].sum()
        torch.testing.assert_close(total, slope, msg=lambda text, n=name: f"{n}: {text}")


# ---------------------------------------------------------------------- states of single positions


def test_the_state_of_a_position_is_that_of_the_stacked_point(model, tokens):
    for layer in model.mixers:
        stacked, single = all_states(model, layer), [f"blocks.{layer}.mixer.h.{t}" for t in (4, 11)]
        _, cache = model.run_with_cache(tokens, names_filter=[stacked, *single])
        torch.testing.assert_close(cache[single[0]], cache[stacked][:, 4])
        torch.testing.assert_close(cache[single[1]], cache[stacked][:, 11])


def test_an_edit_of_a_state_changes_nothing_before_it_and_what_comes_after(model, tokens):
    clean = model(tokens)
    for name in steps(model, 5):
        edited = model.run_with_hooks(tokens, fwd_hooks=[(name, lambda h, **_: h + 1)])
        torch.testing.assert_close(edited[:, :5], clean[:, :5])
        assert ((edited - clean)[:, 5:].abs().amax((0, 2)) > 1e-9).all(), name


def test_several_edited_states_act_one_after_the_other_on_either_path(model, tokens):
    """With and without all states made; the last edit of a layer hides the earlier ones from what comes after it."""
    add = lambda h, **_: h + 1  # noqa: E731
    for layer in model.mixers:
        names = [f"blocks.{layer}.mixer.h.{t}" for t in (9, 2, 3)]
        edits = [(name, add) for name in names]
        expected = model.run_with_hooks(tokens, fwd_hooks=edits)
        read = [(all_states(model, layer), lambda *_, **__: None)]
        torch.testing.assert_close(model.run_with_hooks(tokens, fwd_hooks=edits + read), expected)
        one = model.run_with_hooks(tokens, fwd_hooks=edits[:1])
        assert not torch.allclose(one, expected)
        torch.testing.assert_close(model.run_with_hooks(tokens, fwd_hooks=edits[::-1]), expected)


def test_positions_count_from_the_begin_of_the_string_when_a_model_goes_on(model, tokens):
    name = f"blocks.{min(model.mixers)}.mixer.h.7"
    edits = [(name, lambda h, **_: h + 1)]
    expected = model.run_with_hooks(tokens, fwd_hooks=edits)
    past = model.new_past()
    with model.hooks(fwd_hooks=edits):
        parts = [model(part, past=past) for part in tokens.split([5, 4, 3], dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), expected)
    assert not torch.allclose(expected, model(tokens))


def test_the_last_state_that_is_edited_is_carried_to_the_next_call(model, tokens):
    edits = [(f"blocks.{min(model.mixers)}.mixer.h.4", lambda h, **_: h + 1)]
    expected = model.run_with_hooks(tokens, fwd_hooks=edits)
    past = model.new_past()
    first = model.run_with_hooks(tokens[:, :5], past=past, fwd_hooks=edits)
    torch.testing.assert_close(torch.cat([first, model(tokens[:, 5:], past=past)], dim=1), expected)


def test_an_edit_of_all_states_at_once_changes_what_is_read_and_is_not_carried_on(model, tokens):
    layer = max(model.mixers)
    name = all_states(model, layer)
    past, plain = model.new_past(), model.new_past()
    model.run_with_hooks(tokens[:, :6], past=past, fwd_hooks=[(name, to_zero_in_place)])
    model(tokens[:, :6], past=plain)
    torch.testing.assert_close(past[layer].get("h"), plain[layer].get("h"))
    torch.testing.assert_close(model(tokens[:, 6:], past=past), model(tokens[:, 6:], past=plain))


# ---------------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["mixer.h.-1", "mixer.h.05", "mixer.h.x", "mixer.h", "mixer.h.1.2", "mixer.h.5 "])
def test_a_position_that_is_none_is_an_unknown_name(model, tokens, name):
    for listen in (
        lambda name: model.run_with_hooks(tokens, fwd_hooks=[(name, to_zero)]),
        lambda name: model.run_with_cache(tokens, names_filter=[name]),
    ):
        with pytest.raises(UserError, match=r"no hook point is called.*blocks\.0\.mixer\.h\.0"):
            listen(f"blocks.0.{name}")


def test_a_quantity_without_single_positions_is_refused(model, tokens):
    with pytest.raises(UserError, match=r"no quantity with a hook point at each position is called 'hook_x'.*h"):
        model.run_with_cache(tokens, names_filter="blocks.0.mixer.hook_x.3")
    with pytest.raises(UserError, match=r"no hook point is called 'blocks\.7\.mixer\.h\.3'"):
        model.run_with_cache(tokens, names_filter="blocks.7.mixer.h.3")


def test_a_position_beyond_the_string_is_refused(model, tokens):
    for listen in (
        lambda: model.run_with_hooks(tokens, fwd_hooks=[("blocks.0.mixer.h.12", to_zero)]),
        lambda: model.run_with_cache(tokens, names_filter="blocks.0.mixer.h.12"),
    ):
        with pytest.raises(UserError, match=r"got blocks\.0\.mixer\.h\.12, which it never reached"):
            listen()


def test_no_hook_survives_an_error(model, tokens):
    def fail(*_, **__):
        raise KeyboardInterrupt

    for name in ("hook_embed", all_states(model, 0), "blocks.0.mixer.h.3"):
        with pytest.raises(KeyboardInterrupt):
            model.run_with_hooks(tokens, fwd_hooks=[(name, fail)])
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())


def test_names_that_every_tool_uses_for_a_block_serve_as_ours(model, tokens):
    _, cache = model.run_with_cache(tokens)
    for layer in list(model.mixers)[-1:]:
        names = {
            f"blocks.{layer}.mixer.hook_in": f"blocks.{layer}.hook_mixer_in",
            f"blocks.{layer}.mixer.hook_out": f"blocks.{layer}.hook_mixer_out",
            f"blocks.{layer}.hook_attn_out": f"blocks.{layer}.hook_mixer_out",
            "embed.hook_out": "hook_embed",
        }
        if model.config.normalization is not None:
            names["hook_norm"] = "ln_final.hook_normalized"
            names[f"blocks.{layer}.norm.hook_out"] = f"blocks.{layer}.norm.hook_normalized"
        for other, own in names.items():
            _, named = model.run_with_cache(tokens, names_filter=other)
            torch.testing.assert_close(named[other], cache[own])
            torch.testing.assert_close(cache[other], cache[own])
            edited = [model.run_with_hooks(tokens, fwd_hooks=[(name, to_zero)]) for name in (other, own)]
            torch.testing.assert_close(*edited)
        with pytest.raises(UserError, match=r"another tool's name for something else.*use hook_resid_pre"):
            model.run_with_cache(tokens, names_filter=f"blocks.{layer}.norm.hook_in")
    with pytest.raises(UserError, match=r"the logits are what the model returns"):
        model.run_with_hooks(tokens, fwd_hooks=[("hook_logits", to_zero)])


@torch.no_grad()
@pytest.mark.parametrize("kind", ["mamba", "lstm", "gla"])
def test_without_a_norm_an_edit_in_place_of_what_the_mixer_reads_leaves_the_stream_alone(recurrent, kind, tokens):
    model = recurrent(kind, normalization=None, **({"residual": True} if kind == "lstm" else {}))
    name = "blocks.0.hook_mixer_in"
    in_place = model.run_with_hooks(tokens, fwd_hooks=[(name, lambda x, hook: x.mul_(0.5))])  # noqa: ARG005
    torch.testing.assert_close(
        in_place,
        model.run_with_hooks(tokens, fwd_hooks=[(name, lambda x, hook: x * 0.5)]),  # noqa: ARG005
    )
