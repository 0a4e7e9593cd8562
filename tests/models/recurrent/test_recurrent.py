"""What every recurrent model can do beside its hooks: go on from a state, run in part, be saved, follow its device."""

import json

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from interp.base.errors import UserError
from interp.models import build
from interp.models.hooks.model import HookedModel
from interp.models.recurrent.mixer import RecurrentState
from interp.models.scan.methods import using


@pytest.fixture
def model(recurrent, kind):
    return recurrent(kind)


@pytest.fixture
def lively(recurrent, kind):
    """A model that does not fall into one token for ever."""
    model = recurrent(kind, tied=False)
    with torch.no_grad():
        model.W_E.mul_(4)
        model.unembed.W_U.mul_(4)
        model.unembed.b_U.zero_()
    return model


def every_state(model):
    return [
        f"blocks.{layer}.mixer.hook_{'state' if hasattr(mixer, 'hook_state') else 'h'}"
        for layer, mixer in model.mixers.items()
    ]


def single_states(model):
    return [f"blocks.{layer}.mixer.h.{t}" for layer in model.mixers for t in (3, 8)]


# ---------------------------------------------------------------------- going on from a state


def test_reading_in_parts_equals_reading_at_once(model, tokens):
    expected = model(tokens)
    for sizes in ([5, 1, 4, 2], [1] * 12, [12]):
        past = model.new_past()
        parts = [model(part, past=past) for part in tokens.split(sizes, dim=1)]
        torch.testing.assert_close(torch.cat(parts, dim=1), expected)
        assert all(each.length == 12 for each in past if isinstance(each, RecurrentState))


def test_what_is_carried_does_not_grow(model, tokens):
    past, sizes = model.new_past(), []
    for _ in range(3):
        model(tokens, past=past)
        states = [each for each in past if isinstance(each, RecurrentState)]
        sizes.append([{name: part.shape for name, part in each.parts.items()} for each in states])
    assert sizes[0] == sizes[1] == sizes[2] and all(sizes[0])
    shapes = {name: shape for name, shape in model.state_shapes().items()}
    found = {
        f"blocks.{layer}.{name}": tuple(part.shape[1:])
        for layer, each in enumerate(past)
        if isinstance(each, RecurrentState)
        for name, part in each.parts.items()
    }
    assert found == shapes


