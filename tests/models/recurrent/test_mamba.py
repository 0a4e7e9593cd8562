"""Mamba: the glossary is true, edits act as the closed form says, every path gives the same, gradients too."""

import math

import pytest
import torch
import torch.nn.functional as F
import transformers

from interp.base.errors import UserError
from interp.models.recurrent.mamba.model import HookedMamba, MambaConfig
from interp.models.recurrent.mamba.names import OTHER_NAMES, REFUSED
from interp.models.scan.methods import using
from tests.models.recurrent.bridge_names import asked_by_bridge_names  # noqa: TID251

MIXER = "blocks.1.mixer."
STATES = ["hook_A_bar", "hook_write", "hook_state"]
SHAPES = {
    "as the authors": {},
    "biases, narrow": {"bias": True, "d_inner": 5, "dt_rank": 2, "tied": False},
    "no conv bias, no norm, one tap": {"conv_bias": False, "normalization": None, "d_conv": 1, "d_state": 1},
    "LN": {"normalization": "LN", "d_conv": 6, "d_state": 5},
}


@pytest.fixture(params=SHAPES)
def model(recurrent, request):
    return recurrent("mamba", **SHAPES[request.param])


@pytest.fixture
def lively(recurrent):
    return recurrent("mamba")


def cached(model, tokens):
    """Everything in layer 1, by its last name."""
    _, cache = model.run_with_cache(tokens, names_filter=lambda name: name.startswith("blocks.1."))
    return {name.rsplit(".", 1)[-1]: value for name, value in cache.items()}


# ---------------------------------------------------------------------- the glossary


def test_every_quantity_is_what_the_glossary_says(model, tokens):
    c, mixer = cached(model, tokens), model.blocks[1].mixer

    def biased(x, bias):
        return x if bias is None else x + bias

    normalized = c["hook_resid_pre"] if model.config.normalization is None else c["hook_normalized"]
    expected = {"hook_mixer_in": normalized}
    expected["hook_x"] = biased(c["hook_mixer_in"] @ mixer.W_in, mixer.b_in)
    expected["hook_gate"] = biased(c["hook_mixer_in"] @ mixer.W_gate, mixer.b_gate)
    width, channels = model.config.d_conv, model.config.channels
    padded = F.pad(c["hook_x"].mT, (width - 1, 0))
    expected["hook_conv"] = F.conv1d(padded, mixer.W_conv[:, None], mixer.b_conv, groups=channels).mT
    expected["hook_u"] = c["hook_conv"] * c["hook_conv"].sigmoid()
    expected["hook_dt"] = c["hook_u"] @ mixer.W_dt_down @ mixer.W_dt + mixer.b_dt
    expected["hook_delta"] = (1 + c["hook_dt"].exp()).log()
    expected["hook_B"], expected["hook_C"] = c["hook_u"] @ mixer.W_B, c["hook_u"] @ mixer.W_C
    expected["hook_A_bar"] = torch.exp(torch.einsum("bpc,cn->bpcn", c["hook_delta"], -mixer.A_log.exp()))
    expected["hook_write"] = torch.einsum("bpc,bpc,bpn->bpcn", c["hook_delta"], c["hook_u"], c["hook_B"])
    h = torch.zeros_like(c["hook_state"][:, 0])
    for t in range(tokens.shape[1]):
        h = c["hook_A_bar"][:, t] * h + c["hook_write"][:, t]
        torch.testing.assert_close(c["hook_state"][:, t], h)
    expected["hook_y"] = torch.einsum("bpcn,bpn->bpc", c["hook_state"], c["hook_C"]) + mixer.D * c["hook_u"]
    expected["hook_gated"] = c["hook_y"] * c["hook_gate"] * c["hook_gate"].sigmoid()
    expected["hook_mixer_out"] = biased(c["hook_gated"] @ mixer.W_out, mixer.b_out)
    expected["hook_resid_post"] = c["hook_resid_pre"] + c["hook_mixer_out"]
    if model.config.normalization == "RMS":
        expected["hook_scale"] = (c["hook_resid_pre"].square().mean(-1, keepdim=True) + 1e-5).sqrt()
        expected["hook_normalized"] = c["hook_resid_pre"] / c["hook_scale"] * model.blocks[1].norm.w
    for name, value in expected.items():
        torch.testing.assert_close(c[name], value, msg=lambda text, name=name: f"{name}: {text}")
    assert set(c) <= {*expected, "hook_resid_pre", "hook_mixer_input", "hook_state", "hook_normalized", "hook_scale"}


