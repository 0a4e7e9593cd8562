"""HookedMamba2 against its recurrence written out, against Hugging Face's, and against TransformerLens's bridge."""

import copy
import math
import re

import pytest
import torch
from transformers import Mamba2Config as HuggingFaceConfig
from transformers import Mamba2ForCausalLM

from interp.base.errors import UserError
from interp.models.pretrained.mamba import load_mamba
from interp.models.recurrent.hybrid import HookedHybrid
from interp.models.recurrent.mamba2.model import HookedMamba2, Mamba2Config
from interp.models.recurrent.mamba2.names import OTHER_NAMES, REFUSED
from tests.models.recurrent.bridge_names import asked_by_bridge_names  # noqa: TID251

SHAPES = {
    "one group": {},
    "two groups, limits": {"n_groups": 2, "dt_limit": (0.6, 1.1)},
    "two groups, one norm": {"n_groups": 2, "norm_groups": 1, "tied": False},
    "biases": {"bias": True, "conv_bias": False, "d_conv": 2, "chunk": 5, "normalization": "LN"},
    "no convolution": {"d_conv": 1, "d_head": 32, "normalization": None},
}
MIXER = "blocks.1.mixer."


@pytest.fixture(params=SHAPES)
def model(recurrent, request) -> HookedMamba2:
    return recurrent("mamba2", n_layers=2, **SHAPES[request.param])


@pytest.fixture
def grouped(recurrent) -> HookedMamba2:
    return recurrent("mamba2", n_layers=2, n_groups=2)


def everything(model):
    return list(model.hook_dict)


# ---------------------------------------------------------------------- the recurrence


def by_hand(mixer, x):
    """What a layer writes for one string [pos d_model], one position, head and channel at a time."""
    c, silu = mixer.config, torch.nn.functional.silu
    low, high = c.dt_limit or (0.0, math.inf)
    h = dict.fromkeys(range(c.channels), torch.zeros(c.d_state, dtype=x.dtype))  # channel -> state
    inner, out = [torch.zeros(len(mixer.W_conv), dtype=x.dtype)] * (c.d_conv - 1), []
    for row in x:
        projected = [row @ getattr(mixer, f"W_{p}") + (getattr(mixer, f"b_{p}") if c.bias else 0) for p in "xBC"]
        inner.append(torch.cat(projected))
        conv = sum(mixer.W_conv[:, -1 - back] * inner[-1 - back] for back in range(c.d_conv))
        u, B, C = silu(conv + (mixer.b_conv if c.conv_bias else 0)).split([part.shape[0] for part in projected])
        y = []
        for channel in range(c.channels):
            head = channel // c.d_head
            group = head * c.n_groups // c.n_heads
            own = slice(group * c.d_state, (group + 1) * c.d_state)
            step = torch.log(1 + torch.exp(row @ mixer.W_dt[:, head] + mixer.b_dt[head]))
            delta = min(max(step, low), high)
            kept = torch.exp(-delta * torch.exp(mixer.A_log[head]))
            h[channel] = kept * h[channel] + delta * u[channel] * B[own]
            y.append(h[channel] @ C[own] + mixer.D[head] * u[channel])
        gated = torch.stack(y) * silu(row @ mixer.W_gate + (mixer.b_gate if c.bias else 0))
        parts = gated.chunk(c.norm_groups or c.n_groups)
        normed = torch.cat([part / (part.square().mean() + c.norm_eps).sqrt() for part in parts]) * mixer.norm.w
        out.append(normed @ mixer.W_out + (mixer.b_out if c.bias else 0))
    return torch.stack(out)


def test_a_layer_is_its_recurrence_written_out(model, tokens):
    _, cache = model.run_with_cache(tokens)
    for layer, mixer in model.mixers.items():
        with torch.no_grad():
            expected = torch.stack([by_hand(mixer, string) for string in cache[f"blocks.{layer}.hook_mixer_in"]])
        torch.testing.assert_close(cache[f"blocks.{layer}.hook_mixer_out"], expected)


