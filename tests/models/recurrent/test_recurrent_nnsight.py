"""nnsight reads and edits what our own hooks do inside a recurrence, and switches the path as they do."""

import pytest
import torch

from interp.models.hooks.read_point import ReadPoint

nnsight = pytest.importorskip("nnsight")


@pytest.fixture
def model(recurrent, kind):
    model = recurrent(kind)
    for layer in model.mixers:  # points of single positions are made before wrapping
        for t in (2, 7):
            model.resolve(f"blocks.{layer}.mixer.h.{t}")
    return model


def point(root, name):
    for part in name.split("."):
        root = root[int(part)] if part.isdecimal() and not name.endswith(f".h.{part}") else getattr(root, part)
    return root


def names(model):
    """The points of the last recurrent layer, the others having no path to choose."""
    last = f"blocks.{max(model.mixers)}."
    return [name for name in model.hook_dict if name.startswith(last)]


def test_a_trace_reads_what_a_cache_holds(model, tokens):
    logits, cache = model.run_with_cache(tokens, names_filter=names(model))
    traced = nnsight.NNsight(model)
    for name in names(model):
        with traced.trace(tokens):
            value = point(traced, name).output.save()
            out = traced.output.save()
        torch.testing.assert_close(value, cache[name], msg=lambda text, name=name: f"{name}: {text}")
        torch.testing.assert_close(out, logits)


def test_a_trace_edits_as_our_own_hooks_do(model, tokens):
    traced = nnsight.NNsight(model)
    for name in names(model):
        if isinstance(model.hook_dict[name], ReadPoint):
            continue
        expected = model.run_with_hooks(tokens, fwd_hooks=[(name, lambda x, **_: 0.5 * x)])
        with traced.trace(tokens):
            point(traced, name).output *= 0.5
            out = traced.output.save()
        torch.testing.assert_close(out, expected, msg=lambda text, name=name: f"{name}: {text}")


def read(traced, tokens, chosen):
    """What one trace finds at some points, in the order in which they come."""
    with traced.trace(tokens):
        values = nnsight.save([])
        for name in chosen:
            values.append(point(traced, name).output)
    return values


def test_one_trace_reads_a_layer_from_its_input_to_its_output(recurrent, tokens):
    model = recurrent("mamba")
    order = ["hook_gate", "hook_u", "hook_delta", "hook_A_bar", "hook_write", "h.2", "h.7", "hook_state", "hook_y"]
    every = [f"blocks.1.mixer.{name}" for name in order]
    _, cache = model.run_with_cache(tokens, names_filter=every)
    traced = nnsight.NNsight(model)
    for chosen in (every, every[5:], every[6:8], [every[1], every[6], every[8]]):
        values = read(traced, tokens, chosen)
        for name, value in zip(chosen, values, strict=True):
            torch.testing.assert_close(value, cache[name], msg=lambda text, name=name: f"{name}: {text}")


def test_edits_of_several_states_in_one_trace_act_one_after_the_other(recurrent, tokens):
    model = recurrent("mamba")
    edits = [(f"blocks.0.mixer.h.{t}", lambda h, **_: h + 1) for t in (2, 7)]
    expected = model.run_with_hooks(tokens, fwd_hooks=edits)
    traced = nnsight.NNsight(model)
    with traced.trace(tokens):
        point(traced, edits[0][0]).output += 1
        point(traced, edits[1][0]).output += 1
        out = traced.output.save()
    torch.testing.assert_close(out, expected)


def test_a_wrapped_model_runs_fused_until_a_trace_waits_inside_the_recurrence(recurrent, tokens, monkeypatch):
    model = recurrent("mamba")
    model.resolve("blocks.1.mixer.h.2")
    fused = []
    for layer, mixer in model.mixers.items():
        run = mixer.fused
        monkeypatch.setattr(mixer, "fused", lambda *x, layer=layer, run=run: (fused.append(layer), run(*x))[1])
    traced = nnsight.NNsight(model)
    model(tokens)
    assert fused == [0, 1]
    for name, expected in (("hook_y", [0, 1]), ("hook_write", [0]), ("hook_state", [0])):
        fused.clear()
        with traced.trace(tokens):
            point(traced, f"blocks.1.mixer.{name}").output.save()
        assert fused == expected, name
