"""HookedLSTM against torch's own and a recurrence written out here; every quantity read, edited, differentiated."""

from collections import Counter

import pytest
import torch

from interp.base.errors import UserError
from interp.models.hooks.read_point import ReadPoint
from interp.models.recurrent.hybrid import HookedHybrid, HybridConfig
from interp.models.recurrent.lstm import mixer as lstm_mixer
from interp.models.recurrent.lstm.mixer import LSTMMixer
from interp.models.recurrent.lstm.model import HookedLSTM, LSTMConfig
from interp.models.scan.lstm import lstm_gates_in, lstm_scan, lstm_steps
from interp.models.scan.methods import using

SHAPES = {
    "plain": {},
    "few cells, residual, norm, tied": {"d_hidden": 5, "residual": True, "normalization": "RMS", "tied": True},
}
QUANTITIES = ("i", "f", "g", "o", "c", "h")
READ_ONLY = ("i", "f", "g", "o", "c")


@pytest.fixture
def lstm(recurrent):
    return lambda **changes: recurrent("lstm", **{"n_layers": 2, **changes})


@pytest.fixture(params=SHAPES)
def model(lstm, request):
    return lstm(**SHAPES[request.param])


@pytest.fixture
def fused_runs(monkeypatch):
    """Counts the layers that run the fused recurrence."""
    runs, scan = [], lstm_mixer.lstm_scan

    def counted(*args):
        runs.append(1)
        return scan(*args)

    monkeypatch.setattr(lstm_mixer, "lstm_scan", counted)
    return runs


def unedited(_, __, value):
    return value


def written_out(mixer, x, edit=unedited):
    """The layer, gate by gate and position by position, as the papers have it."""
    hidden = len(mixer.W_h)
    parts = {name: slice(k * hidden, (k + 1) * hidden) for k, name in enumerate("ifgo")}
    h = c = torch.zeros(len(x), hidden, dtype=x.dtype)
    outputs = []
    for t in range(x.shape[1]):
        gates = {}
        for name, part in parts.items():
            net = x[:, t] @ mixer.W_x[:, part] + h @ mixer.W_h[:, part] + mixer.b[part]
            gates[name] = edit(name, t, torch.tanh(net) if name == "g" else 1 / (1 + torch.exp(-net)))
        c = edit("c", t, gates["f"] * c + gates["i"] * gates["g"])
        h = edit("h", t, gates["o"] * torch.tanh(c))
        outputs.append(h)
    h = torch.stack(outputs, dim=1)
    return h if mixer.W_out is None else h @ mixer.W_out


def from_layer(model, tokens, layer, edit):
    """The logits with one layer written out, its steps edited."""
    block, x = model.blocks[layer], model(tokens, stop_at_layer=layer)
    out = written_out(block.mixer, block.norm(x), edit)
    return model(x + out if block.residual else out, start_at_layer=layer + 1)


def writable(model):
    """All hook points at which an edit is allowed, some of single positions among them."""
    for layer in model.mixers:
        for quantity in QUANTITIES:
            model.resolve(f"blocks.{layer}.mixer.{quantity}.4")
    return [name for name, point in model.hook_dict.items() if not isinstance(point, ReadPoint)]


def gradients(model, tokens, **options):
    model.zero_grad()
    model(tokens, "loss", **options).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def nothing(*_, **__):
    return None


def in_place(function):
    """The same edit, of the tensor itself."""

    def edit(value, hook):
        value.copy_(function(value, hook=hook))

    return edit


def halve(value, **_):
    return 0.5 * value


def zero(value, hook):
    return value * 2 if hook.name.endswith("hook_scale") else torch.zeros_like(value)


# ---------------------------------------------------------------------- the recurrence


def test_it_is_torchs_lstm_with_the_same_weights(lstm, tokens):
    model = lstm(n_layers=3)
    theirs = torch.nn.LSTM(16, 16, 3, batch_first=True).double()
    with torch.no_grad():
        for layer, mixer in model.mixers.items():
            getattr(theirs, f"weight_ih_l{layer}").copy_(mixer.W_x.T)
            getattr(theirs, f"weight_hh_l{layer}").copy_(mixer.W_h.T)
            getattr(theirs, f"bias_ih_l{layer}").copy_(mixer.b)
            getattr(theirs, f"bias_hh_l{layer}").zero_()
        past = model.new_past()
        logits = model(tokens, past=past)
        h, (h_last, c_last) = theirs(model.W_E[tokens])
        torch.testing.assert_close(logits, h @ model.W_U + model.b_U)
        for layer in range(3):
            torch.testing.assert_close(past[layer].get("h"), h_last[layer])
            torch.testing.assert_close(past[layer].get("c"), c_last[layer])