def test_shapes_are_those_of_the_glossary(model, tokens):
    c, k = cached(model, tokens), model.config
    channels, states, both = (3, 12, k.channels), (3, 12, k.d_state), (3, 12, k.channels, k.d_state)
    for name in ("x", "gate", "conv", "u", "dt", "delta", "y", "gated"):
        assert c[f"hook_{name}"].shape == channels
    assert c["hook_B"].shape == c["hook_C"].shape == states
    assert c["hook_A_bar"].shape == c["hook_write"].shape == c["hook_state"].shape == both
    assert model.state_shapes() == {
        f"blocks.{layer}.{name}": shape
        for layer in range(2)
        for name, shape in {"h": both[2:], "window": (k.d_conv - 1, k.channels)}.items()
    }
    past = model.new_past()
    model(tokens, past=past)
    for layer, carried in enumerate(past):
        shapes = {f"blocks.{layer}.{name}": tuple(part.shape[1:]) for name, part in carried.parts.items()}
        assert shapes.items() <= model.state_shapes().items() and len(shapes) == 2


def test_the_logits_are_the_normalised_stream_times_the_unembedding(model, tokens):
    logits, cache = model.run_with_cache(tokens)
    last = cache["resid_post", 1] if model.config.normalization is None else cache["ln_final.hook_normalized"]
    torch.testing.assert_close(logits, last @ model.W_U + model.b_U)
    if model.config.tied:
        assert model.W_U.data_ptr() == model.W_E.data_ptr() and not model.b_U.any()
        assert not any("unembed" in name for name in model.state_dict())
    else:
        assert model.W_U.shape == (16, 11) and model.b_U.all()


# ---------------------------------------------------------------------- edits, against the closed form


def run_edited(model, tokens, name, edit, also=()):
    """Layer 1's quantities when one of its points is edited; states are read where they are made anyway."""
    kept = {}

    def keep(value, hook):
        kept[hook.name.removeprefix(MIXER)] = value.detach().clone()

    hooks = [(MIXER + name, edit), *((MIXER + other, keep) for other in ("hook_y", "hook_gated", *also))]
    model.run_with_hooks(tokens, fwd_hooks=hooks)
    return kept


@pytest.mark.parametrize("t", [0, 5, 11])
@pytest.mark.parametrize("point", ["write", "h"])
@pytest.mark.parametrize("all_states", [False, True])
def test_an_edit_is_carried_on_by_the_product_of_the_decays(model, tokens, t, point, all_states):
    clean = cached(model, tokens)
    added = torch.randn(clean["hook_state"][:, 0].shape, generator=torch.Generator().manual_seed(1)).double()

    def edit(value, **_):
        if point == "h":
            return value + added
        value = value.clone()
        value[:, t] += added
        return value

    name = f"h.{t}" if point == "h" else "hook_write"
    also = ["hook_state"] if all_states else []
    kept = run_edited(model, tokens, name, edit, also)
    carried = torch.zeros_like(clean["hook_state"])
    carried[:, t:] = added[:, None] * torch.cat(
        [torch.ones_like(added)[:, None], clean["hook_A_bar"][:, t + 1 :].cumprod(1)], dim=1
    )
    if all_states:
        torch.testing.assert_close(kept["hook_state"], clean["hook_state"] + carried)
    change = torch.einsum("bpcn,bpn->bpc", carried, clean["hook_C"])
    assert not change[:, :t].any() and change[:, t:].any(-1).all()
    torch.testing.assert_close(kept["hook_y"], clean["hook_y"] + change)
    unedited = run_edited(model, tokens, name, lambda *_, **__: None, also)
    assert torch.equal(kept["hook_y"][:, :t], unedited["hook_y"][:, :t])


def test_edits_of_several_states_add_up(lively, tokens):
    clean, kept = cached(lively, tokens), {}
    sizes = {2: 1.0, 3: -2.0, 9: 0.5}
    hooks = [(f"{MIXER}h.{t}", lambda h, s=size, **_: h + s) for t, size in sizes.items()]
    keep = (MIXER + "hook_y", lambda y, **_: kept.update(y=y))
    lively.run_with_hooks(tokens, fwd_hooks=[*hooks, keep])
    carried = torch.zeros_like(clean["hook_state"])
    for t, size in sizes.items():
        carried[:, t] += size
        for s in range(t + 1, 12):
            carried[:, s] += size * clean["hook_A_bar"][:, t + 1 : s + 1].prod(1)
    change = torch.einsum("bpcn,bpn->bpc", carried, clean["hook_C"])
    torch.testing.assert_close(kept["y"], clean["hook_y"] + change)