def test_generating_with_the_state_equals_recomputing(lively, tokens):
    generated, longer = lively.generate(tokens, 20), tokens
    for _ in range(20):
        longer = torch.cat([longer, lively(longer)[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(generated, longer) and len(generated[:, 12:].unique()) > 2


def test_gradients_flow_through_what_is_carried(model, tokens):
    past = model.new_past()
    whole = torch.autograd.grad(model(tokens)[:, 7:].square().sum(), model.W_E)[0]
    model(tokens[:, :7], past=past)
    split = torch.autograd.grad(model(tokens[:, 7:], past=past).square().sum(), model.W_E)[0]
    torch.testing.assert_close(split, whole)


def test_nothing_after_a_position_reaches_it(model, tokens):
    changed = tokens.clone()
    changed[:, 6:] = (changed[:, 6:] + 1) % 11
    torch.testing.assert_close(model(changed)[:, :6], model(tokens)[:, :6], atol=1e-12, rtol=1e-12)


# ---------------------------------------------------------------------- running in part


def test_a_model_can_start_and_stop_at_any_layer(model, tokens):
    logits, cache = model.run_with_cache(tokens)
    for layer in range(len(model.blocks)):
        stream = model(tokens, stop_at_layer=layer)
        torch.testing.assert_close(stream, cache["resid_pre", layer])
        if model.entry(layer) == layer:
            torch.testing.assert_close(model(stream, start_at_layer=layer), logits)
            continue
        with pytest.raises(UserError, match=rf"reads what the one before it reads; got {layer}\. Start at {layer - 1}"):
            model(stream, start_at_layer=layer)


@pytest.mark.parametrize("first", [1, 7, -1])
def test_the_last_queries_alone_are_the_cut_of_all_in_value_and_gradient(model, tokens, first):
    for names in ([], every_state(model), single_states(model)):
        read = [(name, lambda *_, **__: None) for name in names]
        outs = [
            model.run_with_hooks(tokens, fwd_hooks=read)[:, first:],
            model.run_with_hooks(tokens, queries_from=first, fwd_hooks=read),
        ]
        torch.testing.assert_close(*outs)
        grads = [torch.autograd.grad(out.square().sum(), list(model.parameters()), allow_unused=True) for out in outs]
        for whole, cut in zip(*grads, strict=True):
            torch.testing.assert_close(cut, whole)


def test_losses_are_of_the_next_token(model, tokens):
    logits, loss = model(tokens, "both")
    expected = -logits.log_softmax(-1)[:, :-1].gather(2, tokens[:, 1:, None])[..., 0]
    torch.testing.assert_close(loss, expected.mean())
    torch.testing.assert_close(model(tokens, "loss", loss_per_token=True), expected)


def test_packed_strings_cannot_be_kept_apart(model, tokens):
    assert not model.isolates
    with pytest.raises(
        UserError, match=r"crosses from one packed string to the next; got one\. Give one string per row"
    ):
        model(tokens, segment=torch.zeros_like(tokens))


# ---------------------------------------------------------------------- files, seeds, devices, precision


@pytest.mark.parametrize("tied", [True, False])
def test_a_saved_model_is_the_same_model(recurrent, kind, tokens, tied, tmp_path):
    model = recurrent(kind, tied=tied)
    model.save_pretrained(tmp_path)
    again = HookedModel.from_pretrained(tmp_path)
    assert type(again) is type(model) and again.config == model.config and again.dtype == torch.float64
    assert torch.equal(again(tokens), model(tokens))
    described = json.loads(json.dumps(model.config_dict()))
    assert build(described).config == model.config


def test_the_same_seed_gives_the_same_weights_and_another_others(kind, recurrent):
    config = recurrent(kind).config_dict()
    torch.manual_seed(1)
    first = build(config, seed=3).state_dict()
    torch.manual_seed(2)
    second, other = build(config, seed=3).state_dict(), build(config, seed=4).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_model_runs_on_meta_tensors_on_every_path(model):
    model = model.to("meta")
    tokens = torch.zeros(3, 12, dtype=torch.long, device="meta")
    for read in ([], every_state(model), single_states(model), every_state(model) + single_states(model)):
        hooks = [(name, lambda x, **_: x / 2) for name in read]
        for options in ({}, {"queries_from": 5}):
            model.run_with_hooks(tokens, "loss", fwd_hooks=hooks, **options).backward()
    names = list(model.hook_dict)
    loss, cache = model.run_with_cache(tokens, "loss", names_filter=names, incl_bwd=True)
    assert loss.is_meta and all(value.is_meta for value in cache.values()) and len(cache) == 2 * len(names)
    assert model.generate(tokens, 5).shape == (3, 17)
    scans = model.scans()
    assert "numba" not in scans.values() and {*scans} == {
        each for mixer in model.mixers.values() for each in mixer.scans
    }


def test_a_model_can_be_made_on_meta(recurrent, kind):
    with torch.device("meta"):
        model = build(recurrent(kind).config_dict())
    assert model.device.type == "meta" and model.cfg.device == "meta"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_everything_is_of_the_models_dtype_but_what_a_state_needs(recurrent, kind, tokens, dtype):
    model = recurrent(kind).to(dtype)
    names = [*model.hook_dict, *single_states(model)]
    logits, cache = model.run_with_cache(tokens, names_filter=names)
    assert logits.dtype == dtype == model.cfg.dtype and logits.isfinite().all()
    wider = {name for name, value in cache.items() if value.dtype != dtype}
    assert all(cache[name].dtype == torch.float32 for name in wider)
    assert all(".mixer.h" in name for name in wider)


@pytest.mark.parametrize("read", ["nothing", "states"])
def test_a_step_in_mixed_precision_is_close_to_one_in_full(recurrent, kind, tokens, read):
    model = recurrent(kind).float()
    hooks = [(name, lambda *_, **__: None) for name in (every_state(model) if read == "states" else [])]

    def gradient():
        model.zero_grad()
        loss = model.run_with_hooks(tokens, "loss", fwd_hooks=hooks)
        loss.backward()
        return loss, torch.cat([p.grad.flatten() for p in model.parameters()])

    loss, full = gradient()
    with torch.autocast("cpu", torch.bfloat16):
        mixed_loss, mixed = gradient()
    assert abs(mixed_loss - loss) < 0.02 * loss
    assert torch.cosine_similarity(mixed, full, dim=0) > 0.99


@pytest.mark.gpu
def test_a_gpu_gives_what_the_processor_gives(model, tokens):
    expected, generated = model(tokens), model.generate(tokens, 8)
    _, cache = model.run_with_cache(tokens, names_filter=list(model.hook_dict))
    model, tokens = model.cuda(), tokens.cuda()
    with using("torch", "chunked", "shifted"):  # others' kernels, if there are any, multiply in TF32
        torch.testing.assert_close(model(tokens).cpu(), expected, atol=1e-4, rtol=1e-4)
        for name, value in model.run_with_cache(tokens, names_filter=list(cache), device="cpu")[1].items():
            torch.testing.assert_close(value, cache[name], atol=1e-4, rtol=1e-4)
        assert torch.equal(model.generate(tokens, 8).cpu(), generated)


def test_the_count_of_parameters_is_that_of_what_is_saved(model):
    tables = {name for name, _ in model.named_buffers()}  # what balances experts is saved, too, and not learned
    saved = {name: value.numel() for name, value in model.state_dict().items()}
    assert model.n_parameters == sum(size for name, size in saved.items() if name not in tables)


# ---------------------------------------------------------------------- streaming


def test_a_stream_of_states_is_the_whole_in_stretches(model, tokens):
    names = [*every_state(model), "blocks.0.hook_resid_post"]
    _, whole = model.run_with_cache(tokens, names_filter=names)
    for size in (1, 5, 12, 40):
        stretches = list(model.stream(tokens, names, positions=size))
        assert [here.start for here, _ in stretches] == list(range(0, 12, size)) and stretches[-1][0].stop == 12
        for name in names:
            value = torch.cat([cache[name] for _, cache in stretches], dim=1)
            torch.testing.assert_close(value, whole[name])


def test_a_stream_can_begin_after_a_prompt_and_leaves_the_state_at_its_end(model, tokens):
    past, name = model.new_past(), every_state(model)[0]
    model(tokens[:, :5], past=past)
    _, whole = model.run_with_cache(tokens, names_filter=name)
    parts = [cache[name] for _, cache in model.stream(tokens[:, 5:], name, positions=3, past=past)]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole[name][:, 5:])
    torch.testing.assert_close(model(tokens[:, :1], past=past), model(torch.cat([tokens, tokens[:, :1]], 1))[:, -1:])


def test_a_stretch_of_nothing_and_an_unknown_name_are_refused(model, tokens):
    with pytest.raises(UserError, match="positions must be an integer of at least 1, the length of a stretch; got 0"):
        next(model.stream(tokens, "hook_embed", positions=0))
    with pytest.raises(UserError, match="no hook point is called 'hook_embedd'"):
        next(model.stream(tokens, "hook_embedd"))


class Largest(TorchDispatchMode):
    """Notes the most numbers that any tensor had which an operation returned."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for value in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(value, torch.Tensor):
                self.numbers = max(self.numbers, value.numel())
        return out


def test_states_of_two_thousand_positions_are_streamed_within_the_memory_of_a_stretch(recurrent):
    """The budget that `stream` states."""
    model = recurrent("mamba", d_state=16)
    tokens = torch.randint(0, 11, (1, 2000), generator=torch.Generator().manual_seed(0))
    name, state = "blocks.1.mixer.hook_state", 32 * 16
    ends = []
    with Largest() as largest:
        for _, cache in model.stream(tokens, name, positions=50):
            assert cache[name].shape == (1, 50, 32, 16)
            ends.append(cache[name][:, -1])
    assert largest.numbers == 50 * state  # of one stretch; all states would be 2,000 of them
    past = model.new_past()
    model(tokens, past=past)
    torch.testing.assert_close(ends[-1], past[1].get("h"))


@pytest.mark.parametrize("kind", ["mamba", "mamba2"])
def test_a_state_in_the_cache_is_not_changed_by_a_hook_that_edits_it_in_place(kind, recurrent, tokens):
    model = recurrent(kind)
    names = [f"blocks.0.mixer.hook_{name}" for name in ("A_bar", "write", "state")]
    _, clean = model.run_with_cache(tokens, names_filter=names[:1])
    for name in names:
        cache, forward, _ = model.get_caching_hooks([name])
        seen = []
        halved = (name, lambda x, seen=seen, **_: seen.append(x.clone()) or x.mul_(0.5))
        with torch.no_grad():
            model.run_with_hooks(tokens, fwd_hooks=[*forward, halved])
        torch.testing.assert_close(cache[name], seen[0], atol=0, rtol=0)
    torch.testing.assert_close(model.run_with_cache(tokens, names_filter=names[:1])[1][names[0]], clean[names[0]])


def test_a_stretch_of_positions_in_the_cache_does_not_keep_all_of_them(recurrent, tokens):
    name = "blocks.0.mixer.hook_state"
    _, cache = recurrent("mamba").run_with_cache(tokens, names_filter=name, pos_slice=-1)
    assert cache[name].untyped_storage().nbytes() == cache[name].numel() * cache[name].element_size()