def test_every_layer_is_the_recurrence_of_the_papers(model, tokens):
    for layer in model.mixers:
        torch.testing.assert_close(from_layer(model, tokens, layer, unedited), model(tokens))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_fused_and_step_by_step_are_equal_in_value_and_gradient(generator, dtype):
    """In float32 a CPU has another fused kernel, oneDNN's."""
    shapes = {"x": (3, 9, 6), "W_x": (6, 20), "W_h": (5, 20), "b": (20,), "h": (3, 5), "c": (3, 5)}
    draw = generator(0)
    given = [torch.randn(shape, generator=draw, dtype=dtype).requires_grad_() for shape in shapes.values()]
    found = []
    for method in ("fused", "reference"):
        with using(method):
            x, W_x, W_h, b, *initial = given
            h, last = lstm_scan(x, W_x, W_h, b, tuple(initial))
        weights = [torch.randn(out.shape, generator=generator(1), dtype=dtype) for out in (h, *last)]
        loss = sum((out * weight).sum() for out, weight in zip((h, *last), weights, strict=True))
        found.append([h, *last, *torch.autograd.grad(loss, given)])
    for fused, reference in zip(*found, strict=True):
        torch.testing.assert_close(fused, reference)


def test_step_by_step_has_second_derivatives(generator):
    draw = generator(0)
    inputs = [
        torch.randn(shape, generator=draw, dtype=torch.float64).requires_grad_()
        for shape in ((2, 3, 2), (2, 8), (2, 8), (8,), (2, 2), (2, 2))
    ]

    def run(x, W_x, W_h, b, h, c):
        out, last = lstm_steps(lstm_gates_in(x, W_x, b), W_h, (h, c))
        return out, *last

    assert torch.autograd.gradcheck(run, inputs) and torch.autograd.gradgradcheck(run, inputs)


@pytest.mark.parametrize("grad", [False, True])
def test_listening_inside_changes_neither_logits_nor_gradients(model, tokens, fused_runs, grad):
    with torch.set_grad_enabled(grad):
        plain, last = model(tokens), model.new_past()
        model(tokens, past=last)
        assert len(fused_runs) == 2 * model.config.n_layers
        expected = gradients(model, tokens) if grad else {}
        for names in ("hook_gates_in",), ("hook_f",), ("g.3",), ("hook_gates_in", "hook_i", "hook_c", "h.0", "c.11"):
            fused_runs.clear()
            hooks = [(f"blocks.{layer}.mixer.{name}", nothing) for layer in model.mixers for name in names]
            past = model.new_past()
            with model.hooks(fwd_hooks=hooks):
                torch.testing.assert_close(model(tokens, past=past), plain)
                if grad:
                    torch.testing.assert_close(gradients(model, tokens), expected)
            torch.testing.assert_close([p.parts for p in past], [p.parts for p in last])
            assert not fused_runs, names


def test_reading_h_leaves_the_recurrence_fused(lstm, tokens, fused_runs):
    model = lstm()
    model.run_with_cache(tokens, names_filter=lambda name: name.endswith("hook_h"))
    assert len(fused_runs) == 2


# ---------------------------------------------------------------------- reading


def test_every_hook_fires_exactly_once(model, tokens):
    fired, names = Counter(), set(writable(model)) | set(model.hook_dict)
    model.run_with_hooks(tokens, fwd_hooks=[(name, lambda _, hook: fired.update([hook.name])) for name in names])
    assert fired == Counter(names)
    for name in names:
        fired.clear()
        model.run_with_hooks(tokens, fwd_hooks=[(name, lambda _, hook: fired.update([hook.name]))])
        assert fired == Counter([name])