def test_a_state_set_to_zero_makes_the_layer_forget_what_was_before(lively, tokens):
    """After position 4 the layer's states are those of a string that begins at position 5, given the same writes."""
    clean = cached(lively, tokens)
    kept = run_edited(lively, tokens, "h.4", lambda h, **_: torch.zeros_like(h), ["hook_state"])
    h = torch.zeros_like(clean["hook_state"][:, 0])
    for t in range(5, 12):
        h = clean["hook_A_bar"][:, t] * h + clean["hook_write"][:, t]
        torch.testing.assert_close(kept["hook_state"][:, t], h)
    assert not kept["hook_state"][:, 4].any()


def test_edits_of_what_feeds_the_recurrence_reach_it_on_both_paths(lively, tokens):
    for name in ("hook_u", "hook_delta", "hook_B", "hook_C", "hook_dt", "hook_conv", "hook_x"):
        fused = run_edited(lively, tokens, name, lambda x, **_: x * 0.7)
        explicit = run_edited(lively, tokens, name, lambda x, **_: x * 0.7, STATES)
        torch.testing.assert_close(fused["hook_y"], explicit["hook_y"])
        assert not torch.allclose(fused["hook_y"], cached(lively, tokens)["hook_y"]), name


# ---------------------------------------------------------------------- paths


PATHS = {
    "states made": [MIXER + "hook_state", "blocks.0.mixer.hook_A_bar"],
    "stretches": [f"{MIXER}h.{t}" for t in (0, 4, 5, 11)],
    "both": [MIXER + "hook_write", MIXER + "h.3", MIXER + "h.11", "blocks.0.mixer.h.0"],
}


def gradients(model, tokens, names=()):
    """The loss's gradient by every parameter, on the path that these hooks ask for."""
    model.zero_grad()
    loss = model.run_with_hooks(tokens, return_type="loss", fwd_hooks=[(name, lambda *_, **__: None) for name in names])
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


@pytest.mark.parametrize("path", PATHS)
def test_gradients_are_the_same_on_every_path(model, tokens, path):
    expected = gradients(model, tokens)
    assert all(value.any() for value in expected.values())
    for name, value in gradients(model, tokens, PATHS[path]).items():
        torch.testing.assert_close(value, expected[name], msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("method", ["reference", "torch", "numba"])
def test_every_method_of_the_scan_gives_the_same_model(lively, tokens, method):
    with using("reference"):
        expected, grads = lively(tokens), gradients(lively, tokens)
    with using(method):
        torch.testing.assert_close(lively(tokens), expected)
        for name, value in gradients(lively, tokens, PATHS["stretches"]).items():
            torch.testing.assert_close(value, grads[name])


def test_states_that_decay_to_nothing_and_long_steps_stay_finite(recurrent):
    model = recurrent("mamba")
    with torch.no_grad():
        model.blocks[0].mixer.b_dt.fill_(50.0)  # exp(delta A) underflows
        model.blocks[1].mixer.A_log.fill_(-30.0)  # nothing is forgotten
    tokens = torch.randint(0, 11, (1, 300), generator=torch.Generator().manual_seed(0))
    expected = gradients(model, tokens)
    explicit = gradients(model, tokens, PATHS["both"])
    for name, value in expected.items():
        assert value.isfinite().all()
        torch.testing.assert_close(explicit[name], value)


# ---------------------------------------------------------------------- names and shapes that are refused


def test_mambalens_names_serve_where_they_mean_the_same(lively, tokens):
    names = {
        "hook_skip": "gate", "hook_in_proj": "x", "hook_conv": "conv", "hook_ssm_input": "u", "hook_delta_2": "dt",
        "hook_delta": "delta", "hook_B": "B", "hook_C": "C", "hook_A_bar": "A_bar", "hook_ssm_output": "y",
        "hook_after_skip": "gated",
    }  # fmt: skip
    for other, own in names.items():
        _, cache = lively.run_with_cache(tokens, names_filter=[f"blocks.1.{other}", f"{MIXER}hook_{own}"])
        torch.testing.assert_close(cache[f"blocks.1.{other}"], cache[f"{MIXER}hook_{own}"])
    edit = [(f"{MIXER}h.3", lambda h, **_: h + 1)]
    theirs = [("blocks.1.hook_h.3", lambda h, **_: h + 1)]
    expected = lively.run_with_hooks(tokens, fwd_hooks=edit)
    torch.testing.assert_close(lively.run_with_hooks(tokens, fwd_hooks=theirs), expected)


def test_names_of_transformer_lens_hold_what_its_bridge_has_there(tmp_path):
    """Every name that the bridge has inside a mixer is served, and holds the same, or is refused."""
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "vocab_size": 11, "state_size": 3, "initializer_range": 0.5}
    theirs = transformers.MambaForCausalLM(transformers.MambaConfig(**shape)).eval()
    served, refused = asked_by_bridge_names(theirs, tmp_path)
    assert all("another tool's name for something else" in message for message in refused.values())
    assert served == {name for name in OTHER_NAMES if name.startswith("mixer.")} | {"mixer.hook_in", "mixer.hook_out"}
    assert set(refused) == {name for name in REFUSED if name.startswith("mixer.")}