def test_what_is_cached_satisfies_the_glossary(model, tokens):
    _, whole = model.run_with_cache(tokens, names_filter=everything(model))
    mixer, c = model.blocks[1].mixer, model.config
    cache = {name.removeprefix(MIXER): value for name, value in whole.items() if name.startswith(MIXER)}
    softplus, silu = torch.nn.functional.softplus, torch.nn.functional.silu
    delta, u, state = cache["hook_delta"], cache["hook_u"], cache["hook_state"]
    B, C = (cache[f"hook_{name}"].repeat_interleave(c.n_heads // c.n_groups, 2) for name in "BC")
    low, high = c.dt_limit or (0.0, math.inf)
    torch.testing.assert_close(delta, softplus(cache["hook_dt"]).clamp(low, high))
    assert c.dt_limit is None or {low, high} < set(delta.flatten().tolist())  # both limits were met
    torch.testing.assert_close(cache["hook_A_bar"], torch.exp(delta * mixer.A))
    joined = torch.cat([part.flatten(2) for part in (u, cache["hook_B"], cache["hook_C"])], -1)
    torch.testing.assert_close(silu(cache["hook_conv"]), joined)
    torch.testing.assert_close(cache["hook_write"], torch.einsum("bph,bphd,bphn->bphdn", delta, u, B))
    before = torch.cat([torch.zeros_like(state[:, :1]), state[:, :-1]], 1)
    torch.testing.assert_close(state, cache["hook_A_bar"][..., None, None] * before + cache["hook_write"])
    torch.testing.assert_close(cache["hook_y"], torch.einsum("bphdn,bphn->bphd", state, C) + mixer.D[:, None] * u)
    gated = cache["hook_y"].flatten(2) * silu(cache["hook_gate"])
    groups = gated.unflatten(-1, (mixer.norm.groups, -1))
    torch.testing.assert_close(cache["norm.hook_scale"], (groups.square().mean(-1) + c.norm_eps).sqrt())
    torch.testing.assert_close(cache["hook_gated"], cache["norm.hook_normalized"])
    torch.testing.assert_close(
        whole["blocks.1.hook_mixer_out"], cache["hook_gated"] @ mixer.W_out + (mixer.b_out if c.bias else 0)
    )


def test_one_group_of_the_norm_is_not_two(recurrent, tokens):
    whole, halves, unsaid = (recurrent("mamba2", n_groups=2, norm_groups=groups)(tokens) for groups in (1, 2, None))
    assert not torch.allclose(whole, halves)
    assert torch.equal(unsaid, halves)


# ---------------------------------------------------------------------- edits


def states_of(model, tokens, edits=()):
    with model.hooks(fwd_hooks=list(edits)):
        _, cache = model.run_with_cache(tokens, names_filter=[MIXER + "hook_state", MIXER + "hook_A_bar"])
    return cache[MIXER + "hook_state"], cache[MIXER + "hook_A_bar"]


@pytest.mark.parametrize("at", [0, 4, 11])
@pytest.mark.parametrize("point", ["hook_write", "h"])
def test_an_edit_of_a_write_or_a_state_reaches_later_states_as_the_closed_form_says(grouped, tokens, point, at):
    extra = torch.randn(4, 8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def add(value, **_):
        if point == "h":
            return value + extra
        return value.index_add(1, torch.tensor([at]), extra.expand(3, 1, -1, -1, -1))

    name = MIXER + (f"h.{at}" if point == "h" else point)
    plain, A_bar = states_of(grouped, tokens)
    edited, _ = states_of(grouped, tokens, [(name, add)])
    assert torch.equal(edited[:, :at], plain[:, :at])
    left = A_bar[:, at + 1 :].cumprod(1)[..., None, None] * extra  # of the edit, at each later position
    torch.testing.assert_close(edited[:, at] - plain[:, at], extra.expand(3, -1, -1, -1))
    torch.testing.assert_close(edited[:, at + 1 :] - plain[:, at + 1 :], left)
    clean, changed = grouped(tokens), grouped.run_with_hooks(tokens, fwd_hooks=[(name, add)])
    torch.testing.assert_close(changed[:, :at], clean[:, :at])
    assert ((changed - clean)[:, at:].abs().amax((0, 2)) > 1e-9).all()


def test_what_a_state_edit_adds_to_the_output_is_what_c_reads_of_it(grouped, tokens):
    extra = torch.randn(4, 8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    names = [MIXER + name for name in ("hook_y", "hook_C", "hook_A_bar")]
    _, plain = grouped.run_with_cache(tokens, names_filter=names)
    with grouped.hooks(fwd_hooks=[(MIXER + "h.4", lambda h, **_: h + extra)]):
        _, edited = grouped.run_with_cache(tokens, names_filter=MIXER + "hook_y")
    kept = plain[names[2]][:, 5:].cumprod(1)
    C = plain[names[1]].repeat_interleave(2, 2)[:, 5:]
    expected = torch.einsum("bph,hdn,bphn->bphd", kept, extra, C)
    torch.testing.assert_close((edited[names[0]] - plain[names[0]])[:, 5:], expected)


def test_forgetting_everything_at_once_leaves_what_each_position_wrote(grouped, tokens):
    names = [MIXER + "hook_state", MIXER + "hook_write"]
    with grouped.hooks(fwd_hooks=[(MIXER + "hook_A_bar", lambda A_bar, **_: 0 * A_bar)]):
        _, cache = grouped.run_with_cache(tokens, names_filter=names)
    torch.testing.assert_close(cache[names[0]], cache[names[1]])


# ---------------------------------------------------------------------- paths


def listen(*_, **__):
    return None


PATHS = {
    "every state": [f"blocks.{layer}.mixer.hook_state" for layer in range(2)],
    "stretches": [f"blocks.{layer}.mixer.h.{t}" for layer in range(2) for t in (0, 5, 6, 11)],
    "both": [MIXER + "hook_write", MIXER + "h.3"],
    "the norm's scale": [MIXER + "norm.hook_scale"],
}


@pytest.mark.parametrize("path", PATHS)
def test_every_path_gives_the_same_loss_and_gradients(model, tokens, path):
    fused = torch.autograd.grad(model(tokens, "loss"), list(model.parameters()))
    hooked = model.run_with_hooks(tokens, return_type="loss", fwd_hooks=[(name, listen) for name in PATHS[path]])
    torch.testing.assert_close(hooked, model(tokens, "loss"))
    for (name, _), there, here in zip(
        model.named_parameters(), fused, torch.autograd.grad(hooked, list(model.parameters())), strict=True
    ):
        torch.testing.assert_close(here, there, msg=lambda text, name=name: f"{name}: {text}")
        assert there.abs().max() > 1e-9, name


@pytest.mark.parametrize("lengths", [[1] * 12, [5, 1, 6], [2, 10]], ids=str)
def test_a_string_in_pieces_is_read_as_the_whole(model, tokens, lengths):
    past = model.new_past()
    pieces = [model(part, past=past) for part in tokens.split(lengths, dim=1)]
    torch.testing.assert_close(torch.cat(pieces, dim=1), model(tokens))
    shapes = {f"blocks.{i}.{name}": tuple(x.shape[1:]) for i, p in enumerate(past) for name, x in p.parts.items()}
    assert shapes == model.state_shapes()


def test_positions_that_are_not_wanted_do_not_change_the_others(model, tokens):
    weight = torch.randn(3, 7, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    whole, part = model(tokens)[:, 5:], model(tokens, queries_from=5)
    torch.testing.assert_close(part, whole)
    parameters = list(model.parameters())
    for there, here in zip(*(torch.autograd.grad((x * weight).sum(), parameters) for x in (whole, part)), strict=True):
        torch.testing.assert_close(here, there)


def test_a_model_comes_back_from_disk_whatever_its_shape(model, tokens, tmp_path):
    model = model.float()
    again = HookedMamba2.from_pretrained(model.save_pretrained(tmp_path / "model"))
    assert again.config == model.config and torch.equal(again(tokens), model(tokens))


def test_a_pair_among_the_options_of_a_hybrid_comes_back_from_disk(recurrent, tokens, tmp_path):
    options = {"d_head": 8, "A_range": (1.0, 2.0), "dt_limit": (0.01, 0.5)}
    model = recurrent("hybrid", layers=("mamba2", "attention"), mamba2=options)
    again = HookedHybrid.from_pretrained(model.save_pretrained(tmp_path / "model"))
    assert again.config == model.config and again.config.mamba2 == options
    torch.testing.assert_close(again(tokens), model(tokens))


@pytest.mark.parametrize("read", ["mixer.hook_state", "mixer.hook_A_bar", "mixer.h.5"])
def test_a_model_of_half_precision_keeps_its_state_in_single_on_every_path(grouped, tokens, read):
    model, half = grouped.float(), copy.deepcopy(grouped).bfloat16()
    logits, cache = half.run_with_cache(tokens, names_filter=f"blocks.0.{read}")
    assert cache[f"blocks.0.{read}"].dtype == torch.float32
    torch.testing.assert_close(logits, half(tokens))
    with torch.autocast("cpu", torch.bfloat16):
        mixed, cache = model.run_with_cache(tokens, names_filter=f"blocks.0.{read}")
        assert cache[f"blocks.0.{read}"].dtype == torch.float32
        torch.testing.assert_close(mixed, model(tokens))


def test_it_runs_on_meta_tensors(model):
    tokens = torch.zeros(3, 12, dtype=torch.long, device="meta")
    model = model.to("meta")
    model(tokens, "loss", queries_from=5).backward()
    assert all(parameter.grad.is_meta for parameter in model.parameters())
    names = [*everything(model), MIXER + "h.3"]
    halved = model.run_with_hooks(tokens, fwd_hooks=[(name, lambda x, **_: x / 2) for name in names])
    assert halved.is_meta and halved.shape == (3, 12, 11)


# ---------------------------------------------------------------------- other tools


def hugging_face(**changes):
    """A random model of theirs; biases and norms are drawn too, so that leaving one out shows."""
    shape = {"hidden_size": 16, "num_heads": 4, "head_dim": 8, "state_size": 6, "n_groups": 1, "vocab_size": 11}
    config = HuggingFaceConfig(num_hidden_layers=2, **(shape | changes))
    torch.manual_seed(0)
    model = Mamba2ForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return model


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"n_groups": 2, "chunk_size": 8, "tie_word_embeddings": True},
        {"n_groups": 4, "time_step_limit": (0.3, 0.9), "conv_kernel": 2},
        {"use_bias": True, "use_conv_bias": False, "expand": 4, "num_heads": 8, "layer_norm_epsilon": 1e-3},
    ],
    ids=str,
)
def test_logits_are_those_of_hugging_face(shape, tmp_path):
    theirs = hugging_face(**shape)
    theirs.save_pretrained(tmp_path)
    tokens = torch.randint(0, 11, (3, 37), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, logits = theirs(tokens, use_cache=False).logits, load_mamba(tmp_path)(tokens)
    assert expected.std() > 0.1
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


def test_names_of_transformer_lens_hold_what_its_bridge_has_there(tmp_path):
    served, refused = asked_by_bridge_names(hugging_face(n_groups=2), tmp_path)
    for name, message in refused.items():
        assert re.search(r"another tool's name for something else.*use mixer\.hook_", message), name
    assert served == set(OTHER_NAMES) | {"mixer.hook_in", "mixer.hook_out"}
    assert set(refused) == set(REFUSED)


def test_what_the_layers_write_adds_up_to_the_stream(model, tokens):
    _, cache = model.run_with_cache(tokens)
    torch.testing.assert_close(cache.decompose_resid().sum(0), cache["resid_post", 1])
    torch.testing.assert_close(cache.accumulated_resid()[-1], cache["resid_post", 1])


# ---------------------------------------------------------------------- first weights, and what cannot be


def test_first_weights_are_as_the_authors_draw_them():
    config = Mamba2Config(d_model=256, d_head=1, n_groups=2, n_layers=4, bias=True)
    mixer = HookedMamba2(config, seed=3).requires_grad_(False).blocks[1].mixer
    delta = torch.nn.functional.softplus(mixer.b_dt)
    assert 0.001 <= delta.min() < 0.0015 and 0.07 < delta.max() <= 0.1
    assert delta.log().mean() == pytest.approx(math.log(0.01), abs=0.2)  # log-uniform
    assert -16 <= mixer.A.min() < -15 and -2 < mixer.A.max() <= -1 and mixer.A.mean() == pytest.approx(-8.5, abs=0.7)
    assert (mixer.D == 1).all() and (mixer.norm.w == 1).all()
    for name, bound in {"W_x": 1 / 16, "W_gate": 1 / 16, "W_B": 1 / 16, "W_dt": 1 / 16, "W_conv": 1 / 2}.items():
        assert 0.95 * bound < getattr(mixer, name).abs().max() <= bound, name
    bound = 512**-0.5 / 2  # sqrt of 4 layers
    assert 0.95 * bound < mixer.W_out.abs().max() <= bound
    assert not any(getattr(mixer, name).any() for name in ("b_x", "b_gate", "b_B", "b_C", "b_out"))


def test_a_mimetic_layer_begins_as_linear_attention(tokens):
    model = HookedMamba2(Mamba2Config(initialization="mimetic", d_model=64, d_state=64, d_vocab=11))
    _, cache = model.run_with_cache(tokens, names_filter=everything(model))
    torch.testing.assert_close(cache[MIXER + "hook_delta"], torch.ones(3, 12, 4))
    assert cache[MIXER + "hook_A_bar"].min() > 0.999  # nothing is forgotten
    assert torch.equal(cache[MIXER + "hook_conv"], cache[MIXER + "hook_conv_in"])
    mixer = model.blocks[0].mixer
    product = mixer.W_C @ mixer.W_B.T
    assert product.diagonal().mean() > 5 * (product - product.diagonal().diag()).std()


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"d_head": 24}, "d_head must divide the 128 channels .*; got 24"),
        ({"n_groups": 3}, "n_groups must divide the 4 heads; got 3"),
        ({"norm_groups": 3}, "norm_groups must divide the 128 channels; got 3"),
        ({"norm_groups": 0}, "norm_groups must be an integer from 1 .*; got 0"),
        ({"A_range": (0.0, 16.0)}, r"A_range .* got \(0.0, 16.0\)"),
        ({"A_range": (4.0, 2.0)}, "A_range"),
        ({"dt_limit": (0.5, 0.1)}, "dt_limit"),
        ({"dt_min": 0.2}, "dt_min at most dt_max"),
        ({"d_state": 0}, "d_state must be an integer from 1 .*; got 0"),
        ({"chunk": 0}, "chunk must be an integer from 1 .*; got 0"),
        ({"initialization": "xavier"}, "no initialization is called 'xavier'"),
    ],
    ids=str,
)
def test_a_shape_that_cannot_be_is_refused(fields, match):
    with pytest.raises(UserError, match=match):
        Mamba2Config(**fields)