def test_what_is_read_is_what_the_glossary_says(model, tokens):
    names = [name for name in writable(model) if ".mixer." in name]
    _, cache = model.run_with_cache(tokens, names_filter=[*model.hook_names(None), *names])
    for layer, mixer in model.mixers.items():
        seen = {name: [] for name in QUANTITIES}
        x = cache[f"blocks.{layer}.hook_mixer_in"]
        out = written_out(mixer, x, lambda name, _, value, seen=seen: seen[name].append(value) or value)
        for name, values in seen.items():
            stacked = cache[f"blocks.{layer}.mixer.hook_{name}"]
            torch.testing.assert_close(stacked, torch.stack(values, 1))
            torch.testing.assert_close(cache[f"blocks.{layer}.mixer.{name}.4"], values[4])
        torch.testing.assert_close(out, cache[f"blocks.{layer}.hook_mixer_out"])
        gates_in = (x @ mixer.W_x + mixer.b).reshape(3, 12, 4, -1)
        torch.testing.assert_close(cache[f"blocks.{layer}.mixer.hook_gates_in"], gates_in)


def test_the_gradient_of_a_stacked_point_counts_all_later_steps(model, tokens):
    """Moved at every position at once, by edits that go through the recurrence, the loss changes by just as much."""
    names = {f"blocks.{layer}.mixer.hook_{q}": f"blocks.{layer}.mixer.{q}" for layer in model.mixers for q in READ_ONLY}
    _, cache = model.run_with_cache(tokens, "loss", names_filter=list(names), incl_bwd=True)
    for stacked, single in names.items():
        here = torch.zeros((), dtype=torch.float64, requires_grad=True)
        along = torch.randn(cache[stacked].shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        moves = [
            (f"{single}.{t}", lambda x, here=here, d=along[:, t], **_: x + here * d) for t in range(tokens.shape[1])
        ]
        (slope,) = torch.autograd.grad(model.run_with_hooks(tokens, return_type="loss", fwd_hooks=moves), here)
        torch.testing.assert_close((cache[stacked + "_grad"] * along).sum(), slope)


def test_gradients_of_stacked_points_know_edits_of_single_steps(lstm, tokens):
    """Behind a step that is overwritten, what came before it has no more effect through it."""
    model = lstm(n_layers=1)
    edits = [(f"blocks.0.mixer.{q}.6", lambda x, **_: torch.zeros_like(x)) for q in "ch"]
    with model.hooks(fwd_hooks=edits):
        cache, forward, backward = model.get_caching_hooks("blocks.0.mixer.hook_c", incl_bwd=True)
        with model.hooks(forward, backward):
            model(tokens)[:, 7:].square().sum().backward()
    c, gradient = cache["blocks.0.mixer.hook_c"], cache["blocks.0.mixer.hook_c_grad"]
    assert not c[:, 6].any() and c[:, 5].any()
    assert not gradient[:, :6].any() and (gradient[:, 6:].abs().amax((0, 2)) > 1e-9).all()


# ---------------------------------------------------------------------- editing


def test_zeroing_every_writable_hook_changes_the_logits_and_in_place_is_the_same(model, tokens):
    before = model(tokens)
    for name in writable(model):
        edited = model.run_with_hooks(tokens, fwd_hooks=[(name, zero)])
        assert not torch.allclose(edited, before), name
        with torch.no_grad():
            torch.testing.assert_close(model.run_with_hooks(tokens, fwd_hooks=[(name, in_place(zero))]), edited)
    for name in (name for name in writable(model) if ".mixer." in name):
        found = []
        for edit in (halve, in_place(halve)):
            with model.hooks(fwd_hooks=[(name, edit)]):
                found.append(gradients(model, tokens))
        torch.testing.assert_close(*found)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_an_edit_of_one_step_goes_through_the_recurrence(model, tokens, quantity):
    clean = model(tokens)
    for layer in model.mixers:
        name = f"blocks.{layer}.mixer.{quantity}.5"
        edited = model.run_with_hooks(tokens, fwd_hooks=[(name, lambda x, **_: 0.5 * x + 1)])
        expected = from_layer(model, tokens, layer, lambda q, t, x: 0.5 * x + 1 if (q, t) == (quantity, 5) else x)
        torch.testing.assert_close(edited, expected)
        assert torch.equal(edited[:, :5], model.run_with_hooks(tokens, fwd_hooks=[(name, nothing)])[:, :5])
        assert ((edited - clean)[:, 5:].abs().amax((0, 2)) > 1e-9).all()


def test_an_edit_of_gates_in_goes_through_the_recurrence(model, tokens):
    def halve_forgetting(gates_in, **_):
        gates_in[:, 3, 1] -= 2
        return gates_in

    for layer in model.mixers:
        name = f"blocks.{layer}.mixer.hook_gates_in"
        _, cache = model.run_with_cache(tokens, names_filter=[f"blocks.{layer}.mixer.hook_f"])
        f = cache[f"blocks.{layer}.mixer.hook_f"][:, 3]
        net = (f / (1 - f)).log() - 2
        edited = model.run_with_hooks(tokens, fwd_hooks=[(name, halve_forgetting)])
        step = [(f"blocks.{layer}.mixer.f.3", lambda _, net=net, **__: net.sigmoid())]
        torch.testing.assert_close(edited, model.run_with_hooks(tokens, fwd_hooks=step))
        assert not torch.allclose(edited, model(tokens))


def test_an_edit_of_hook_h_is_read_there_and_not_carried_on(model, tokens):
    layer = model.config.n_layers - 1
    past, plain = model.new_past(), model.new_past()

    def edit(h, **_):
        h[:, 4:] += 1

    with torch.no_grad():
        edited = model.run_with_hooks(tokens, past=past, fwd_hooks=[(f"blocks.{layer}.mixer.hook_h", edit)])
        clean = model(tokens, past=plain)
    assert torch.equal(edited[:, :4], clean[:, :4]) and not torch.allclose(edited[:, 4:], clean[:, 4:])
    assert torch.equal(past[layer].get("h"), plain[layer].get("h"))


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_an_edit_of_all_gates_at_once_is_refused_with_what_to_do(lstm, tokens, mode):
    model = lstm()
    for quantity in READ_ONLY:
        name = f"blocks.1.mixer.hook_{quantity}"
        for edit in (zero, in_place(zero), lambda x, **_: x.clone(), lambda x, **_: x.transpose(1, 2)):
            with mode(), pytest.raises(UserError, match=rf"{name} must only read.*blocks\.1\.mixer\.{quantity}\.5 \["):
                model.run_with_hooks(tokens, fwd_hooks=[(name, edit)])
        with mode():
            model.run_with_hooks(tokens, fwd_hooks=[(name, lambda x, **_: x)])
    assert not any(module._forward_hooks for module in model.modules())


def test_an_edit_of_their_gradients_is_refused_too(lstm, tokens):
    model = lstm()
    for edit in (zero, in_place(zero)):
        with model.hooks(bwd_hooks=[("blocks.0.mixer.hook_c", edit)]):
            loss = model(tokens, "loss")
            with pytest.raises(UserError, match="got an edit of its gradient, which comes too late"):
                loss.backward()


# ---------------------------------------------------------------------- one state, many calls


@pytest.mark.parametrize("pieces", [[1] * 12, [5, 1, 6]], ids=str)
def test_pieces_give_what_the_whole_gives_on_either_path(model, tokens, pieces):
    whole, cache = model.run_with_cache(tokens)
    past, reading = model.new_past(), model.new_past()
    logits = [model(part, past=past) for part in tokens.split(pieces, dim=1)]
    torch.testing.assert_close(torch.cat(logits, dim=1), whole)
    of_pieces, of_whole = (
        torch.autograd.grad(x.square().sum(), model.blocks[0].mixer.W_h) for x in (torch.cat(logits, dim=1), whole)
    )
    torch.testing.assert_close(of_pieces, of_whole)
    parts = [model.run_with_cache(part, past=reading)[1] for part in tokens.split(pieces, dim=1)]
    for name, value in cache.items():
        torch.testing.assert_close(torch.cat([part[name] for part in parts], dim=1), value)
    assert past[0].length == 12
    shapes = {f"blocks.{layer}.{n}": v.shape[1:] for layer, p in enumerate(past) for n, v in p.parts.items()}
    assert shapes == model.state_shapes()


def test_generation_continues_with_the_most_likely_token(model, tokens):
    generated = model.generate(tokens, 6)
    for length in range(12, 18):
        assert torch.equal(model(generated[:, :length])[:, -1].argmax(-1), generated[:, length])


def test_the_last_positions_alone_are_those_of_the_whole(model, tokens):
    torch.testing.assert_close(model(tokens, queries_from=7), model(tokens)[:, 7:])
    found = []
    for options in ({"queries_from": 7}, {}):
        out = model(tokens, **options)[:, -5:].square().sum()
        found.append(torch.autograd.grad(out, list(model.parameters())))
    torch.testing.assert_close(*found)
    _, cache = model.run_with_cache(tokens, queries_from=7)
    assert cache["blocks.1.mixer.hook_h"].shape[1] == 12 and cache["blocks.1.hook_mixer_out"].shape[1] == 5


def test_a_stretch_of_layers_can_be_run_alone(model, tokens):
    for stop in range(model.config.n_layers + 1):
        torch.testing.assert_close(model(model(tokens, stop_at_layer=stop), start_at_layer=stop), model(tokens))


def test_it_is_saved_and_loaded(model, tokens, tmp_path):
    again = HookedLSTM.from_pretrained(model.save_pretrained(tmp_path / "lstm"))
    assert again.config == model.config and torch.equal(again(tokens), model(tokens))


# ---------------------------------------------------------------------- shapes, weights, devices


def test_in_a_hybrid_a_layer_adds_to_the_stream(tokens):
    config = HybridConfig(
        layers=("attention", "lstm"), d_model=16, d_vocab=11, attention={"n_heads": 4}, lstm={"d_hidden": 8}
    )
    model = HookedHybrid(config).double()
    _, cache = model.run_with_cache(tokens)
    added = cache["blocks.1.hook_resid_pre"] + cache["blocks.1.hook_mixer_out"]
    torch.testing.assert_close(cache["blocks.1.hook_resid_post"], added)
    assert cache["blocks.1.mixer.hook_c"].shape == (3, 12, 8)
    replacing = HookedHybrid(HybridConfig(layers=("lstm",), d_model=16, d_vocab=11, lstm={"residual": False}))
    assert not replacing.blocks[0].residual


@pytest.mark.parametrize(("layers", "millions"), [(4, 33.6), (5, 42.0)])
def test_it_is_as_large_as_the_papers(layers, millions):
    with torch.device("meta"):
        model = HookedLSTM(LSTMConfig(n_layers=layers, d_model=1024))
    assert round(model.n_parameters / 1e6, 1) == millions
    assert sum(torch.Size(shape).numel() for shape in model.state_shapes().values()) == 2 * 1024 * layers


def test_its_first_weights_are_drawn_as_torch_draws_them():
    model, torchs = HookedLSTM(LSTMConfig(d_model=100, n_layers=1)), torch.nn.LSTM(100, 100)
    mixer = model.blocks[0].mixer
    for ours, theirs in (
        (mixer.W_x, torchs.weight_ih_l0),
        (mixer.W_h, torchs.weight_hh_l0),
        (mixer.b, torchs.bias_ih_l0 + torchs.bias_hh_l0),
    ):
        torch.testing.assert_close(ours.std(), theirs.std(), rtol=0.1, atol=0)
        torch.testing.assert_close(ours.abs().max(), theirs.abs().max(), rtol=0.15, atol=0)
    assert model.W_E.std().sub(1).abs() < 0.05
    eager = HookedLSTM(LSTMConfig(d_model=100, n_layers=1, forget_bias=1.0)).blocks[0].mixer
    raised = torch.zeros(4, 100)
    raised[1] = 1
    torch.testing.assert_close(eager.b - mixer.b, raised.flatten())


@pytest.mark.parametrize("shape", SHAPES)
def test_it_runs_on_meta_tensors_on_both_paths(lstm, shape):
    model = lstm(**SHAPES[shape]).to("meta")
    tokens = torch.zeros(3, 12, dtype=torch.long, device="meta")
    names = writable(model)
    model(tokens, "loss", queries_from=5).backward()
    assert all(p.grad is not None and p.grad.is_meta for p in model.parameters())
    with using("reference"):
        model(tokens, "loss").backward()
    loss, cache = model.run_with_cache(tokens, "loss", names_filter=list(model.hook_dict), incl_bwd=True)
    assert loss.is_meta and all(value.is_meta for value in cache.values()) and len(cache) == 2 * len(model.hook_dict)
    halved = model.run_with_hooks(tokens, fwd_hooks=[(name, lambda x, **_: x / 2) for name in names])
    assert halved.is_meta and halved.shape == (3, 12, 11)
    assert model.generate(tokens, 5).shape == (3, 17)


def test_in_half_precision_the_recurrence_runs_in_single(lstm, tokens):
    model = lstm().to(torch.bfloat16)
    past = model.new_past()
    logits = model(tokens, past=past)
    read, cache = model.run_with_cache(tokens)
    assert logits.dtype == read.dtype == cache["blocks.0.mixer.hook_h"].dtype == torch.bfloat16
    assert past[0].get("c").dtype == cache["blocks.0.mixer.hook_c"].dtype == torch.float32
    torch.testing.assert_close(logits, read, atol=1e-2, rtol=1e-2)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(lstm().float()(tokens).float(), lstm().float()(tokens).float())


@pytest.mark.gpu
def test_a_gpu_gives_what_the_processor_gives_on_both_paths(model, tokens):
    expected, there = gradients(model, tokens), model.run_with_cache(tokens)[1]
    model, tokens = model.cuda(), tokens.cuda()
    for name, gradient in gradients(model, tokens).items():
        torch.testing.assert_close(gradient.cpu(), expected[name], atol=1e-4, rtol=1e-4)
    for name, value in model.run_with_cache(tokens, device="cpu")[1].items():
        torch.testing.assert_close(value, there[name], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("bad", [{"d_hidden": 0}, {"n_layers": 0}, {"normalization": "Batch"}])
def test_a_shape_that_cannot_be_is_refused(bad):
    with pytest.raises(
        UserError,
        match=r"hidden must be an .*; got 0|n_layers must be an .*; got 0|no normalization is called",
    ):
        LSTMConfig(**bad)


def test_no_position_is_refused(generator):
    x, W_x, W_h, b = (torch.randn(shape, generator=generator(0)) for shape in ((2, 0, 3), (3, 8), (2, 8), (8,)))
    with pytest.raises(UserError, match="at least one position"):
        lstm_scan(x, W_x, W_h, b)


# ---------------------------------------------------------------------- nnsight


def point(root, name):
    for part in name.split("."):
        root = (
            root[int(part)]
            if part.isdecimal() and isinstance(root._module, torch.nn.ModuleList)
            else getattr(root, part)
        )
    return root


def test_a_trace_reads_what_a_cache_holds_and_many_points_in_order(lstm, tokens):
    nnsight = pytest.importorskip("nnsight")
    model = lstm()
    writable(model)
    names = list(model.hook_dict)
    logits, cache = model.run_with_cache(tokens, names_filter=names)
    traced = nnsight.NNsight(model)
    for name in names:
        with traced.trace(tokens):
            value = point(traced, name).output.save()
            out = traced.output.save()
        torch.testing.assert_close(value, cache[name], msg=lambda text, name=name: f"{name}: {text}")
        torch.testing.assert_close(out, logits)
    mixer = traced.blocks[1].mixer
    with traced.trace(tokens):
        gates_in = mixer.hook_gates_in.output.save()
        i = point(mixer, "i.4").output.save()
        c = point(mixer, "c.4").output.save()
        forget = mixer.hook_f.output.save()
        cell = mixer.hook_c.output.save()
    read = {"hook_gates_in": gates_in, "i.4": i, "c.4": c, "hook_f": forget, "hook_c": cell}
    for name, value in read.items():
        torch.testing.assert_close(value, cache[f"blocks.1.mixer.{name}"])


def test_a_trace_edits_single_steps_and_not_all_at_once(lstm, tokens):
    nnsight = pytest.importorskip("nnsight")
    model = lstm()
    writable(model)
    traced = nnsight.NNsight(model)
    name = "blocks.0.mixer.f.4"
    expected = model.run_with_hooks(tokens, fwd_hooks=[(name, lambda x, **_: 0.5 * x)])
    with traced.trace(tokens):
        point(traced, name).output *= 0.5
        out = traced.output.save()
    torch.testing.assert_close(out, expected)
    with pytest.raises(Exception, match=r"hook_f must only read"), traced.trace(tokens):
        traced.blocks[0].mixer.hook_f.output[:] = 0
    with pytest.raises(Exception, match=r"hook_f must only read"), traced.trace(tokens):
        traced.blocks[0].mixer.hook_f.output = 2 * traced.blocks[0].mixer.hook_f.output


def test_the_gradient_that_a_trace_reads_is_ours(lstm, tokens):
    nnsight = pytest.importorskip("nnsight")
    model = lstm()
    name = "blocks.0.mixer.hook_c"
    _, cache = model.run_with_cache(tokens, "loss", names_filter=name, incl_bwd=True)
    traced = nnsight.NNsight(model)
    with traced.trace(tokens, "loss"):
        c = traced.blocks[0].mixer.hook_c.output
        with traced.output.backward():
            gradient = c.grad.save()
    torch.testing.assert_close(gradient, cache[name + "_grad"])


def test_a_mixer_has_a_point_for_every_quantity_of_a_step():
    assert LSTMMixer.per_step == QUANTITIES