@pytest.mark.parametrize(
    ("name", "cure"),
    {
        "mixer.hook_ssm_state": r"\[batch channel pos state\]; use mixer.hook_state \[batch pos channel state\]",
        "mixer.hook_ssm_write": r"\[batch channel pos state\]; use mixer.hook_write",
        "mixer.conv1d.hook_out": r"\[batch channel pos \+ d_conv - 1\]; use mixer.hook_conv",
        "mixer.hook_in_proj": "use mixer.hook_x and mixer.hook_gate",
        "mixer.hook_x_proj": "use mixer.hook_dt, mixer.hook_B and mixer.hook_C",
        "hook_y": "leaves out D u; use mixer.hook_y",
        "hook_B_bar": "use mixer.hook_write",
        "hook_A": "it is a weight",
        "hook_h_start": "`past`",
        "hook_layer_input": "use hook_resid_pre",
    }.items(),
)
def test_names_that_mean_something_else_are_refused_with_the_cure(lively, tokens, name, cure):
    for listen in (
        lambda name: lively.run_with_hooks(tokens, fwd_hooks=[(name, lambda *_, **__: None)]),
        lambda name: lively.run_with_cache(tokens, names_filter=name),
        lambda name: lively.add_hook(name, lambda *_, **__: None),
    ):
        with pytest.raises(UserError, match=f"blocks.0.{name}, another tool's name for something else.*{cure}"):
            listen(f"blocks.0.{name}")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"d_state": 0}, "d_state must be an integer from 1 .*; got 0"),
        ({"d_inner": -1}, "channels must be an integer from 1 .*; got -1"),
        ({"normalization": "rms"}, "no normalization is called 'rms'.*RMS"),
        ({"initialization": "mimetik"}, "no initialization is called 'mimetik'.*mimetic"),
        ({"dt_min": 0.2, "dt_max": 0.1}, "dt_min at most dt_max; got 0.2, 0.1 and 0.0001"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(fields, message):
    with pytest.raises(UserError, match=message):
        MambaConfig(**fields)


def test_the_default_shape_is_the_authors():
    config = MambaConfig(d_model=130)
    assert (config.channels, config.rank, config.d_state, config.d_conv) == (260, math.ceil(130 / 16), 16, 4)
    model = HookedMamba(MambaConfig(n_layers=1, d_model=8, d_vocab=5, d_state=3))
    e, r, n = 16, 1, 3
    of_layer = 8 * 2 * e + e * 4 + e + e * (r + 2 * n) + r * e + e + e * n + e + e * 8 + 8
    assert model.n_parameters == 5 * 8 + of_layer + 8


def test_scales_within_the_layer_are_as_wide_as_what_they_multiply_under_autocast(recurrent, tokens):
    """Torch warns of scales that are wider; warnings are errors here."""
    model = recurrent("mamba", inner_eps=1e-5, inner_scale=True)
    whole = model.float()(tokens)
    with torch.autocast("cpu", torch.bfloat16):
        assert (model(tokens) - whole).abs().max() < 0.1 * whole.abs().max()
