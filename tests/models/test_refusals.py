"""What a model is given and cannot read is refused in a sentence, by every kind of model: ids, pasts, hooks, sizes."""

import copy
import pickle
import threading

import jaxtyping
import pytest
import torch

from interp.base.errors import UserError
from interp.models import build
from interp.models.checkpoint import load_weights
from interp.models.hooks.model import HookedModel
from interp.models.recurrent.lstm.model import HookedLSTM
from interp.models.recurrent.mamba.model import HookedMamba
from interp.models.scan.lstm import lstm_scan, lstm_steps

HYBRID = {"kind": "hybrid", "layers": ["mamba", "attention"], "attention": {"n_heads": 2, "d_mlp": 8}}
KINDS = [
    {"kind": "transformer", "n_heads": 2},
    {"kind": "mamba"},
    {"kind": "mamba2", "d_head": 8},
    {"kind": "lstm"},
    HYBRID,
]


@pytest.fixture
def unchecked():
    """As a user calls it: without the tests' own check of annotations, which comes first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(params=KINDS, ids=lambda config: config["kind"])
def model(request):
    return build({"d_model": 16, **request.param})


# ---------------------------------------------------------------------- token ids


@pytest.mark.parametrize(
    ("tokens", "told"),
    [
        (torch.tensor([[1, -1, 2]]), "from 0 to 29 for this model; got -1"),
        (torch.tensor([[1, 30, 2]]), "from 0 to 29 for this model; got 30"),
        (torch.tensor([[1.0, 2.0]]), "integers; got float32"),
        (torch.tensor([[True, False]]), "integers; got bool"),
        (torch.zeros(0, 4, dtype=torch.long), r"at least one string of at least one position; got \[0 4\]"),
        (torch.zeros(3, 0, dtype=torch.long), r"got \[3 0\]"),
        (torch.zeros(1, 2, 3, dtype=torch.long), r"got \[1 2 3\]"),
        ("kqv", "must be a tensor of token ids; got str 'kqv'"),
        ([[1, 2]], "got list"),
        (None, "got NoneType"),
    ],
)
def test_what_is_not_token_ids_of_the_vocabulary_is_refused(model, tokens, told):
    for ask in (model, model.run_with_cache, model.to_tokens):
        with pytest.raises(UserError, match=told):
            ask(tokens)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.uint8])
def test_whole_numbers_of_any_kind_and_one_string_alone_are_read(model, dtype):
    tokens = torch.tensor([[3, 1, 4, 1, 5]])
    expected = model(tokens)
    assert torch.equal(model(tokens.to(dtype)), expected) and torch.equal(model(tokens[0]), expected)
    torch.testing.assert_close(model.run_with_cache(tokens[0], remove_batch_dim=True)[0], expected)
    assert torch.equal(model(tokens.to(dtype), "loss"), model(tokens, "loss"))


# ---------------------------------------------------------------------- what is carried


@pytest.mark.parametrize(("before", "after"), [(2, 4), (4, 2), (1, 3)])
def test_a_past_of_other_strings_is_refused(model, before, after):
    tokens, past = torch.zeros(4, 9, dtype=torch.long), model.new_past()
    model(tokens[:before, :5], past=past)
    with pytest.raises(UserError, match="Start each batch with its own new_past"):
        model(tokens[:after, 5:], past=past)


def test_a_past_of_another_model_is_refused(model):
    tokens, other = torch.zeros(2, 5, dtype=torch.long), build({**model.config_dict(), "d_model": 32})
    past = other.new_past()
    other(tokens, past=past)
    with pytest.raises(UserError, match="past of layer 0 must hold"):
        model(tokens, past=past)
    with pytest.raises(UserError, match="must be a list of 2 entries, one per layer; got 1 entries"):
        model(tokens, past=model.new_past()[:1])
    wrong = build({"kind": "lstm" if model.kind == "transformer" else "transformer", "n_layers": 2}).new_past()
    with pytest.raises(UserError, match="past of layer 0 must be a"):
        model(tokens, past=wrong)


def test_layers_that_have_read_differently_many_positions_are_refused(model):
    tokens, past = torch.zeros(2, 5, dtype=torch.long), model.new_past()
    model(tokens, past=past, stop_at_layer=1)
    with pytest.raises(UserError, match="past must be of one length in all layers that run"):
        model(tokens, past=past)


@pytest.mark.usefixtures("unchecked")
def test_the_scan_of_an_lstm_holds_all_shapes_to_each_other():
    x, W_x, W_h, b = (torch.zeros(shape) for shape in ((4, 5, 3), (3, 8), (2, 8), (8,)))
    of_two = (torch.zeros(2, 2), torch.zeros(2, 2))
    for given in (of_two, (torch.zeros(4, 2), torch.zeros(2, 2)), (torch.zeros(4, 3), torch.zeros(4, 3))):
        with pytest.raises(UserError, match=r". of lstm_scan must have shape \[batch=4 channel=2\]"):
            lstm_scan(x, W_x, W_h, b, given)
        with pytest.raises(UserError, match=r". of lstm_steps must have shape"):
            lstm_steps(x @ W_x, W_h, given)


# ---------------------------------------------------------------------- hooks


def test_a_hook_that_changes_the_shape_is_named_with_both_shapes(model):
    tokens = torch.zeros(3, 7, dtype=torch.long)
    told = r"a hook at blocks\.0\.hook_resid_pre must return .* got, \[3 7 16\], or None .*; got "
    for hook, got in (
        (lambda x, hook: x[:, 0], r"\[3 16\]"),  # noqa: ARG005
        (lambda x, hook: x[:1], r"\[1 7 16\]"),  # noqa: ARG005
        (lambda x, hook: 3, "a int"),  # noqa: ARG005
    ):
        with pytest.raises(UserError, match=told + got):
            model.run_with_hooks(tokens, fwd_hooks=[("blocks.0.hook_resid_pre", hook)])
    assert not any(point._forward_hooks for point in model.hook_dict.values())


def test_a_hook_that_changes_the_dtype_or_takes_other_arguments_is_refused(model):
    tokens, at = torch.tensor([[1, 2, 3]]), "blocks.0.hook_resid_post"
    with pytest.raises(UserError, match=rf"a hook at {at} must return .* dtype that it got, float32; got float64"):
        model.run_with_hooks(tokens, fwd_hooks=[(at, lambda x, hook: x.double())])  # noqa: ARG005
    for attach in (model.hooks, lambda fwd_hooks: model.run_with_hooks(tokens, fwd_hooks=fwd_hooks)):
        with pytest.raises(UserError, match=r"must take \(tensor, hook\); got one that does not"):
            attach(fwd_hooks=[(at, lambda x: x)]).__enter__()
    assert not any(point.fwd_hooks for point in model.hook_dict.values())


def test_what_is_not_in_a_cache_is_refused_with_the_nearest_that_is(model):
    cache = model.run_with_cache(torch.tensor([[1, 2, 3]]))[1]
    n = model.cfg.n_layers
    assert torch.equal(cache["resid_post", -n], cache["resid_post", 0])
    for layer in (n, -n - 1, True, 1.0, "0"):
        with pytest.raises(UserError, match=f"must be an integer from -{n} to {n - 1}; got"):
            cache["resid_post", layer]
    for key in ("resid", ("nothing", 0), 5, None, ()):
        with pytest.raises(UserError, match=r"no cached activation is called .*; the nearest known: "):
            cache[key]


def test_a_past_of_another_dtype_is_gone_on_from(model):
    tokens, past = torch.randint(0, 26, (2, 9)), model.new_past()
    model(tokens[:, :5], past=past)
    wide = copy.deepcopy(model).double()
    torch.testing.assert_close(wide(tokens[:, 5:], past=past), wide(tokens)[:, 5:], atol=1e-4, rtol=0)


@pytest.mark.usefixtures("unchecked")
def test_a_hook_that_is_no_pair_and_a_name_that_is_no_text_are_refused(model):
    tokens = torch.zeros(1, 3, dtype=torch.long)
    with pytest.raises(UserError, match=r"a hook must be a pair \(name, function\)"), model.hooks([("hook_embed", 3)]):
        pass
    for names in ([3], torch.tensor(3)):
        with pytest.raises(UserError, match="names_filter must be a hook point's name"):
            model.run_with_cache(tokens, names_filter=names)


def test_the_last_layer_is_found_by_minus_one_under_every_name(model):
    _, cache = model.run_with_cache(torch.zeros(1, 3, dtype=torch.long))
    last = len(model.blocks) - 1
    for name in ("resid_post", "attn_out", "resid_pre"):
        assert torch.equal(cache[name, -1], cache[name, last])
        assert torch.equal(cache[name, -2], cache[name, last - 1])


def test_a_hybrid_with_an_mlp_is_taken_apart_into_what_its_layers_write():
    model = build({**HYBRID, "d_model": 16})
    _, cache = model.run_with_cache(torch.tensor([[3, 1, 4, 1]]))
    parts, labels = cache.decompose_resid(return_labels=True)
    torch.testing.assert_close(parts.sum(0), cache["resid_post", -1])
    assert labels == ["embed", "0_attn_out", "0_mlp_out", "1_attn_out", "1_mlp_out"]
    assert not cache["mlp_out", 0].any() and cache["mlp_out", 1].any()


@pytest.mark.parametrize("positions", [1, 2, 5, 20])
def test_a_stream_has_a_single_state_in_the_stretch_that_it_lies_in(positions):
    model, tokens = build({"kind": "mamba", "d_model": 16}), torch.randint(0, 30, (2, 9))
    name = "blocks.0.mixer.h.3"
    _, whole = model.run_with_cache(tokens, names_filter=name)
    found = {here.start: part[name] for here, part in model.stream(tokens, name, positions) if name in part}
    assert list(found) == [3 // positions * positions]
    torch.testing.assert_close(*found.values(), whole[name])
    with pytest.raises(UserError, match="positions that are read, 0 to 8"):
        next(model.stream(tokens, "blocks.0.mixer.h.9"))


# ---------------------------------------------------------------------- threads and copies


def test_two_threads_on_one_model_give_what_each_gives_alone(model):
    tokens = torch.randint(0, 30, (2, 8), generator=torch.Generator().manual_seed(0))
    edit = [("blocks.0.hook_resid_pre", lambda x, hook: x * 0.5)]  # noqa: ARG005
    plain, edited = model(tokens), model.run_with_hooks(tokens, fwd_hooks=edit)
    wrong = []

    def run(ask, expected):
        for _ in range(40):
            if not torch.equal(ask(), expected):
                wrong.append(ask)

    asks = [(lambda: model(tokens), plain), (lambda: model.run_with_hooks(tokens, fwd_hooks=edit), edited)] * 2
    threads = [threading.Thread(target=run, args=ask) for ask in asks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not wrong and not any(point._forward_hooks for point in model.hook_dict.values())


def test_a_copy_has_a_lock_of_its_own(model):
    tokens = torch.zeros(1, 4, dtype=torch.long)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.lock is not model.lock and torch.equal(other(tokens), model(tokens))


# ---------------------------------------------------------------------- sizes and files


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"kind": "transformer", "d_model": 10**6}, "must fit into memory"),
        ({"kind": "transformer", "position": "learned", "n_ctx": 2 * 10**9}, "must fit into memory"),
        ({"kind": "mamba", "d_state": 10**8}, "must fit into memory"),
        ({"kind": "mamba", "n_layers": 10**5}, "n_layers must be an integer from 1 to 4096"),
    ],
)
def test_a_model_that_would_not_fit_is_refused_before_it_is_built(config, told):
    with pytest.raises(UserError, match=told):
        build(config)


def test_weights_that_are_not_finite_are_told_when_they_are_read(model, tmp_path):
    with torch.no_grad():
        model.W_E[2, 3] = torch.nan
    model.save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match=r"not all finite numbers \(embed\.W_E\)"):
        HookedModel.from_pretrained(tmp_path)


def test_weights_of_other_shapes_are_refused_by_their_header_alone(tmp_path, monkeypatch):
    build({"kind": "lstm", "d_model": 16}).save_pretrained(tmp_path)
    monkeypatch.setattr("interp.models.checkpoint.read_whole", None)
    with pytest.raises(UserError, match="must have the shape"):
        load_weights(build({"kind": "lstm", "d_model": 8}), tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: HookedMamba(d_state=4), r"Write HookedMamba\(MambaConfig\(d_state=4\)\)"),
        (lambda: HookedMamba(d_stat=4), "no field of MambaConfig is called 'd_stat'; the nearest known: d_state"),
        (lambda: HookedLSTM({"d_model": 4}), "config must be a LSTMConfig; got a dict"),
        (lambda: build({"kind": "transformer", "n_layer": 3}), "called 'n_layer'; the nearest known: n_layers"),
    ],
)
def test_what_a_model_is_made_of_is_held_to_its_config(call, told):
    with pytest.raises(UserError, match=told):
        call()
